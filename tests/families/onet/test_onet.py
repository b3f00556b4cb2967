"""Occupancy Networks: the published size, learning, and inference."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "convonet"))

from balls import balls, scans, taught

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.convonet import FAMILY as CONVONET
from shapesys.families.onet import FAMILY
from shapesys.families.onet.config import ONetConfig, ONetInference
from shapesys.families.onet.objective import ONetObjective, build
from shapesys.fields.extraction import extract
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source
from shapesys.training import history, run_dir
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train

SMALL = ONetConfig(
    side=2.2,
    code_dim=16,
    encoder_hidden=24,
    encoder_blocks=2,
    hidden=24,
    blocks=2,
    input_points=100,
    input_noise=0.01,
)


def trained(steps: int) -> ONetObjective:
    """A small network that knows balls."""
    torch.manual_seed(0)
    network: ONetObjective = taught(build(SMALL, TrainingData(8)), steps)
    return network


@pytest.fixture(scope="module")
def knowing() -> ONetObjective:
    return trained(300)


def test_the_paper_preset_is_the_published_network() -> None:
    """Encoder and decoder are counted from the released definitions in tests/nets."""
    job = resolve("onet", "paper", {"data.store": "unused"})
    network = build(job.model, TrainingData(1))
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_825_472 + 3_548_417
    assert job.model == ONetConfig()
    assert job.inference == ONetInference()
    steps = job.train.epochs * -(-30_661 // job.train.shapes_per_step)
    assert steps == 300_000


def test_small_is_trained_as_convonets_small() -> None:
    ours, theirs = FAMILY.presets["small"].settings, CONVONET.presets["small"].settings
    shared = {path for path in theirs if path in ours}
    assert shared >= {"model.input_points", "model.input_noise", "train.epochs", "train.learning_rate"}
    different = {path for path in shared if ours[path] != theirs[path]}
    assert different == {"train.validate_epochs"}


def test_it_learns_balls(knowing: ONetObjective) -> None:
    with torch.no_grad():
        before, after = (network(balls(8, 999, 2000)).scalars() for network in (trained(0), knowing))
    assert after["loss/total"] < 0.5 * before["loss/total"]
    assert after["statistics/iou"] > 0.6 > before["statistics/iou"]


def test_the_surface_of_an_unseen_ball(knowing: ONetObjective) -> None:
    batch = balls(4, 7)
    level = ONetInference(points=100, level=0.5)
    for prediction, cloud in zip(FAMILY.infer(knowing, scans(batch), level, 0), batch["surface"], strict=True):
        centre = cloud.mean(dim=0).numpy()
        radius = float((cloud - cloud.mean(dim=0)).norm(dim=1).mean())
        mesh = extract(prediction.field, 32).mesh
        distances = np.linalg.norm(mesh.vertices - centre, axis=1)
        assert abs(np.median(distances) - radius) < 0.12


def test_a_lower_level_is_a_larger_shape(knowing: ONetObjective) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    inside = []
    for level in (0.1, 0.3, 0.5):
        [prediction] = FAMILY.infer(knowing, scans(balls(1, 7)), ONetInference(points=100, level=level), 0)
        inside.append(int((prediction.field.values(points) > prediction.field.traits.level).sum()))
    assert inside[0] > inside[1] > inside[2] > 0


def test_what_a_cloud_becomes_does_not_depend_on_others(knowing: ONetObjective) -> None:
    clouds, settings = scans(balls(3, 7)), ONetInference(points=100)
    points = np.random.default_rng(1).uniform(-1, 1, (500, 3)).astype(np.float32)
    together = FAMILY.infer(knowing, clouds, settings, 0)
    [alone] = FAMILY.infer(knowing, clouds[1:2], settings, 0)
    np.testing.assert_array_equal(together[1].field.values(points), alone.field.values(points))
    [other] = FAMILY.infer(knowing, clouds[1:2], settings, 1)
    assert not np.array_equal(other.field.values(points), alone.field.values(points))


def test_noise_belongs_to_the_shape_and_the_step() -> None:
    network, batch = trained(0).train(), balls(2, 0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # at first codes do not matter
    same = network(batch).total()
    assert torch.equal(network(batch).total(), same)
    assert not torch.equal(network({**batch, "noise_seed": batch["noise_seed"] + 1}).total(), same)


def test_clouds_outside_of_the_cube_are_refused() -> None:
    cloud = np.random.default_rng(0).uniform(-3, 3, (100, 3)).astype(np.float32)
    with pytest.raises(ShapesysError, match=r"of the 100 points of 'far' lie outside the cube of side 2.2"):
        FAMILY.infer(trained(0), [Observation("far", {"points": cloud})], ONetInference(), 0)
    with pytest.raises(ShapesysError, match="'none' has no points"):
        FAMILY.infer(trained(0), [Observation("none", {"points": cloud[:0]})], ONetInference(), 0)


@pytest.mark.parametrize(
    "settings", [{"model.code_dim": 0}, {"model.side": 0.0}, {"model.input_points": 0}, {"inference.level": 1.0}]
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        resolve("onet", "tiny", {"data.store": "unused", **settings})


def test_tiny_learns_prepared_shapes(tmp_path: Path) -> None:
    shapes = {"categories": ("bottle", "sofa"), "count": 8, "val_fraction": 0.0, "test_fraction": 0.0}
    views = {"views": ("inside",), "inside.count": 4096, "inside.chunk": 1024, "inside.surface": 512}
    store = str(tmp_path / "store")
    prepare_locally(build_source("procedural", shapes), store, PRESETS["tiny"].override(views), isolate=False)
    job = resolve("onet", "tiny", {"data.store": store, "train.shapes_per_step": 8, "train.epochs": 40})
    run = run_dir.create(tmp_path, "run")
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    records = history.read(run.history)
    first, last = records[0], records[-1]
    assert last["loss"]["total"] < 0.5 * first["loss"]["total"]
    assert last["statistics"]["iou"] > 0.4 > first["statistics"]["iou"]
