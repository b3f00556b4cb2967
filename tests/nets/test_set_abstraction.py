"""Set abstraction against its steps written out: table, gather, subtract, concatenate, MLP, maximum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.geometry.fps import farthest_points
from shapesys.nets.ball_query import ball_query
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.set_abstraction import GlobalAbstraction, Level, SetAbstraction, centroids_of, first_centroids

TWO_SCALES = Level(16, (0.2, 0.5), (4, 16), ((6, 8), (5, 7, 9)))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(ours: SetAbstraction, points: Tensor, features: Tensor | None, centroids: Tensor) -> Tensor:
    outputs = []
    for mlp, radius, count in zip(ours.scales, ours.level.radii, ours.level.counts, strict=True):
        table, _ = ball_query(points, centroids, radius, count)
        group = gather_points(points, table) - centroids.unsqueeze(2)
        if features is not None:
            group = torch.cat([group, gather_points(features, table)], dim=-1)
        outputs.append(mlp(group).amax(dim=2))
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("channels", [0, 4])
def test_equals_the_steps_written_out(channels: int) -> None:
    torch.manual_seed(0)
    ours = SetAbstraction(channels, TWO_SCALES).double()
    points = random(3, 80, 3).requires_grad_()
    features = random(3, 80, channels, seed=1).requires_grad_() if channels else None
    centroids = random(3, 16, 3, seed=2).requires_grad_()
    leaves = [points, centroids, *ours.parameters()] + ([] if features is None else [features])
    found, expected = ours(points, features, centroids), written_out(ours, points, features, centroids)
    assert found.shape == (3, 16, 17) == (3, 16, TWO_SCALES.outputs)
    torch.testing.assert_close(found, expected)
    down = random(*found.shape, seed=3)
    got, wanted = (torch.autograd.grad((y * down).sum(), leaves) for y in (found, expected))
    for ours_gradient, plain_gradient in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours_gradient, plain_gradient)


def test_the_global_level_takes_positions_before_features() -> None:
    level = GlobalAbstraction(4, (6, 5)).double()
    points, features = random(2, 30, 3), random(2, 30, 4, seed=1)
    torch.testing.assert_close(level(points, features), level.mlp(torch.cat([points, features], dim=-1)))


def test_moving_a_cloud_changes_nothing_but_the_global_level() -> None:
    ours = SetAbstraction(0, TWO_SCALES).double()
    points = random(2, 80, 3)
    torch.testing.assert_close(ours(points + 5, None, points[:, :16] + 5), ours(points, None, points[:, :16]))


def test_centroids_are_prefixes_of_the_known_order() -> None:
    points = random(2, 40, 3)
    order = torch.stack([torch.randperm(40), torch.randperm(40)])[:, :20]
    batch = PointBatch(points, order=order)
    first = centroids_of(batch, points, 0, 16)
    assert torch.equal(first, gather_points(points, order[:, :16]))
    assert torch.equal(centroids_of(batch, first, 1, 5), first[:, :5])


def test_an_unknown_or_short_order_is_computed_from_the_first_point() -> None:
    points = random(2, 40, 3)
    expected = farthest_points(points, 16, 0)
    for order in (None, torch.zeros(2, 15, dtype=torch.int64)):
        assert torch.equal(first_centroids(PointBatch(points, order=order), 16), expected)
    second = farthest_points(gather_points(points, expected), 5, 0)
    assert second.tolist() == [list(range(5))] * 2  # a prefix is the sample of the sample


def test_too_few_points_are_named() -> None:
    points = random(2, 10, 3)
    with pytest.raises(ValueError, match="16 centroids needs as many points; the clouds have 10"):
        first_centroids(PointBatch(points), 16)
    with pytest.raises(ValueError, match="level 2 has 16 centroids"):
        centroids_of(PointBatch(points), points, 1, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        (16, (0.1,), (8, 8), ((4,), (4,))),
        (16, (), (), ()),
        (None, (0.1,), (8,), ((4,),)),
        (None, (), (), ((4,), (4,))),
    ],
)
def test_a_level_that_does_not_fit_is_named(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="one of each per scale"):
        Level(*arguments)
