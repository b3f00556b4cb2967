"""Fixtures of the sample store's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from trap_source import TrapSettings, TrapSource, write_shape


@pytest.fixture
def trap_root(tmp_path: Path) -> Path:
    """A folder of five good boxes, one of them a test shape, and a sheet without an inside."""
    root = tmp_path / "shapes"
    for number in range(4):
        write_shape(root, f"box/b{number}", size=1.0 + 0.1 * number)
    write_shape(root, "box/t4", size=0.5)
    write_shape(root, "sheet/s0", "sheet")
    return root


@pytest.fixture
def trap_source(trap_root: Path) -> TrapSource:
    return TrapSource(TrapSettings(root=str(trap_root)))
