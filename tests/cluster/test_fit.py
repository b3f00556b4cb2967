"""One network per scan on a pool of actors: the same as in one process, and none lost with an actor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, OccupancyConfig, PrepareConfig, UnsignedConfig
from shapesys.sources.registry import build_source
from shapesys.training.config import TrainJob, resolve
from shapesys.training.fitted import begin
from shapesys.training.run_dir import RunDirectory, create

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SETTINGS = EvaluateConfig(resolution=16, samples=400)
SCALE = EvaluateScale(num_actors=2, cpus_per_actor=0.5, batch_shapes=1)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainJob:
    """Four scans, and networks that take about a second each."""
    source = build_source("procedural_scans", {"categories": ("bottle", "sofa"), "count": 4, "test_fraction": 0.5})
    few = PrepareConfig(
        views=("meshes", "udf", "cloud", "occupancy"),
        udf=UnsignedConfig(count=4096, chunk=2048, neighbour=4),
        cloud=CloudConfig(points=256),
        occupancy=OccupancyConfig(points=300),
    )
    store = str(tmp_path_factory.mktemp("scans") / "store")
    prepare_locally(source, store, few, isolate=False)
    small = {"model.hidden": 32, "model.layers": 3, "train.points_per_shape": 256, "train.epochs": 300}
    return resolve("sal", "single", {"data.store": store, **small})


def begun(job: TrainJob, folder: Path) -> RunDirectory:
    run = create(folder, "fits")
    begin(run, job)
    return run


def networks_of(run: RunDirectory) -> dict[str, dict[str, torch.Tensor]]:
    return {path.name: load_file(path) for path in sorted((run.path / "networks").iterdir())}


def test_the_pool_fits_the_networks_of_one_process_and_loses_none_with_an_actor(
    ray_cluster: str, job: TrainJob, tmp_path: Path
) -> None:
    from shapesys.on_ray.evaluate import evaluate

    here, there = begun(job, tmp_path / "here"), begun(job, tmp_path / "there")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert evaluate_locally(here, SETTINGS, SCALE)["counts"]["ok"] == 4
    torch.set_num_threads(threads)
    killed: list[int] = []

    def kill_an_actor(done: int, total: int, failed: int) -> None:
        assert (total, failed) == (4, 0)
        if done and not killed:
            victim = next(child for child in psutil.Process().children(recursive=True) if is_actor(child))
            victim.kill()
            killed.append(victim.pid)

    summary = evaluate(there, SETTINGS, SCALE, progress=kill_an_actor)
    assert killed
    assert summary["counts"] == {"ok": 4, "empty": 0, "failed": 0, "missing": 0}
    expected, found = networks_of(here), networks_of(there)
    assert found.keys() == expected.keys()
    for name, weights in found.items():
        for key, value in weights.items():
            assert torch.equal(value, expected[name][key]), (name, key)
    rows: list[list[dict[str, Any]]] = [pq.read_table(run.evaluation("test").rows).to_pylist() for run in (here, there)]
    for one, two in zip(*rows, strict=True):
        assert (one["shape_id"], one["fact/loss"]) == (two["shape_id"], two["fact/loss"])


def is_actor(child: psutil.Process) -> bool:
    return "".join(child.cmdline()[:1]).startswith("ray::EvaluationActor")
