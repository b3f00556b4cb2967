"""ConvONet: published sizes, settings that do not fit, and learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from balls import balls, trained

from shapesys.config.base import idle
from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.convonet import FAMILY
from shapesys.families.convonet.config import ConvONetConfig, ConvONetInference
from shapesys.families.convonet.objective import build
from shapesys.training.config import resolve

PUBLISHED = {"paper": 1_978_209, "rooms": 7_812_705, "grid32": 1_068_545, "rooms_grid64": 4_166_657}


@pytest.mark.parametrize(("preset", "parameters"), PUBLISHED.items())
def test_published_networks_have_their_published_size(preset: str, parameters: int) -> None:
    job = resolve("convonet", preset, {"data.store": "unused"})
    network = build(job.model, TrainingData(1))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("settings", [{}, {"planes": 1}, {"planes": 0, "grid_resolution": 8}, {"grid_resolution": 8}])
def test_it_learns_balls(settings: dict[str, object]) -> None:
    network = trained(150, **settings)
    with torch.no_grad():
        scalars = network(balls(8, 999, 2000)).scalars()
    assert scalars["statistics/iou"] > 0.6
    assert scalars["statistics/accuracy"] > 0.9


def test_the_loss_is_summed_over_queries_and_averaged_over_shapes() -> None:
    network = trained(0)
    batch = balls(3, 0)
    loss = network(batch).total().detach()
    logits = network.logits(batch["points"], network.encoder(batch["surface"]))
    assert 256 * 0.3 < float(loss) < 256 * 1.5
    alone = [network({name: value[row : row + 1] for name, value in batch.items()}).total() for row in range(3)]
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    assert logits.shape == (3, 256)


def test_noise_belongs_to_the_shape_and_the_step() -> None:
    network = trained(0)
    batch = balls(2, 0)
    same = network(batch).total()
    assert torch.equal(network(batch).total(), same)
    assert not torch.equal(network({**batch, "noise_seed": batch["noise_seed"] + 1}).total(), same)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"plane_resolution": 60, "plane_depth": 4}, "plane_resolution = 60 cannot be halved 3 times.*take 56 or 64"),
        ({"grid_resolution": 6, "grid_levels": 4}, "grid_resolution = 6 cannot be halved 3 times.*take 8"),
        ({"grid_resolution": 1, "grid_levels": 1}, "leaves nothing to read between; take 2 or more"),
        ({"grid_resolution": 8, "grid_filters": 12}, "make 12 channels, which do not fall into 8 groups"),
        ({"planes": 0}, "leave no features"),
        ({"planes": 2}, "planes"),
        ({"core": 2.0}, "does not see all of its core of 2 and the 0.5 over which it blends"),
        ({"side": 0.0}, "side"),
    ],
)
def test_settings_that_do_not_fit_are_explained(settings: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ConvONetConfig().override(settings)


def test_settings_of_what_is_not_there_do_nothing() -> None:
    assert idle(ConvONetConfig(), "grid_levels") == "grid_resolution"
    assert idle(ConvONetConfig(planes=0, grid_resolution=8), "plane_depth") == "planes"
    assert idle(ConvONetInference(), "iterations") == "schedule"
    assert idle(ConvONetConfig(), "blend") == "core"


def test_a_schedule_gives_what_is_left_out() -> None:
    plain = ConvONetInference()
    assert (plain.planned(), plain.seen_points(70), plain.surface_level) == (None, 70, 0.2)
    rooms = ConvONetInference(schedule="rooms", std=0.05, iterations=10).planned()
    assert rooms is not None
    assert (rooms.seen(70), ConvONetInference(schedule="tiny").seen_points(70)) == (30_000, 70)
    assert (rooms.surface, rooms.off_surface, rooms.batches, rooms.learning_rate) == (1536, 512, 6, 3e-5)
    assert (rooms.std, rooms.iterations, rooms.part, rooms.level) == (0.05, 10, "network", 0.5)
    windows = ConvONetInference(schedule="windows").planned()
    assert windows is not None
    assert (windows.part, windows.norms, windows.iterations, windows.decay_every) == ("encoder", False, 2000, 800)
    with pytest.raises(UsageError, match="surface"):
        ConvONetInference().override({"schedule": "rooms", "surface": 0})


def test_a_store_with_fewer_surface_points_than_are_to_be_seen_is_refused() -> None:
    FAMILY.check(ConvONetConfig(input_points=500), TrainingData(1, chunk={"surface": 500}))
    with pytest.raises(ShapesysError, match=r"input_points is 500.*holds 400 surface points.*--inside\.surface 500"):
        FAMILY.check(ConvONetConfig(input_points=500), TrainingData(1, chunk={"surface": 400}))


def test_clouds_outside_of_the_cube_are_refused() -> None:
    network = trained(0)
    cloud = np.random.default_rng(0).uniform(-3, 3, (100, 3)).astype(np.float32)
    with pytest.raises(
        ShapesysError, match=r"of the 100 points of 'far' lie outside the cube of side 2.2 .*--frame unit_cube"
    ):
        FAMILY.infer(network, [Observation("far", {"points": cloud})], ConvONetInference(), 0)
    with pytest.raises(ShapesysError, match="'none' has no points"):
        FAMILY.infer(network, [Observation("none", {"points": cloud[:0]})], ConvONetInference(), 0)


def test_what_a_cloud_becomes_does_not_depend_on_others() -> None:
    network = trained(5)
    clouds = [Observation(f"ball/{row}", {"points": cloud.numpy()}) for row, cloud in enumerate(balls(3, 7)["surface"])]
    points = np.random.default_rng(1).uniform(-1, 1, (500, 3)).astype(np.float32)
    settings = ConvONetInference(points=100)
    together = FAMILY.infer(network, clouds, settings, 0)
    [alone] = FAMILY.infer(network, clouds[1:2], settings, 0)
    np.testing.assert_array_equal(together[1].field.values(points), alone.field.values(points))
