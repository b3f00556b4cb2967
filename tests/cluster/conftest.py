"""One Ray instance for all tests of this folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from node_stages import Undisturbed
    from ray_head import Head

# The tests' own sources and recipes live there; workers find them by the environment that Ray starts with.
_HELPERS = os.pathsep.join(str(Path(__file__).parents[1] / name) for name in ("samples", "cluster", "reproduction"))
sys.path[:0] = _HELPERS.split(os.pathsep)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_HELPERS, os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """A private instance with two logical CPUs and no dashboard; yields its address, for drivers in processes of
    their own. They get the token from the environment."""
    ray = pytest.importorskip("ray")
    from shapesys.on_ray.runtime import runtime

    with runtime(num_cpus=2):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """A head node with a Jobs API, for what talks to a cluster from outside."""
    import ray_head

    with ray_head.running_head() as running:
        yield running


@pytest.fixture(scope="session")
def mugs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ten mugs, six of them to train on and three to test, with few samples of every view."""
    from shapesys.samples.prepare import prepare_locally
    from shapesys.samples.settings import CloudConfig, OccupancyConfig, PrepareConfig, QueryConfig
    from shapesys.sources import registry

    source = registry.build_source("procedural", {"categories": ("mug",), "count": 10, "test_fraction": 0.3})
    few = PrepareConfig(
        sdf=QueryConfig(count=2048, chunk=512), cloud=CloudConfig(points=512), occupancy=OccupancyConfig(points=500)
    )
    store = tmp_path_factory.mktemp("mugs") / "store"
    prepare_locally(source, str(store), few)
    return store


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What prepare, train and evaluate make where no node is lost."""
    import node_stages

    return node_stages.undisturbed(tmp_path_factory.mktemp("undisturbed"))
