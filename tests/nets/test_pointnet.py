"""PointNet: what does not change under permutation, transforms, both published variants."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet import PointNetClassifier, PointNetSegmenter, TransformNet, orthogonality


def cloud(shapes: int = 4, count: int = 50, channels: int = 0) -> PointBatch:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(shapes, count, channels, generator=generator) if channels else None
    return PointBatch(torch.randn(shapes, count, 3, generator=generator), features, category=torch.arange(shapes) % 2)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def dense(*widths: int) -> int:
    """Parameters of linear layers without bias, each with a batch norm."""
    return sum(a * b + 2 * b for a, b in pairwise(widths))


def test_published_sizes() -> None:
    plain = dense(3, 64, 64, 64, 128, 1024)
    assert parameters(PointNetClassifier(0, 40, transforms=False, head=(512,), dropout=(0.5,))) == (
        plain + dense(1024, 512) + 512 * 40 + 40
    )
    turns = sum(dense(k, 64, 128, 1024, 512, 256) + 256 * k * k + k * k for k in (3, 64))
    assert parameters(PointNetClassifier(0, 40)) == plain + turns + dense(1024, 512, 256) + 256 * 40 + 40


def test_transforms_start_as_the_identity() -> None:
    matrix = TransformNet(5)(torch.randn(3, 20, 5))
    torch.testing.assert_close(matrix, torch.eye(5).expand(3, -1, -1))
    assert orthogonality(matrix).tolist() == [0.0, 0.0, 0.0]


def test_the_penalty_is_that_of_equation_2() -> None:
    matrix = torch.randn(2, 4, 4, dtype=torch.float64)
    expected = [torch.linalg.norm(torch.eye(4, dtype=torch.float64) - a @ a.t()) ** 2 for a in matrix]
    torch.testing.assert_close(orthogonality(matrix), torch.stack(expected))
    turned = torch.linalg.qr(matrix).Q
    torch.testing.assert_close(orthogonality(turned), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("transforms", [True, False])
@pytest.mark.parametrize("channels", [0, 3])
def test_scores_do_not_depend_on_the_order_of_points(transforms: bool, channels: int) -> None:
    torch.manual_seed(0)
    batch = cloud(channels=channels)
    turned = torch.randperm(50)
    other = PointBatch(
        batch.points[:, turned], None if batch.features is None else batch.features[:, turned], category=batch.category
    )
    classifier = PointNetClassifier(channels, 5, (16, 16, 32), transforms, (8,), (0.0,)).eval()
    torch.testing.assert_close(classifier(other)[0], classifier(batch)[0])
    segmenter = PointNetSegmenter(channels, 6, 2, (8, 8, 16, 24), transforms, (12,), (0.0,)).eval()
    torch.testing.assert_close(segmenter(other)[0], segmenter(batch)[0][:, turned])
    assert segmenter(batch)[0].shape == (4, 50, 6)


@pytest.mark.parametrize("transforms", [True, False])
def test_every_parameter_learns(transforms: bool) -> None:
    torch.manual_seed(0)
    batch = cloud(channels=3)
    for network in (
        PointNetClassifier(3, 5, (16, 16, 32), transforms, (8,), (0.0,)),
        PointNetSegmenter(3, 6, 2, (8, 8, 16, 24), transforms, (12,), (0.0,)),
    ):
        for module in network.modules():  # away from the start, where transforms pass no gradient on
            if isinstance(module, TransformNet):
                nn.init.normal_(module.head.scores.weight, std=0.1)
        logits, penalty = network(batch)
        assert penalty.shape == (4,)
        assert bool((penalty > 0).all()) is transforms
        (logits.square().mean() + penalty.mean()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_segmenter_equals_its_head_on_joined_features() -> None:
    network = PointNetSegmenter(0, 6, 2, (8, 8, 16, 24), False, (12,), (0.0,)).eval()
    batch = cloud()
    features = network.encode(batch).features
    assert features.shape == (4, 50, 56)
    told = torch.eye(2)[batch.category]
    shared = torch.cat([features[..., -24:].amax(dim=1), told], dim=-1).unsqueeze(1).expand(-1, 50, -1)
    torch.testing.assert_close(network(batch)[0], network.head(torch.cat([features, shared], dim=-1)))


def test_a_classifier_sees_points_through_their_features() -> None:
    network = PointNetClassifier(0, 5, (16, 16, 32), False, (8,), (0.0,)).eval()
    found = network.encode(cloud())
    weights = torch.rand(4, 50, 1)
    scaled: Tensor = found.features * weights + (found.features * (1 - weights)).detach()  # the gradient alone
    torch.testing.assert_close(network.classify(scaled), network(cloud())[0])


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="head"):
        PointNetSegmenter(0, 6, head=(), dropout=())
    batch = cloud()
    network = PointNetSegmenter(0, 6, 2, (8, 8, 16, 24), False, (12,), (0.0,))
    with pytest.raises(ValueError, match="category"):
        network(PointBatch(batch.points))


def test_the_penalty_keeps_its_digits_under_autocast() -> None:
    matrix = torch.eye(8).repeat(2, 1, 1) + 0.01 * torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    full = orthogonality(matrix)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(orthogonality(matrix), full, rtol=0, atol=0)
