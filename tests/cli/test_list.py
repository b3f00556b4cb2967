"""What `shapesys list` shows of search spaces, sweeps and presets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import invoke

from shapesys.config.base import parse
from shapesys.families import registry
from shapesys.samples.filesystem import Folder
from shapesys.samples.settings import PRESETS
from shapesys.training.config import resolve
from shapesys.tuning.config import claim_sweep, sweep_type
from shapesys.tuning.ledger import Ledger, Trial
from shapesys.tuning.spaces import list_spaces
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep


def rows(what: str, *words: object) -> list[dict[str, Any]]:
    result = invoke("list", what, *words, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)[what]
    return found


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    space = {"name": "three", "family": "issn", "knobs": {"model.saliency_weight": {"choices": [0.1, 0.2]}}}
    base = resolve("issn", "tiny", {"data.store": "analytic"}).model_dump(mode="json")
    directory = create_sweep(tmp_path, "first")
    claim_sweep(directory, parse(sweep_type(registry.load("issn")), {"space": space, "base": base}))
    return directory


def test_spaces_are_those_that_come_with_the_package() -> None:
    found = rows("spaces")
    assert [(row["family"], row["space"]) for row in found] == [(space.family, space.name) for space in list_spaces()]
    by_name = {row["space"]: row for row in found}
    assert (by_name["lambda"]["points"], by_name["lambda"]["knobs"]) == (3, ["model.saliency_weight"])
    assert by_name["default"]["points"] is None
    shown = invoke("list", "spaces").stdout
    assert all(row["space"] in shown and row["summary"].split()[0] in shown for row in found)


def test_a_sweep_is_shown_with_how_its_trials_ended(sweep: SweepDirectory, tmp_path: Path) -> None:
    ledger = Ledger(sweep.ledger)
    for number, ending in enumerate(["finished", "finished", "stopped", "errored", None]):
        trial = Trial(f"{number:03d}-s0", number, 0, {"model.saliency_weight": 0.1})
        ledger.begin(trial)
        if ending:
            ledger.end(trial.id, ending)  # type: ignore[arg-type]
    sweep.update_status(state="finished")
    [row] = rows("sweeps", "--runs-root", tmp_path)
    assert row == {
        "sweep": "first", "family": "issn", "space": "three", "metric": "chamfer/onet.chamfer_l1", "state": "finished",
        "finished": 2, "stopped": 1, "errored": 1, "open": 1,
    }  # fmt: skip
    assert "first" in invoke("list", "sweeps", "--runs-root", tmp_path).stdout
    assert rows("runs", "--runs-root", tmp_path) == [], "a sweep is no run"


def test_a_sweep_whose_driver_was_killed_is_not_shown_as_running(sweep: SweepDirectory, tmp_path: Path) -> None:
    sweep.update_status(state="running")
    assert rows("sweeps", "--runs-root", tmp_path)[0]["state"] == "interrupted"
    with Folder(str(sweep.path)).exclusive():
        assert rows("sweeps", "--runs-root", tmp_path)[0]["state"] == "running"


def test_a_broken_sweep_does_not_hide_the_others(sweep: SweepDirectory, tmp_path: Path) -> None:
    broken = create_sweep(tmp_path, "broken")
    broken.definition.write_text("{}")
    by_name = {row["sweep"]: row for row in rows("sweeps", "--runs-root", tmp_path)}
    assert "is not a sweep" in by_name["broken"]["state"]
    assert by_name["first"]["family"] == "issn"
    assert set(by_name["broken"]) == set(by_name["first"]), "a table needs the same columns"


def test_presets_are_those_of_training_and_of_preparing() -> None:
    found = rows("presets")
    assert [row["preset"] for row in found if row["verb"] == "prepare"] == list(PRESETS)
    assert {row["preset"] for row in found if row["family"] == "issn"} == set(registry.load("issn").presets)
    paper = next(row for row in found if (row["verb"], row["preset"]) == ("prepare", "paper"))
    assert "250,000 distance queries" in paper["summary"]


def test_without_a_name_everything_is_listed_but_runs_and_sweeps() -> None:
    result = invoke("list", "--json")
    assert list(json.loads(result.stdout)) == [
        "families",
        "presets",
        "sources",
        "views",
        "metrics",
        "spaces",
        "recipes",
    ]


def test_a_misspelt_list_is_explained() -> None:
    result = invoke("list", "space")
    assert result.exit_code == 2
    assert "did you mean spaces" in result.stderr
