"""What memory there is, and work that does not fit."""

from __future__ import annotations

import math
from pathlib import Path

import psutil
import pytest

from shapesys.errors import ShapesysError
from shapesys.fields import memory


def group(folder: Path, limit: str, used: int, files: int) -> Path:
    """A Linux control group, as far as it is read."""
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {files}\nactive_file 3\n")
    return folder


def test_a_container_leaves_what_its_limit_does_and_cached_files_count_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", group(tmp_path, "5000", 4000, 1500))
    assert memory.available_bytes() == 2500
    with pytest.raises(ShapesysError, match="nine tenths of what is free"):
        memory.require(2400, None, "this")
    memory.require(2200, None, "this")


def test_without_a_limit_it_is_the_machine_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", group(tmp_path, "max", 4000, 1500))
    assert memory.available_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path / "none")
    assert math.isfinite(memory.available_bytes())
