"""Two small networks that make maps, trained once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shapesys.reproduction.train_once import train_once
from shapesys.samples.store import Store
from shapesys.training.config import resolve
from shapesys.training.run_dir import RunDirectory, create

FIELD = {
    "model.hidden": 16, "model.layers": 3, "model.skip_at": 1, "model.latent_dim": 4,
    "train.epochs": 2, "train.points_per_shape": 128, "train.shapes_per_step": 4,
    "inference.iterations": 4, "inference.points": 128,
}  # fmt: skip
CLOUD = {"model.width": 0.05, "train.epochs": 1, "train.points_per_shape": 32, "inference.points": 64}


@pytest.fixture(scope="session")
def store(saliency_store: str) -> Store:
    return Store.open(saliency_store)


@pytest.fixture(scope="session")
def network(store: Store, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Fields of chairs and mugs, with saliency."""
    return trained("issn", store, tmp_path_factory.mktemp("network"), FIELD)


@pytest.fixture(scope="session")
def classifier(store: Store, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Tells chairs from mugs, more or less."""
    return trained("pointnet", store, tmp_path_factory.mktemp("classifier"), CLOUD)


def trained(family: str, store: Store, root: Path, changes: dict[str, Any]) -> RunDirectory:
    run = create(root, family)
    train_once(run, resolve(family, "tiny", {"data.store": store.url} | changes))
    return run
