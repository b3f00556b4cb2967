"""Ball query against SciPy's tree and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from shapesys.nets import point_ops
from shapesys.nets.ball_query import ball_groups, ball_query


def clouds(shapes: int = 3, count: int = 200, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(shapes, count, 3, generator=generator, dtype=torch.float64)
    return points, points[:, torch.randperm(count, generator=generator)[:40]]


def inside(points: Tensor, centroids: Tensor, radius: float) -> list[list[list[int]]]:
    pairs = zip(points.numpy(), centroids.numpy(), strict=True)
    return [[sorted(ball) for ball in cKDTree(p).query_ball_point(c, radius)] for p, c in pairs]


@pytest.mark.parametrize("count", [1, 7, 200])
@pytest.mark.parametrize("block", [1, 500, 1 << 20])
def test_table_holds_the_first_by_index_then_copies_of_the_first(
    count: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_ops, "CPU_BLOCK", block)
    points, centroids = clouds()
    table, valid = ball_query(points, centroids, 0.25, count)
    assert table.shape == (3, 40, count)
    for shape, balls in enumerate(inside(points, centroids, 0.25)):
        for row, ball in enumerate(balls):
            kept = ball[:count]
            assert valid[shape, row] == len(kept)
            assert table[shape, row].tolist() == kept + [kept[0]] * (count - len(kept))


def test_groups_are_the_table_without_its_copies() -> None:
    points, centroids = clouds()
    small, large = ball_groups(points, centroids, [0.2, 0.4], [16, 32])
    for groups, radius, count in ((small, 0.2, 16), (large, 0.4, 32)):
        table, valid = ball_query(points, centroids, radius, count)
        assert groups.sizes.tolist() == valid.flatten().tolist()
        assert groups.copies.double().sum() == table.numel()
        shape, row = groups.centroid // 40, groups.centroid % 40
        place = torch.arange(len(groups.neighbour)) - groups.starts[groups.centroid]
        assert torch.equal(groups.neighbour, table[shape, row, place] + shape * 200)


def test_the_radius_itself_is_outside() -> None:
    points = torch.tensor([[[0.0, 0, 0], [0.5, 0, 0], [0.25, 0, 0]]])
    table, valid = ball_query(points, points[:, :1], 0.5, 3)
    assert table.tolist() == [[[0, 2, 0]]]
    assert valid.tolist() == [[2]]


def test_an_empty_ball_holds_the_nearest_point() -> None:
    points, _ = clouds()
    far = torch.tensor([[[2.0, 2.0, 2.0], [0.5, 0.5, 0.5]]], dtype=torch.float64).expand(3, -1, -1)
    table, valid = ball_query(points, far, 0.3, 4)
    nearest = [int(cKDTree(p).query(np.full(3, 2.0))[1]) for p in points.numpy()]
    assert table[:, 0].tolist() == [[row] * 4 for row in nearest]
    assert valid[:, 0].tolist() == [1, 1, 1]
    assert (valid[:, 1] > 1).all()


@pytest.mark.parametrize(("radii", "counts"), [([0.1], [4, 8]), ([0.0], [4]), ([0.1], [0])])
def test_misuse_is_named(radii: list[float], counts: list[int]) -> None:
    points, centroids = clouds()
    with pytest.raises(ValueError, match="radii"):
        ball_groups(points, centroids, radii, counts)


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_balls_are_exact_in_single_precision_far_from_the_origin(offset: float) -> None:
    """Distances are estimated by a product, whose digits cancel there, but decided by differences."""
    points, centroids = (x.float() + offset for x in clouds(2, 500))
    squared = (points.unsqueeze(1) - centroids.unsqueeze(2)).square().sum(dim=-1)
    _, valid = ball_query(points, centroids, 0.25, 500)
    assert torch.equal(valid, (squared < 0.25 * 0.25).sum(dim=-1))
