"""What the tests of cluster/ share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cluster() -> Path:
    """The folder whose files are tested."""
    return Path(__file__).parents[2] / "cluster"
