"""What every registered family is put through, in its tiny configuration."""

from __future__ import annotations

import pytest

from shapesys.families import registry
from shapesys.families.base import Family
from shapesys.training.config import TrainJob, resolve


@pytest.fixture(params=registry.names())
def family(request: pytest.FixtureRequest) -> Family:
    return registry.load(request.param)


@pytest.fixture
def job(family: Family) -> TrainJob:
    """The family's tiny preset."""
    return resolve(family.name, "tiny", {"data.store": "unused"})
