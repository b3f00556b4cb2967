"""Compiled code is kept where nobody else can write it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from shapesys.geometry.kernel_cache import is_writable, own_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_one_folder_of_this_user_s_alone(temporary: Path) -> None:
    made = own_folder("warp")
    assert made.parent == temporary
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert own_folder("warp") == made != own_folder("numba")


def test_a_folder_that_others_can_write_is_left_alone(temporary: Path) -> None:
    made = own_folder("warp")
    made.chmod(0o777)
    assert own_folder("warp") != made
    assert stat.S_IMODE(own_folder("warp").stat().st_mode) == 0o700


@pytest.mark.parametrize("target", [".", "nowhere"])
def test_a_link_in_its_place_is_not_followed(temporary: Path, target: str) -> None:
    made = own_folder("warp")
    made.rmdir()
    made.symlink_to(target)
    assert not own_folder("warp").is_symlink()
    assert own_folder("warp") != made


def test_what_can_be_made_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(os, "access", lambda path, _: not asked.append(str(path)))
    assert is_writable(tmp_path / "a" / "b")
    assert asked == [str(tmp_path)]
