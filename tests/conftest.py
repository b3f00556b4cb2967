"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real meshes and scans, beside the checkout or named by SHAPESYS_TEST_DATA; skips where absent."""
    fallback = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SHAPESYS_TEST_DATA", fallback))
    if not root.is_dir():
        pytest.skip(f"no real test data at {root}; set SHAPESYS_TEST_DATA to a folder that holds it")
    return root
