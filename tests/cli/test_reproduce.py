"""`shapesys reproduce`, on the smallest of its recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import invoke


def data_of(*words: object) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_toy_experiment_prints_a_table_and_draws_a_page(tmp_path: Path) -> None:
    words = ["reproduce", "ssn.toy", "--local", "--folder", tmp_path]
    shown = invoke(*words)
    assert shown.exit_code == 0, shown.output
    assert "after 5 iterations" in shown.output
    found = data_of(*words)
    first, last = (line["cells"]["ASA"]["mean"] for line in found["lines"])
    assert last > 0.98 > first
    page = Path(found["page"]).read_text()
    assert page.count("data:image/jpeg;base64,") == page.count("100 superpixels asked for</figcaption>") == 8
    assert "figure 3" in page
    # Where an earlier version left its runs, they are found again.
    folder = tmp_path / "ssn.toy-tiny-toy-images"
    assert found["runs"] == [str(folder / "ssn.toy-00-s0")]
    table = json.loads((folder / "table.json").read_text())
    assert table["lines"] == found["lines"]


def test_the_same_command_again_trains_nothing(tmp_path: Path) -> None:
    words = ["reproduce", "ssn.toy", "--local", "--folder", tmp_path]
    [run] = data_of(*words)["runs"]
    before = {path: path.stat().st_mtime_ns for path in Path(run).glob("checkpoints/*/model.safetensors")}
    assert data_of(*words)["runs"] == [run]
    assert {path: path.stat().st_mtime_ns for path in Path(run).glob("checkpoints/*/model.safetensors")} == before


def test_a_dry_run_lists_the_runs_and_does_nothing(tmp_path: Path) -> None:
    found = data_of("reproduce", "dpgnet.table2", "--seeds", 2, "--folder", tmp_path / "out", "--dry-run")
    assert len(found["runs"]) == 10
    # One iteration, in table 2 of the paper.
    assert [cell["published"] for cell in found["lines"][1]["cells"].values()] == ["93.30", "83.82", ""]
    shown = invoke("reproduce", "dpgnet.table2", "--folder", tmp_path / "out", "--dry-run").stdout
    assert "83.82" in shown
    assert "published in: " in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["dpgnet.table2", "--scale", "paper"], "needs the folder shapenetcore_partanno"),
        (["ssn.toy", "--root", "/somewhere"], "makes data 'paper' itself; leave out --root\n"),
        (["ssn.asa", "--data", "tiny", "--root", "/x"], "leave out --root, or choose with --data: paper\n"),
        (["ssn.asa", "--data", "toys"], "ssn.asa has no data 'toys'; choose with --data: tiny, paper\n"),
        (["ssn.toy", "--local", "--workers", "2"], "--workers 2 with --local: one experiment follows the other"),
        (["dpgnet.table3"], "unknown recipe 'dpgnet.table3'; did you mean dpgnet.table"),
    ],
)
def test_what_cannot_be_reproduced_is_bad_usage(words: list[str], complaint: str, tmp_path: Path) -> None:
    result = invoke("reproduce", *words, "--folder", tmp_path)
    assert result.exit_code == 2
    assert complaint in result.output


def test_recipes_are_listed() -> None:
    assert {row["recipe"] for row in data_of("list", "recipes")["recipes"]} >= {
        "dpgnet.table1",
        "dpgnet.table2",
        "ssn.asa",
    }
