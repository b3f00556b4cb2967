"""What every registered family is put through: its tiny configuration, and every small way a field learns its codes."""

from __future__ import annotations

import pytest

from shapesys.families import registry
from shapesys.families.base import Family, FieldPrediction
from shapesys.training.config import TrainJob, resolve


def small_presets(family: Family) -> list[str]:
    """Of families of fields also those with encoders, and with a network per shape."""
    others = [name for name in family.presets if name.startswith(("tiny_", "single"))]
    return ["tiny", *(others if family.predicts is FieldPrediction else [])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" not in metafunc.fixturenames:
        return
    families = [registry.load(name) for name in registry.names()]
    if "learns" in metafunc.fixturenames:
        families = [family for family in families if family.traits.trained]
    if "job" not in metafunc.fixturenames:
        metafunc.parametrize("family", families, ids=[family.name for family in families])
        return
    pairs = [(family, preset) for family in families for preset in small_presets(family)]
    ids = [family.name if preset == "tiny" else f"{family.name}-{preset}" for family, preset in pairs]
    metafunc.parametrize(("family", "preset"), pairs, ids=ids)


@pytest.fixture
def learns() -> None:
    """Asked for by tests of training: families that have nothing to train are not put through them."""


@pytest.fixture
def job(family: Family, preset: str) -> TrainJob:
    return resolve(family.name, preset, {"data.store": "unused"})
