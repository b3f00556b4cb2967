from __future__ import annotations

from pathlib import Path

import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.training.run_dir import RunDirectory
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep, find_sweep, is_sweep


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    made = create_sweep(tmp_path, "rates")
    made.definition.write_text("{}")
    return made


def test_trials_are_run_directories_inside(sweep: SweepDirectory) -> None:
    trial = sweep.trial("003-s1")
    assert type(trial) is RunDirectory
    assert trial.path == sweep.path / "trials" / "003-s1"
    assert trial.path.parent == sweep.trials
    assert {sweep.definition.name, sweep.ledger.name} == {"sweep.json", "trials.jsonl"}
    assert sweep.ledger.parent == sweep.definition.parent == sweep.path


def test_a_sweep_is_found_by_name_and_by_path(sweep: SweepDirectory, tmp_path: Path) -> None:
    assert find_sweep("rates", tmp_path) == find_sweep(str(sweep.path)) == SweepDirectory(sweep.path.resolve())


def test_a_folder_without_a_definition_is_no_sweep(sweep: SweepDirectory, tmp_path: Path) -> None:
    create_sweep(tmp_path, "begun")
    assert is_sweep(sweep.path)
    assert not is_sweep(tmp_path / "begun")
    with pytest.raises(UsageError, match="unknown sweep 'begun'"):
        find_sweep("begun", tmp_path)
    with pytest.raises(UsageError, match=r"unknown sweep 'rate'; did you mean rates\?"):
        find_sweep("rate", tmp_path)


def test_making_a_sweep_again_keeps_it(sweep: SweepDirectory, tmp_path: Path) -> None:
    assert create_sweep(tmp_path, "rates") == sweep
    assert is_sweep(sweep.path)


@pytest.mark.parametrize("name", ["", "a/b", ".."])
def test_a_name_is_a_folder_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ShapesysError):
        create_sweep(tmp_path, name)
