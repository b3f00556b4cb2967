"""`shapesys reproduce` where experiments need each other and recipes share their runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli_support import invoke
from two_phases import MADE, REFUSED, multiples

from shapesys.cli import reproduction_run
from shapesys.cli.progress import Progress
from shapesys.errors import unknown_name
from shapesys.reproduction import registry
from shapesys.reproduction.recipe import Recipe

RECIPES = {
    "own.table1": multiples("own.table1", "once", "twice"),
    "first.table": multiples("first.table", "once", shares="pool"),
    "second.table": multiples("second.table", "once", "twice", "thrice", shares="pool"),
}


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Recipe:
        if name not in RECIPES:
            raise unknown_name("recipe", name, RECIPES)
        return RECIPES[name]

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(registry, "names", lambda: sorted(RECIPES))


def reproduce(folder: Path, *words: object, exit_code: int = 0) -> dict[str, Any]:
    result = invoke("reproduce", *words, "--local", "--folder", folder, "--json")
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def means(found: dict[str, Any], title: str = "mean") -> dict[str, Any]:
    return {line["label"]: line["cells"][title]["values"] for line in found["lines"]}


def test_the_second_phase_measures_what_the_first_left(tmp_path: Path) -> None:
    found = reproduce(tmp_path, "own.table1")
    assert means(found) == {"once": {"0": 10.0, "1": 11.0}, "twice": {"0": 20.0, "1": 22.0}}
    assert means(found, "least")["twice"] == {"0": 19.0, "1": 21.0}
    assert means(found, "most")["twice"] == {"0": 21.0, "1": 23.0}
    assert found["statistics"] == {"mean": "mean", "least": "min", "most": "max"}
    assert (tmp_path / "own.table1-tiny-toys" / "table.json").is_file()


def test_every_experiment_of_all_phases_is_counted(tmp_path: Path) -> None:
    result = invoke("reproduce", "own.table1", "--local", "--folder", tmp_path)
    assert "reproduce: 6/6 experiments" in result.stderr


def test_what_an_earlier_command_did_is_counted_before_the_rate_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    class Recorder(Progress):
        def __call__(self, done: int, total: int | None = None, **facts: Any) -> None:
            counted.append(done)
            super().__call__(done, total, **facts)

    monkeypatch.setattr(reproduction_run, "Progress", Recorder)
    reproduce(tmp_path, "first.table")
    assert counted == [0, 1, 2, 3, 4]
    counted.clear()
    # Its networks are there, its measurements are not.
    reproduce(tmp_path, "second.table")
    assert counted == [2, 2, 2, 3, 4, 5, 6, 7, 8]
    again = invoke("reproduce", "second.table", "--local", "--folder", tmp_path)
    assert again.stderr.count("reproduce: 8/8 experiments") == 1


def test_a_failure_is_told_and_so_is_what_needed_it_and_the_next_time_does_the_rest(tmp_path: Path) -> None:
    runs = tmp_path / "own.table1-tiny-toys"
    runs.mkdir()
    (runs / REFUSED).write_text("network-s1")
    found = reproduce(tmp_path, "own.table1", exit_code=1)
    assert found["failed"] == {
        "network-s1": "network-s1 refuses to train",
        "own.table1-x1-s1": "own.table1-x1-s1 needs network-s1, which is not there",
        "own.table1-x2-s1": "own.table1-x2-s1 needs network-s1, which is not there",
    }
    assert means(found) == {"once": {"0": 10.0}, "twice": {"0": 20.0}}
    (runs / REFUSED).unlink()
    before = (runs / MADE).read_text().split()
    again = reproduce(tmp_path, "own.table1")
    assert again["failed"] == {}
    assert means(again) == {"once": {"0": 10.0, "1": 11.0}, "twice": {"0": 20.0, "1": 22.0}}
    assert (runs / MADE).read_text().split()[len(before) :] == ["network-s1", "own.table1-x1-s1", "own.table1-x2-s1"]


def test_recipes_that_share_find_each_others_runs_and_keep_their_own_tables(tmp_path: Path) -> None:
    first, second = reproduce(tmp_path, "first.table"), reproduce(tmp_path, "second.table")
    shared = tmp_path / "pool-tiny-toys"
    made = Counter((shared / MADE).read_text().split())
    assert made["network-s0"] == made["network-s1"] == 1
    assert means(first)["once"] == means(second)["once"]
    assert {Path(found["page"]).parent.name for found in (first, second)} == {
        "first.table-tiny-toys",
        "second.table-tiny-toys",
    }
    assert not (tmp_path / "first.table-tiny-toys" / "network-s0").exists()


def test_data_are_chosen_by_name_and_named_in_the_notes(tmp_path: Path) -> None:
    assert reproduce(tmp_path, "own.table1")["notes"][0] == "data: tiny (toys), drawn, not photographed"
    found = reproduce(tmp_path, "own.table1", "--data", "many")
    assert found["notes"][0] == "data: many (more-toys)"
    assert Path(found["page"]).parent.name == "own.table1-tiny-more-toys"
    assert (tmp_path / "stores" / "more-toys").is_dir()
    refused = invoke("reproduce", "own.table1", "--data", "photos", "--folder", tmp_path)
    assert refused.exit_code == 2
    assert "own.table1 has no data 'photos'; choose with --data: tiny, many, paper" in refused.stderr
    refused = invoke("reproduce", "own.table1", "--data", "paper", "--folder", tmp_path)
    assert "own.table1 with data 'paper' needs the folder BSDS500; name its place with --root DIR" in refused.stderr


def test_a_dry_run_says_what_each_phase_does_and_with_which_data(tmp_path: Path) -> None:
    words = [
        "reproduce",
        "own.table1",
        "--root",
        "/photographs",
        "--epochs",
        3,
        "--folder",
        tmp_path / "out",
        "--dry-run",
    ]
    data = json.loads(invoke(*words, "--json").stdout)
    assert (data["data"], data["runs"][:2]) == ("paper", ["network-s0", "network-s1"])
    shown = " ".join(invoke(*words).stdout.split())
    for text in ("phase", "trains", "measured as", "a number for 3 epochs", "twice", "note: data: paper (photographs)"):
        assert text in shown
    assert not (tmp_path / "out").exists()


def test_the_list_of_recipes_names_their_data() -> None:
    [row, *_] = json.loads(invoke("list", "recipes", "--json").stdout)["recipes"]
    assert row["recipe"] == "first.table"
    assert row["data"] == ["tiny", "many", "paper"]
