"""The usual form of PointNet++ that ours is timed against computes the same."""

from __future__ import annotations

import bench_pointnet2
import pytest
import torch
from plain_pointnet2 import PlainClassifier, dense_ball_query

from shapesys.geometry.fps import farthest_points
from shapesys.nets.ball_query import ball_query
from shapesys.nets.pointnet2 import PointNet2Classifier, PointNet2Spec
from shapesys.nets.set_abstraction import Level

SMALL = PointNet2Spec(
    (
        Level(32, (0.2, 0.5), (4, 16), ((8, 8), (8, 12))),
        Level(8, (0.9,), (16,), ((16, 24),)),
        Level(None, (), (), ((24, 32),)),
    )
)


@pytest.mark.parametrize("clouds", [bench_pointnet2.bumpy_spheres, bench_pointnet2.chairs])
def test_both_forms_give_the_same_outputs_and_gradients(clouds: object) -> None:
    points = clouds(4, 200)
    order = farthest_points(points, 32, 0)
    torch.manual_seed(0)
    ours = PointNet2Classifier(SMALL, 0, bench_pointnet2.CLASSES, (16,), (0.0,))
    plain = PlainClassifier(ours)
    assert bench_pointnet2.deviation(ours, plain, points, order) < 1e-8
    with torch.no_grad():
        next(plain.parameters()).mul_(1.01)
    with pytest.raises(RuntimeError, match="differs from ours"):
        bench_pointnet2.deviation(ours, plain, points, order)
    assert bench_pointnet2.saved_bytes(lambda: points.requires_grad_().square()) == points.numel() * 4


def test_both_forms_find_the_same_balls() -> None:
    points = bench_pointnet2.chairs(2, 300).double()
    table, _ = ball_query(points, points[:, :50], 0.3, 16)
    assert torch.equal(table, dense_ball_query(points, points[:, :50], 0.3, 16))


def test_clouds_fill_the_unit_sphere() -> None:
    for points in (bench_pointnet2.bumpy_spheres(2, 500), bench_pointnet2.chairs(2, 500)):
        torch.testing.assert_close(points.norm(dim=-1).amax(dim=1), torch.ones(2))
        torch.testing.assert_close(points.mean(dim=1), torch.zeros(2, 3), rtol=0, atol=1e-6)
