"""Differentiable grouping against algorithm 1 written out, and what must hold whatever the features are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from shapesys.nets.ball_query import ball_query
from shapesys.nets.grouping import Grouping, GroupingAbstraction
from shapesys.nets.point_ops import gather_points
from shapesys.nets.set_abstraction import Level, SetAbstraction

C, RADIUS = 6, 0.4
LEVEL = Level(12, (RADIUS,), (10,), ((8, C),))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    points, features = random(3, 60, 3), random(3, 60, C, seed=1) * 4
    return points, features, points[:, :12], features[:, :12]


def made(**options: object) -> GroupingAbstraction:
    torch.manual_seed(0)
    return GroupingAbstraction(C, LEVEL, Grouping(**options)).double()


def written_out(
    layer: GroupingAbstraction, points: Tensor, features: Tensor, centroids: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Algorithm 1 over the padded table."""
    options = layer.grouping
    for iteration in range(options.iterations):
        table, valid = ball_query(points, centroids, RADIUS, 10)
        distance = (gather_points(features, table) - known.unsqueeze(2)).norm(dim=-1)
        if options.distance == "sq":
            distance = distance.square()
        scale = {"width": C**-0.5, "one": 1.0, "learned": float(layer.log_scale.detach().exp())}[options.temperature]
        similarity = (-distance * scale).exp()
        if options.mask_copies:
            similarity = similarity * (torch.arange(10) < valid.unsqueeze(-1))
        if options.normalise:
            similarity = similarity / similarity.sum(dim=-1, keepdim=True)
        centroids = (similarity.unsqueeze(-1) * gather_points(points, table)).sum(dim=2)
        if options.regroup:
            table, _ = ball_query(points, centroids, RADIUS, 10)
        offsets = gather_points(points, table) - centroids.unsqueeze(2)
        network = layer.scales[0 if options.share_weights else iteration]
        known = network(torch.cat([offsets, gather_points(features, table)], dim=-1)).amax(dim=2)
    return centroids, known


@pytest.mark.parametrize(
    "options",
    [
        {"iterations": 1},
        {"iterations": 3},
        {"iterations": 2, "distance": "sq"},
        {"iterations": 2, "temperature": "one"},
        {"iterations": 2, "temperature": "learned"},
        {"iterations": 2, "regroup": True},
        {"iterations": 2, "mask_copies": False},
        {"iterations": 2, "share_weights": False},
        {"iterations": 1, "normalise": False},
        {"iterations": 1, "normalise": False, "mask_copies": False},
    ],
)
def test_equals_algorithm_1_written_out(options: dict) -> None:
    layer = made(**options)
    centroids, known, _ = layer(*inputs())
    expected_centroids, expected = written_out(layer, *inputs())
    torch.testing.assert_close(centroids, expected_centroids, rtol=1e-5, atol=1e-5)  # what stands under the root
    torch.testing.assert_close(known, expected, rtol=1e-5, atol=1e-5)


def test_no_iterations_is_plain_set_abstraction_to_the_bit() -> None:
    layer, plain = made(iterations=0), SetAbstraction(C, LEVEL).double()
    plain.load_state_dict(layer.state_dict())
    points, features, centroids, known = (x.requires_grad_() for x in inputs())
    moved, found, facts = layer(points, features, centroids, known)
    expected = plain(points, features, centroids)
    assert moved is centroids
    assert torch.equal(found, expected)
    ours, plains = (torch.autograd.grad(y.square().sum(), (points, features)) for y in (found, expected))
    assert all(torch.equal(a, b) for a, b in zip(ours, plains, strict=True))
    assert torch.equal(facts["effective_points"], facts["ball_points"])
    assert facts["moved"].tolist() == [0.0] * 3


@pytest.mark.parametrize("distance", ["l2", "sq"])
@pytest.mark.parametrize("mask_copies", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_a_centroid_never_leaves_its_ball(distance: str, mask_copies: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer = GroupingAbstraction(C, LEVEL, Grouping(1, distance, temperature="one", mask_copies=mask_copies))
    points, features = random(3, 60, 3, seed=seed).float(), 0.5 * random(3, 60, C, seed=seed + 9).float()
    moved, _, facts = layer(points, features, points[:, :12], features[:, :12])
    shift = (moved - points[:, :12]).norm(dim=-1)
    assert (shift < RADIUS).all()
    assert shift.max() > 0.01
    _, valid = ball_query(points, moved, RADIUS, 10)
    assert (valid >= 1).all()
    assert (torch.cdist(moved, points).amin(dim=2) < RADIUS).all()
    torch.testing.assert_close(facts["moved"], shift.detach().mean(dim=1) / RADIUS)


def test_copies_do_not_move_a_centroid() -> None:
    """The same balls in tables of other widths, which hold other numbers of copies."""
    results = []
    for capacity in (60, 200):
        layer = GroupingAbstraction(C, Level(12, (RADIUS,), (capacity,), ((8, C),)), Grouping(1)).double()
        results.append(layer(*inputs())[0])
    assert torch.equal(*results)
    counted = []
    for capacity in (60, 200):
        level = Level(12, (RADIUS,), (capacity,), ((8, C),))
        counted.append(GroupingAbstraction(C, level, Grouping(1, mask_copies=False)).double()(*inputs())[0])
    assert not torch.allclose(*counted)


@pytest.mark.parametrize("distance", ["l2", "sq"])
@pytest.mark.parametrize("iterations", [1, 2])
def test_coincident_points_give_finite_gradients(distance: str, iterations: int) -> None:
    layer = made(iterations=iterations, distance=distance)
    points = random(2, 20, 3).repeat(1, 3, 1).requires_grad_()
    features = random(2, 20, C, seed=1).repeat(1, 3, 1).requires_grad_()
    moved, found, facts = layer(points, features, points[:, :12], features[:, :12])
    (moved.sum() + found.square().sum()).backward()
    leaves = [points, features, *layer.parameters()]
    assert all(x.grad is not None and x.grad.isfinite().all() for x in leaves)
    assert all(value.isfinite().all() for value in facts.values())


def test_gradients_reach_features_through_where_centroids_go() -> None:
    layer = made(iterations=1)
    points, features, centroids, known = inputs()
    features.requires_grad_()
    moved, _, _ = layer(points, features, centroids, known)
    (gradient,) = torch.autograd.grad(moved.square().sum(), features)
    step = 1e-6 * torch.randn_like(features)
    with torch.no_grad():
        there = layer(points, features + step, centroids, known)[0].square().sum()
        back = layer(points, features - step, centroids, known)[0].square().sum()
    torch.testing.assert_close((there - back) / 2, (gradient * step).sum(), rtol=1e-4, atol=1e-12)
    assert gradient.abs().sum() > 0


def test_equal_features_weigh_every_point_of_the_ball_alike() -> None:
    layer = made(iterations=1)
    points, _, centroids, _ = inputs()
    same = torch.ones(3, 60, C, dtype=torch.float64)
    moved, _, facts = layer(points, same, centroids, same[:, :12])
    table, valid = ball_query(points, centroids, RADIUS, 10)
    kept = (torch.arange(10) < valid.unsqueeze(-1)).unsqueeze(-1)
    mean = (gather_points(points, table) * kept).sum(dim=2) / valid.unsqueeze(-1)
    torch.testing.assert_close(moved, mean)
    torch.testing.assert_close(facts["effective_points"], facts["ball_points"])


def test_features_far_apart_leave_one_effective_point() -> None:
    layer = made(iterations=1, temperature="one")
    points, features, centroids, known = inputs()
    moved, _, facts = layer(points, features * 1e4, centroids, known * 1e4)
    torch.testing.assert_close(moved, centroids, rtol=0, atol=1e-6)
    torch.testing.assert_close(facts["effective_points"], torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-6)


def test_a_learned_temperature_starts_at_the_fixed_one_and_learns() -> None:
    fixed, learned = made(iterations=1), made(iterations=1, temperature="learned")
    assert math.isclose(float(learned.log_scale.exp()), C**-0.5, rel_tol=1e-6)
    torch.testing.assert_close(fixed(*inputs())[0], learned(*inputs())[0])
    learned(*inputs())[1].square().sum().backward()
    assert learned.log_scale.grad is not None
    assert learned.log_scale.grad.abs() > 0
    assert "log_scale" not in fixed.state_dict()


@pytest.mark.parametrize(
    ("level", "options"),
    [
        (Level(12, (0.4,), (10,), ((8, C + 1),)), {}),
        (Level(12, (0.4, 0.5), (10, 10), ((2, 3), (2, 3))), {}),
        (Level(None, (), (), ((8, C),)), {}),
    ],
)
def test_levels_without_equal_widths_are_named(level: Level, options: dict) -> None:
    with pytest.raises(ValueError, match="one scale whose widths end in 6"):
        GroupingAbstraction(C, level, Grouping(**options))


@pytest.mark.parametrize("options", [{"iterations": -1}, {"distance": "l1"}, {"temperature": "hot"}])
def test_misuse_is_named(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Grouping(**options)
