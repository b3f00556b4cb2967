"""PointNet++: published sizes, invariants, and what batches may leave out."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from shapesys.geometry.fps import farthest_points
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet2 import (
    CLASSIFIER_MSG,
    CLASSIFIER_SSG,
    PARTS_MSG,
    PARTS_SSG,
    PointNet2Classifier,
    PointNet2Segmenter,
    PointNet2Spec,
)
from shapesys.nets.set_abstraction import Level

BALLS = (Level(32, (0.3, 0.6), (8, 16), ((8, 8), (8, 12))), Level(8, (0.8,), (16,), ((16, 24),)))
ALL = Level(None, (), (), ((24, 32),))
SMALL = PointNet2Spec((*BALLS, ALL), propagation=((16,), (16,), (12, 12)))
SCENE = PointNet2Spec(BALLS, propagation=((16,), (12, 12)))


def cloud(shapes: int = 3, count: int = 100, channels: int = 0, seed: int = 0) -> PointBatch:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(shapes, count, 3, generator=generator) * 2 - 1
    features = torch.randn(shapes, count, channels, generator=generator) if channels else None
    return PointBatch(points, features, farthest_points(points, 32, 0), torch.arange(shapes) % 2)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def dense(*widths: int) -> int:
    """Parameters of linear layers without bias, each with a batch norm."""
    return sum(a * b + 2 * b for a, b in pairwise(widths))


def test_published_sizes() -> None:
    ssg = dense(3, 64, 64, 128) + dense(131, 128, 128, 256) + dense(259, 256, 512, 1024)
    scores = dense(1024, 512, 256) + 256 * 40 + 40
    assert parameters(PointNet2Classifier(CLASSIFIER_SSG, 0, 40)) == ssg + scores == 1_472_360
    first = dense(3, 32, 32, 64) + dense(3, 64, 64, 128) + dense(3, 64, 96, 128)
    second = dense(323, 64, 64, 128) + 2 * dense(323, 128, 128, 256)
    assert parameters(PointNet2Classifier(CLASSIFIER_MSG, 0, 40)) == (
        first + second + dense(643, 256, 512, 1024) + scores
    )
    normals = dense(6, 64, 64, 128) + dense(131, 128, 128, 256) + dense(259, 256, 512, 1024)
    back = dense(1024 + 256, 256, 256) + dense(256 + 128, 256, 128) + dense(128 + 6 + 16, 128, 128, 128)
    assert parameters(PointNet2Segmenter(PARTS_SSG, 3, 50, 16)) == normals + back + dense(128, 128) + 128 * 50 + 50
    msg = PointNet2Segmenter(PARTS_MSG, 0, 50, 16)
    assert parameters(msg.propagation) == (
        dense(1024 + 512, 256, 256) + dense(256 + 320, 256, 128) + dense(128 + 3 + 16, 128, 128)
    )


@pytest.mark.parametrize("channels", [0, 3])
def test_scores_come_per_shape_and_per_point(channels: int) -> None:
    torch.manual_seed(0)
    batch = cloud(channels=channels)
    assert PointNet2Classifier(SMALL, channels, 5, (8,), (0.5,))(batch).shape == (3, 5)
    assert PointNet2Segmenter(SMALL, channels, 6, 2, (8,), (0.5,))(batch).shape == (3, 100, 6)
    assert PointNet2Segmenter(SCENE, channels, 6, 0, (8,), (0.5,))(batch).shape == (3, 100, 6)


def test_a_shape_does_not_depend_on_its_neighbours_in_evaluation() -> None:
    torch.manual_seed(0)
    batch = cloud()
    for network in (PointNet2Classifier(SMALL, 0, 5), PointNet2Segmenter(SMALL, 0, 6, 2)):
        network.eval()
        alone = [
            network(PointBatch(batch.points[i : i + 1], None, batch.order[i : i + 1], batch.category[i : i + 1]))
            for i in range(3)
        ]
        torch.testing.assert_close(torch.cat(alone), network(batch))


def test_the_order_may_be_unknown() -> None:
    batch, network = cloud(), PointNet2Classifier(SMALL, 0, 5).eval()
    torch.testing.assert_close(network(PointBatch(batch.points)), network(batch))


def test_dropout_follows_the_seeds() -> None:
    torch.manual_seed(0)
    batch, network = cloud(), PointNet2Classifier(SMALL, 0, 5)

    def scores(seeds: Tensor) -> Tensor:
        return network(PointBatch(batch.points, None, batch.order, noise_seed=seeds))

    assert torch.equal(scores(torch.arange(3)), scores(torch.arange(3)))
    assert not torch.equal(scores(torch.arange(3)), scores(torch.arange(3) + 1))


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    batch = cloud(channels=3)
    for network in (PointNet2Classifier(SMALL, 3, 5), PointNet2Segmenter(SMALL, 3, 6, 2)):
        network(batch).square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_scores_are_those_of_the_encoded_features() -> None:
    batch = cloud()
    network = PointNet2Classifier(SMALL, 0, 5).eval()
    found = network.encode(batch)
    assert found.points.shape == (3, 8, 3)
    assert found.features.shape == (3, 8, 32)
    assert torch.equal(network.classify(found.features), network(batch))
    segmenter = PointNet2Segmenter(SMALL, 0, 6, 2).eval()
    found = segmenter.encode(batch)
    assert torch.equal(found.points, batch.points)
    assert torch.equal(segmenter.classify(found.features), segmenter(batch))


def test_coincident_points_train() -> None:
    batch = cloud()
    points = batch.points[:, :40].repeat(1, 3, 1)
    network = PointNet2Segmenter(SMALL, 0, 6, 2)
    network(PointBatch(points, category=batch.category)).square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_autocast_stays_close_and_trains() -> None:
    torch.manual_seed(0)
    batch, network = cloud(channels=3), PointNet2Segmenter(SMALL, 3, 6, 2, dropout=(0.0,))
    exact = network(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(batch)
    assert (rough.float() - exact).std() < 0.1 * exact.std()
    rough.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="last level"):
        PointNet2Classifier(SCENE, 0, 5)
    with pytest.raises(ValueError, match="propagation"):
        PointNet2Segmenter(CLASSIFIER_SSG, 0, 5)
    with pytest.raises(ValueError, match="category"):
        PointNet2Segmenter(SMALL, 0, 6, 2)(PointBatch(cloud().points))
    with pytest.raises(ValueError, match="only its last"):
        PointNet2Spec((ALL, *BALLS))
    with pytest.raises(ValueError, match="3 levels need as many"):
        PointNet2Spec((*BALLS, ALL), propagation=((4,),))
