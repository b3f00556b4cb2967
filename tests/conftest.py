"""Fixtures every test may use."""

from __future__ import annotations

import os
import socket
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


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
