"""What experiments leave, what it depends on, and that nobody uses what is left of one that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapesys.errors import ShapesysError
from shapesys.reproduction.kept import Kept, at_work, check_kept


def written(folder: Path, name: str = "number.txt", facts: dict[str, object] | None = None) -> Kept:
    kept = Kept(folder / name)
    kept.keep(facts or {"of": (1, 2)}, lambda path: path.write_text("12"))
    return kept


def test_a_file_is_made_once_for_the_same_facts(tmp_path: Path) -> None:
    kept = written(tmp_path)
    # Tuples come back as lists.
    assert kept.is_current({"of": (1, 2)})
    kept.keep({"of": [1, 2]}, lambda path: pytest.fail("made again"))


@pytest.mark.parametrize("facts", [{"of": [1, 3]}, {"of": [1, 2], "by": "hand"}, {}])
def test_a_file_is_made_again_for_other_facts(tmp_path: Path, facts: dict[str, object]) -> None:
    kept = written(tmp_path)
    assert not kept.is_current(facts)
    kept.keep(facts, lambda path: path.write_text("13"))
    assert kept.path.read_text() == "13"
    assert kept.is_current(facts)


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    kept = written(tmp_path)
    kept.path.unlink()
    assert written(tmp_path).path.read_text() == "12"


def test_what_was_being_made_when_it_failed_is_not_current(tmp_path: Path) -> None:
    kept = written(tmp_path)

    def half(path: Path) -> None:
        path.write_text("1")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        kept.keep({"of": "more"}, half)
    assert not kept.is_current({"of": (1, 2)})
    assert not kept.is_current({"of": "more"})


def test_files_may_be_used_once_their_experiment_is_done(tmp_path: Path) -> None:
    with at_work(tmp_path):
        kept = written(tmp_path)
        with pytest.raises(ShapesysError):
            check_kept([kept.path], "numbers")
    check_kept([kept.path], "numbers")


def test_what_is_left_of_an_earlier_experiment_is_refused_where_the_last_one_failed(tmp_path: Path) -> None:
    for name in ("one", "other", "third"):
        (tmp_path / name).mkdir()
    files = [written(tmp_path / name, file).path for name in ("one", "other", "third") for file in ("a", "b")]
    with (
        pytest.raises(ShapesysError, match="the disk"),
        at_work(tmp_path / "one", tmp_path / "one", tmp_path / "other"),
    ):
        raise ShapesysError("the disk is full")
    with pytest.raises(
        ShapesysError, match="there are no numbers of one, other, whose experiment failed; .* same command"
    ):
        check_kept(files, "numbers")
    with at_work(tmp_path / "one", tmp_path / "other"):
        pass
    check_kept(files, "numbers")


def test_missing_files_name_their_experiment(tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="no numbers of never, whose"):
        check_kept([tmp_path / "never" / "a"], "numbers")


def test_two_experiments_never_work_in_one_folder(tmp_path: Path) -> None:
    with at_work(tmp_path), pytest.raises(ShapesysError, match="another process is writing"), at_work(tmp_path):
        pytest.fail("both work")
