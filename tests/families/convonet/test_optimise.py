"""Optimisation at test time: its loss, its floor, and what it leaves alone."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from balls import balls, trained
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.convonet import FAMILY
from shapesys.families.convonet.config import ConvONetInference, Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Shape, flattened, optimise, unsigned_cross_entropy, whole
from shapesys.metrics.volume import occupied

QUICK = Schedule(
    points=300, iterations=40, learning_rate=2e-3, decay_every=30, batches=2, surface=128, off_surface=128, std=0.1
)


def seen(seed: int = 5) -> Observation:
    return Observation("ball/0", {"points": balls(1, seed)["surface"][0].numpy()})


def test_the_loss_is_the_published_one() -> None:
    """Cross entropy of sigmoid(|g|) with one half on the surface, with 1 off it."""
    logits = torch.linspace(-6, 6, 40, dtype=torch.float64)
    targets = torch.ones(40, dtype=torch.float64)
    targets[:15] = 0.5
    expected = F.binary_cross_entropy(torch.sigmoid(logits.abs()), targets, reduction="sum")
    torch.testing.assert_close(unsigned_cross_entropy(logits, 15), expected)


def test_the_loss_is_never_below_ln_2_per_query_on_the_surface() -> None:
    perfect = torch.cat([torch.zeros(512), torch.full((1536,), -40.0)]).double()
    assert float(unsigned_cross_entropy(perfect, 512)) == pytest.approx(512 * math.log(2.0))  # 354.89
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, 10.0):
        logits = scale * torch.randn(100, 64, generator=generator, dtype=torch.float64)
        assert float(unsigned_cross_entropy(logits, 24)) >= 100 * 24 * math.log(2.0)


def test_the_sign_of_the_logits_does_not_matter() -> None:
    logits = torch.randn(64, dtype=torch.float64)
    torch.testing.assert_close(unsigned_cross_entropy(logits, 20), unsigned_cross_entropy(-logits, 20))


def steps_of(network: ConvONetObjective, seed: int = 0, schedule: Schedule = QUICK) -> object:
    cloud = torch.from_numpy(seen().columns["points"])
    return whole(network.space, Shape(cloud, cloud, torch.Generator().manual_seed(seed)), schedule)


def test_queries_are_of_more_points_than_the_network_sees() -> None:
    network = trained(20)
    cloud = torch.from_numpy(seen().columns["points"])
    [asked] = whole(network.space, Shape(cloud[:50], cloud, torch.Generator().manual_seed(0)), QUICK)()
    assert torch.equal(asked.points[0], cloud[:50])
    on_surface = asked.queries[0, : asked.surface]
    nearest = torch.cdist(on_surface, cloud).argmin(dim=1)
    assert torch.equal(on_surface, cloud[nearest])
    assert int(nearest.max()) >= 250
    off = asked.queries[0, asked.surface :]
    assert 0.03 < float(torch.cdist(off, cloud).amin(dim=1).mean()) < 0.2


def test_it_sees_as_many_points_as_in_training() -> None:
    """Of a dense cloud, by the schedule for small networks."""
    network = trained(20)
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3)).astype(np.float32)

    def values(**settings: object) -> np.ndarray:
        inference = ConvONetInference(schedule="tiny", iterations=0).override(settings)
        [found] = FAMILY.infer(network, [seen()], inference, 0)
        assert isinstance(found, FieldPrediction)
        return found.field.values(points)

    seen_points = network.config.input_points
    assert len(seen().columns["points"]) > seen_points
    np.testing.assert_array_equal(values(as_trained=False, points=seen_points), values(points=seen_points))
    assert not np.allclose(values(as_trained=False), values())
    assert Schedule(points=400, as_trained=True).seen(300) == 300
    assert Schedule(points=200, as_trained=True).seen(300) == 200
    assert Schedule(points=400).seen(300) == 400


def test_it_lowers_the_loss_towards_its_floor_and_leaves_the_trained_network_alone() -> None:
    network = trained(20)
    before = copy.deepcopy(network.state_dict())
    done = optimise(network, steps_of(network), QUICK, 0.0)
    assert done.floor == pytest.approx(0.5 * math.log(2.0))
    assert len(done.losses) == 40
    assert done.floor < np.mean(done.losses[-5:]) < 0.95 * np.mean(done.losses[:5])
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(not torch.equal(value, before[name]) for name, value in done.network.state_dict().items())
    assert all(not parameter.requires_grad for parameter in done.network.parameters())


def test_the_same_seed_gives_the_same_network() -> None:
    network = trained(10)
    one, two, other = (optimise(network, steps_of(network, seed), QUICK, 0.0) for seed in (0, 0, 1))
    assert one.losses == two.losses != other.losses


@pytest.mark.parametrize("norms", [True, False])
def test_the_encoder_alone_can_be_optimised(norms: bool) -> None:
    network = trained(5, planes=0, grid_resolution=8, grid_levels=2, grid_filters=8)
    schedule = Schedule(**{**QUICK.__dict__, "iterations": 3, "part": "encoder", "norms": norms})
    done = optimise(network, steps_of(network, schedule=schedule), schedule, 0.0)
    moved = {
        name for name, value in done.network.state_dict().items() if not torch.equal(value, network.state_dict()[name])
    }
    assert moved
    assert all(name.startswith("encoder.") for name in moved)
    assert any(".norm." in name for name in moved) == norms


def test_a_plateau_ends_it() -> None:
    network = trained(20)
    long = Schedule(**{**QUICK.__dict__, "iterations": 400, "decay_every": 40, "decay": 0.1})
    done = optimise(network, steps_of(network, schedule=long), long, 0.2)
    assert len(done.losses) in range(100, 400, 50)
    assert flattened([2.0] * 50 + [1.99] * 50, 1.0, 0.05)
    assert not flattened([2.0] * 50 + [1.5] * 50, 1.0, 0.05)
    assert not flattened([2.0] * 50 + [1.99] * 50, 1.0, 0.0)
    assert not flattened([2.0] * 99, 1.0, 0.5)


def test_a_loss_that_is_not_finite_is_named() -> None:
    network = trained(10)
    with torch.no_grad():
        network.decoder.out.weight.fill_(torch.inf)
    with pytest.raises(ShapesysError, match="in iteration 1; lower learning_rate"):
        optimise(network, steps_of(network), QUICK, 0.0)


def test_no_iterations_are_the_pass_through_the_network() -> None:
    network = trained(20)
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3)).astype(np.float32)
    [plain] = FAMILY.infer(network, [seen()], ConvONetInference(), 0)
    [none] = FAMILY.infer(network, [seen()], ConvONetInference(schedule="tiny", points=300, iterations=0, start=0.5), 0)
    assert isinstance(plain, FieldPrediction)
    assert isinstance(none, FieldPrediction)
    np.testing.assert_array_equal(plain.field.values(points), none.field.values(points))
    assert none.facts["iterations"] == 0


def test_signs_begin_as_those_of_the_surface_where_the_schedule_starts() -> None:
    network = trained(20)
    before = copy.deepcopy(network.state_dict())
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3)).astype(np.float32)
    [plain] = FAMILY.infer(network, [seen()], ConvONetInference(level=0.2), 0)
    start = ConvONetInference(schedule="tiny", iterations=0, points=300, start=0.2, level=0.5)
    [shifted] = FAMILY.infer(network, [seen()], start, 0)
    assert isinstance(plain, FieldPrediction)
    assert isinstance(shifted, FieldPrediction)
    values = plain.field.values(points) - plain.field.traits.level
    np.testing.assert_allclose(shifted.field.values(points) - shifted.field.traits.level, values, atol=1e-5)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_inference_reports_its_loss() -> None:
    settings = ConvONetInference(schedule="tiny", iterations=12, surface=100, off_surface=60)
    [found] = FAMILY.infer(trained(20), [seen()], settings, 0)
    assert isinstance(found, FieldPrediction)
    assert found.curves["loss"].shape == (12,)
    assert found.facts["iterations"] == 12
    assert found.facts["loss_floor"] == pytest.approx(math.log(2.0) * 100 / 160)
    assert found.facts["loss_last"] == pytest.approx(found.curves["loss"][-1])
    assert found.field.traits.level == 0.0  # the logit of one half


def test_it_improves_a_network_that_knows_little() -> None:
    """Of an unseen ball, from a network whose training was cut short."""
    network = trained(150)
    batch = balls(1, 77, 4000)
    cloud = Observation("ball/new", {"points": batch["surface"][0].numpy()})
    inside = batch["inside"][0].numpy()

    def iou(settings: ConvONetInference) -> float:
        [found] = FAMILY.infer(network, [cloud], settings, 0)
        assert isinstance(found, FieldPrediction)
        values = found.field.values(batch["points"][0].numpy())
        predicted = occupied(values, found.field.traits.level, negative_inside=False)
        return float((predicted & inside).sum() / (predicted | inside).sum())

    settings = ConvONetInference(schedule="tiny", iterations=100, learning_rate=5e-4, decay_every=60)
    assert iou(settings) > iou(ConvONetInference(points=300)) + 0.02
