"""Every analytic solid in turn."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from solids import SOLIDS

from shapesys.fields.field import Field


@pytest.fixture(params=list(SOLIDS))
def solid(request: pytest.FixtureRequest) -> Field:
    return SOLIDS[request.param]
