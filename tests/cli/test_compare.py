"""`shapesys compare` on run directories whose numbers are known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from cli_support import invoke
from report_support import CHAMFER, evaluated_run, scored_run, trained_run

from shapesys.training.run_dir import RunDirectory

SCORES = {f"chair/{at}": 0.1 + 0.01 * at for at in range(6)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    scored_run(root, "base", SCORES)
    scored_run(root, "wide-s0", {shape: value / 2 for shape, value in SCORES.items()}, {"model": {"latent_dim": 64}})
    changes = {"model": {"latent_dim": 64}, "train": {"seed": 1}}
    scored_run(root, "wide-s1", {shape: value / 4 for shape, value in SCORES.items()}, changes)
    return root


def data_of(*words: object) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_names_paths_and_trials_of_a_sweep_are_runs(runs: Path) -> None:
    trial = runs / "sweep" / "trials" / "t0"
    shutil.copytree(runs / "wide-s1", trial)
    found = data_of("compare", "base", trial, "--runs-root", runs, "--no-page")
    assert [run["name"] for run in found["runs"]] == ["base", "t0"]
    assert found["settings"]["model.latent_dim"] == {"base": 32, "t0": 64}
    assert found["splits"]["test"]["metrics"][CHAMFER]["differences"]["t0"]["won"] == 6
    assert "page" not in found
    assert not list(runs.glob("*.html"))


def test_the_page_lies_beside_the_first_run_and_its_size_is_told(runs: Path) -> None:
    result = invoke("compare", "base", "wide-s0", "--runs-root", runs)
    assert result.exit_code == 0, result.output
    assert f"page: {runs / 'compare.html'} (" in result.stdout
    assert result.stdout.rstrip().endswith("MB)")
    assert "train.seed" not in result.stdout
    out = runs / "deep" / "own.html"
    assert data_of("compare", "base", "wide-s0", "--runs-root", runs, "-o", out)["page"] == str(out)
    assert "2 runs compared" in out.read_text(encoding="utf-8")


def test_seeds_are_grouped_where_asked(runs: Path) -> None:
    words = ["compare", "base", "wide-s0", "wide-s1", "--runs-root", runs, "--no-page"]
    assert "--group-seeds' shows them as one column" in invoke(*words).stdout
    found = data_of(*words, "--group-seeds")
    assert [run["seeds"] for run in found["runs"]] == [[None], [None, 1]]
    assert found["splits"]["test"]["columns"] == ["base", "wide-s × 2 seeds"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["base"], 2, "only run 'base' was given; compare needs two or more"),
        (["base", "bse"], 2, "unknown run 'bse'; did you mean base?"),
        (["base", "base"], 2, "run 'base' was given twice"),
        (["base", "wide-s0", "--metric", "chamfer/onet.chamfr"], 2, "did you mean chamfer/onet.chamfer_l1?"),
        (["base", "wide-s0", "--split", "tset"], 2, "unknown split 'tset'; did you mean test?"),
        (["base", "wide-s0", "--worst", "-1"], 2, "--worst"),
    ],
)
def test_bad_usage(runs: Path, words: list[str], code: int, told: str) -> None:
    result = invoke("compare", *words, "--runs-root", runs, "--no-page")
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_runs_that_were_not_evaluated_are_named_with_the_commands(runs: Path) -> None:
    bare = trained_run(runs, "bare", steps=0)
    result = invoke("compare", "base", "bare", "--runs-root", runs)
    assert result.exit_code == 1
    assert result.stderr == f"no evaluation in 'bare'; run first:\n  shapesys evaluate {bare.path}\n"
    result = invoke("compare", "base", "wide-s0", "--split", "val", "--runs-root", runs)
    assert result.exit_code == 1
    for name in ("base", "wide-s0"):
        assert f"shapesys evaluate {runs / name} --split val" in result.stderr


def test_meshes_stand_on_the_page_and_worst_says_how_many(runs: Path) -> None:
    for name in ("one", "two"):
        evaluated_run(runs, name)
    out = runs / "meshes.html"
    data_of("compare", "one", "two", "--runs-root", runs, "-o", out, "--worst", 1)
    assert out.read_text(encoding="utf-8").count('<figure class="shape"') == 1
    data_of("compare", "one", "two", "--runs-root", runs, "-o", out, "--worst", 3, "--metric", "iou")
    page = out.read_text(encoding="utf-8")
    assert page.count('<figure class="shape"') == 3
    assert "Ranked by iou/uniform" in page


def test_without_jinja_the_tables_are_printed_all_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    words = ["compare", "base", "wide-s0", "--runs-root", runs]
    result = invoke(*words)
    assert result.exit_code == 0
    assert "no page: the offline page needs 'jinja2'" in result.stderr
    assert "model.latent_dim" in result.stdout
    assert invoke(*words, "-o", runs / "own.html").exit_code == 1


def test_a_broken_run_is_named(runs: Path) -> None:
    summary = RunDirectory(runs / "base").evaluation("test").summary
    summary.write_text("{")
    result = invoke("compare", "base", "wide-s0", "--runs-root", runs)
    assert result.exit_code == 1
    assert f"{summary} is not valid JSON" in result.stderr


def test_the_job_is_the_verb() -> None:
    path = Path(__file__).parents[2] / "jobs" / "compare.py"
    done = subprocess.run([sys.executable, str(path), "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "Usage: shapesys compare [OPTIONS] RUN RUN..." in done.stdout


def test_a_page_that_cannot_be_written_is_named_and_costs_the_tables_only_where_asked_for(runs: Path) -> None:
    (runs / "file").touch()
    words = ["compare", "base", "wide-s0", "--runs-root", runs]
    result = invoke(*words, "-o", runs / "file" / "page.html")
    assert result.exit_code == 1
    assert f"cannot write {runs}/file/page.html: " in result.stderr
    assert "another place with --out" in result.stderr
    (runs / "compare.html").mkdir()
    result = invoke(*words)
    assert (result.exit_code, "no page: cannot write" in result.stderr) == (0, True)
    assert not list(runs.glob(".*.part"))
