from __future__ import annotations

from pathlib import Path

import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.training.run_dir import check_kind, create, find


def test_a_run_lies_below_the_root(tmp_path: Path) -> None:
    run = create(tmp_path, "chairs")
    assert run.root == tmp_path
    assert run.sweep is None


def test_a_root_that_is_a_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ShapesysError, match="cannot make .*file/own: Not a directory; choose another --runs-root"):
        create(tmp_path / "file", "own")


def test_a_trial_has_its_sweep_and_the_root_of_ordinary_runs(tmp_path: Path) -> None:
    trial = create(tmp_path / "lambda" / "trials", "003")
    assert trial.sweep is None, "a folder may have that name without being a sweep's"
    (tmp_path / "lambda" / "sweep.json").write_text("{}")
    assert trial.sweep is not None
    assert trial.sweep.name == "lambda"
    assert trial.root == trial.sweep.root == tmp_path


def test_a_network_has_its_set_and_the_root_of_ordinary_runs(tmp_path: Path) -> None:
    network = create(tmp_path / "fields", "mug")
    assert network.parent is None, "a folder of runs is no set by itself"
    (tmp_path / "fields" / "set.json").write_text("{}")
    assert network.parent is not None
    assert network.parent.children == [], "not begun"
    network.config.write_text("{}")
    (tmp_path / "fields" / "pictures").mkdir()
    assert network.parent.children == [network]
    assert network.root == network.parent.root == tmp_path


def test_a_set_is_no_run(tmp_path: Path) -> None:
    network = create(tmp_path / "fields", "mug")
    network.config.write_text("{}")
    (tmp_path / "fields" / "set.json").write_text("{}")
    assert find("fields/mug", tmp_path) == network
    with pytest.raises(UsageError, match="'fields' is a set of 1 networks; name one of them, such as .*fields/mug"):
        find("fields", tmp_path)


@pytest.mark.parametrize(
    ("marker", "kind"), [("config.json", "a run"), ("sweep.json", "a sweep"), ("set.json", "a set of networks")]
)
def test_a_folder_is_of_one_kind(tmp_path: Path, marker: str, kind: str) -> None:
    directory = create(tmp_path, "first")
    for own in ("config.json", "sweep.json", "set.json"):
        check_kind(directory, own)
    (directory.path / marker).write_text("{}")
    check_kind(directory, marker)
    for other in {"config.json", "sweep.json", "set.json"} - {marker}:
        with pytest.raises(UsageError, match=f"{directory.path} is {kind}; choose another --run"):
            check_kind(directory, other)
