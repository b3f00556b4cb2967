"""DGCNN: its published size, what it must not depend on, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.nets.dgcnn import DGCNNClassifier, DGCNNSegmenter, EdgeTransformNet
from shapesys.nets.point_batch import PointBatch

SMALL: dict[str, Any] = {"k": 6, "embedding": 24}


def classifier(inputs: int = 0, **changes: Any) -> DGCNNClassifier:
    torch.manual_seed(0)
    return DGCNNClassifier(inputs, 4, **SMALL | {"widths": (8, 12), "head": (16, 8)} | changes)


def segmenter(inputs: int = 0, categories: int = 3, **changes: Any) -> DGCNNSegmenter:
    torch.manual_seed(0)
    small = SMALL | {"widths": ((8, 8), (8,)), "told": 4, "transform": (8, 8, 16, 8), "head": (16, 16, 8)}
    return DGCNNSegmenter(inputs, 5, categories, **small | changes)


def batch(clouds: int = 3, size: int = 40, inputs: int = 0, dtype: torch.dtype = torch.float64) -> PointBatch:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(clouds, size, 3, generator=generator, dtype=dtype)
    features = torch.randn(clouds, size, inputs, generator=generator, dtype=dtype) if inputs else None
    numbers = torch.arange(clouds)
    return PointBatch(points, features, category=numbers % 3, noise_seed=numbers + 7)


def reordered(given: PointBatch, order: Tensor) -> PointBatch:
    features = None if given.features is None else given.features[:, order]
    return PointBatch(given.points[:, order], features, category=given.category, noise_seed=given.noise_seed)


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_networks_have_the_published_size() -> None:
    edges = 6 * 64 + 128 * 64 + 128 * 128 + 256 * 256
    linear = edges + 512 * 1024 + 2048 * 512 + 512 * 256 + 256 * 40 + 40
    assert size_of(DGCNNClassifier(0, 40)) == linear + 2 * (64 + 64 + 128 + 256 + 1024 + 512 + 256)
    transform = 6 * 64 + 64 * 128 + 128 * 1024 + 1024 * 512 + 512 * 256 + 256 * 9 + 9
    assert size_of(EdgeTransformNet((64, 128, 1024, 512, 256), 40)) == transform + 2 * (64 + 128 + 1024 + 512 + 256)
    edges = 6 * 64 + 64 * 64 + 128 * 64 + 64 * 64 + 128 * 64
    linear = edges + 192 * 1024 + 16 * 64 + 1280 * 256 + 256 * 256 + 256 * 128 + 128 * 50 + 50
    norms = 2 * (5 * 64 + 1024 + 64 + 256 + 256 + 128 + (64 + 128 + 1024 + 512 + 256))
    assert size_of(DGCNNSegmenter(0, 50, 16)) == linear + transform + norms


@pytest.mark.parametrize("inputs", [0, 3])
@pytest.mark.parametrize("training", [True, False])
def test_a_class_does_not_depend_on_the_order_of_points(inputs: int, training: bool) -> None:
    given = batch(inputs=inputs)
    order = torch.randperm(40)
    network = classifier(inputs).double().train(training)
    torch.testing.assert_close(network(reordered(given, order)), network(given))


@pytest.mark.parametrize("inputs", [0, 3])
@pytest.mark.parametrize("training", [True, False])
def test_parts_move_with_their_points(inputs: int, training: bool) -> None:
    given = batch(inputs=inputs)
    order = torch.randperm(40)
    network = segmenter(inputs, dropout=(0.0, 0.0, 0.0)).double().train(training)
    found = network(given)
    assert found.shape == (3, 40, 5)
    torch.testing.assert_close(network(reordered(given, order)), found[:, order])


@pytest.mark.parametrize("make", [classifier, segmenter])
def test_forward_is_classify_of_encode(make: Any) -> None:
    network, given = make().double(), batch()
    encoded = network.encode(given)
    assert encoded.points is given.points
    assert encoded.features.shape == (3, 40, 24 if make is classifier else 16)
    told = {} if make is classifier else {"category": given.category}
    torch.testing.assert_close(network.classify(encoded.features, noise_seed=given.noise_seed, **told), network(given))


@pytest.mark.parametrize("make", [classifier, segmenter])
def test_dropout_is_drawn_from_each_shapes_seed(make: Any) -> None:
    network, given = make().double(), batch()
    again = network(given)
    assert torch.equal(network(given), again)
    assert given.noise_seed is not None
    other = PointBatch(given.points, category=given.category, noise_seed=given.noise_seed + 1)
    assert not torch.allclose(network(other), again)


def test_the_transform_is_the_identity_at_first() -> None:
    network = segmenter().double()
    assert network.transform is not None
    assert torch.equal(network.transform(batch().points), torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    plain = segmenter(transform=()).double()
    plain.load_state_dict(network.state_dict(), strict=False)
    torch.testing.assert_close(plain(batch()), network(batch()))


def test_the_category_is_told() -> None:
    network, given = segmenter().double().eval(), batch()
    assert given.category is not None
    other = PointBatch(given.points, category=(given.category + 1) % 3)
    assert not torch.allclose(network(other), network(given))
    with pytest.raises(ValueError, match="told of 3 categories"):
        network(PointBatch(given.points))
    assert segmenter(categories=0).double()(PointBatch(given.points)).shape == (3, 40, 5)


@pytest.mark.parametrize("make", [classifier, segmenter])
def test_saliency_in_evaluation_is_the_slope_of_the_scores(make: Any) -> None:
    network = make().double().eval()
    given = batch(clouds=1)
    points = given.points.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(PointBatch(points, category=given.category)).square().sum(), points)
    step = 1e-6 * torch.randn(points.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        ends = [network(PointBatch(points + sign * step, category=given.category)).square().sum() for sign in (1, -1)]
    torch.testing.assert_close((ends[0] - ends[1]) / 2, (slope * step).sum(), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("make", [classifier, segmenter])
def test_autocast_trains(make: Any) -> None:
    network, given = make(), batch(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(given)
    exact = make()(given)
    assert float((logits.float() - exact).detach().abs().mean()) < 0.1 * float(exact.detach().abs().mean())
    logits.float().square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("make", [classifier, segmenter])
def test_one_point_repeated_has_finite_gradients(make: Any) -> None:
    network, given = make(), batch(dtype=torch.float32)
    points = given.points[:, :1].expand(-1, 40, -1).clone().requires_grad_()
    network(PointBatch(points, category=given.category)).square().mean().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapesysError, match="k is 6, but each shape has 5 points"):
        classifier().double()(batch(size=5))
    with pytest.raises(ShapesysError, match=r"have 0 channels.*built for 3"):
        classifier(3).double()(batch())
    with pytest.raises(ValueError, match="one or two layers"):
        segmenter(widths=((8, 8, 8),))
    with pytest.raises(ValueError, match="two widths on edges"):
        segmenter(transform=(8, 8))


def test_a_small_network_learns_eight_clouds_by_heart() -> None:
    generator = torch.Generator().manual_seed(2)
    directions = F.normalize(torch.randn(8, 64, 3, generator=generator), dim=2)
    labels = torch.arange(8) % 2
    cubes = directions / directions.abs().amax(dim=2, keepdim=True)
    clouds = torch.where(labels.view(8, 1, 1) == 1, cubes, directions) * (0.8 + 0.4 * torch.rand(8, 1, 1))
    network = classifier(dropout=(0.0, 0.0))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(PointBatch(clouds)), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert torch.equal(network(PointBatch(clouds)).argmax(dim=1), labels)
