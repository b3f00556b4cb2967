"""Weighted gradients: nothing changes forwards, g_i = s_i dL/df_i backwards, once, in every classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from shapesys.geometry.fps import farthest_points
from shapesys.nets.dgcnn import DGCNNClassifier
from shapesys.nets.dpgnet import DPGNetClassifier
from shapesys.nets.grouping import Grouping
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.pointnet import PointNetClassifier
from shapesys.nets.pointnet2 import PointNet2Classifier, PointNet2Spec
from shapesys.nets.set_abstraction import Level
from shapesys.nets.weighted_gradient import weighted_gradient

ALL = Level(None, (), (), ((24, 32),))
FINE, COARSE = Level(32, (0.5,), (16,), ((8, 12),)), Level(8, (1.0,), (16,), ((16, 24),))
SAME = [Level(32, (0.5,), (16,), ((12,),)), Level(8, (1.0,), (16,), ((12,),)), ALL]
SHAPES, POINTS = 4, 64

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "pointnet": lambda: PointNetClassifier(0, 3, (8, 12, 16), False, (8,), (0.0,)),
    "pointnet with transforms": lambda: PointNetClassifier(0, 3, (8, 12, 16), True, (8,), (0.0,)),
    "pointnet2": lambda: PointNet2Classifier(PointNet2Spec((FINE, COARSE, ALL)), 0, 3, (8,), (0.0,)),
    "pointnet2 of one level": lambda: PointNet2Classifier(PointNet2Spec((ALL,)), 0, 3, (8,), (0.0,)),
    "dgcnn": lambda: DGCNNClassifier(0, 3, 8, (8, 12), 16, (8,), (0.0,)),
    "dpgnet": lambda: DPGNetClassifier(PointNet2Spec(tuple(SAME)), 0, 3, Grouping(1), (8, 12), (8,), (0.0,)),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[request.param]().train()


def clouds(saliency: Tensor | None = None, ordered: bool = True) -> PointBatch:
    points = torch.rand(SHAPES, POINTS, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return PointBatch(points, order=farthest_points(points, 32, 0) if ordered else None, saliency=saliency)


def random_saliency() -> Tensor:
    return torch.rand(SHAPES, POINTS, generator=torch.Generator().manual_seed(2))


def loss_of(answer: Tensor | tuple[Tensor, object]) -> Tensor:
    logits = answer if isinstance(answer, Tensor) else answer[0]
    return nn.functional.cross_entropy(logits, torch.arange(SHAPES) % 3)


def gradients(network: nn.Module, batch: PointBatch) -> dict[str, Tensor]:
    network.zero_grad()
    loss_of(network(batch)).backward()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in network.named_parameters()}


def test_the_function_is_the_identity_forwards_and_weighs_backwards() -> None:
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    down = torch.randn(2, 5, 3, dtype=torch.float64)
    found = weighted_gradient(x, weights)
    assert torch.equal(found, x)
    found.backward(down)
    assert x.grad is not None
    assert torch.equal(x.grad, down * weights.detach()[:, :, None])
    assert weights.grad is None


def test_gradients_keep_their_precision() -> None:
    x = torch.randn(2, 5, 3, dtype=torch.bfloat16, requires_grad=True)
    weighted_gradient(x, torch.rand(2, 5)).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16


def test_weights_of_other_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights \(2, 4\) must have one value per point of \(2, 5, 3\)"):
        weighted_gradient(torch.zeros(2, 5, 3), torch.ones(2, 4))


def test_weights_of_one_leave_every_gradient_as_it_is_to_the_bit(network: nn.Module) -> None:
    plain = gradients(network, clouds())
    assert any(bool(value.any()) for value in plain.values())
    for name, value in gradients(network, clouds(torch.ones(SHAPES, POINTS))).items():
        assert torch.equal(value, plain[name]), name


def test_weights_of_zero_stop_gradients_below_and_not_above(network: nn.Module) -> None:
    plain = gradients(network, clouds())
    for name, value in gradients(network, clouds(torch.zeros(SHAPES, POINTS))).items():
        if name.startswith("head."):
            assert torch.equal(value, plain[name]), name
        else:
            assert not value.any(), name


def test_logits_do_not_depend_on_saliency(network: nn.Module) -> None:
    for mode in (True, False):
        network.train(mode)
        with torch.no_grad():
            assert torch.equal(loss_of(network(clouds(random_saliency()))), loss_of(network(clouds())))


@pytest.mark.parametrize("ordered", [True, False], ids=["known order", "own order"])
def test_saliency_stays_with_the_points_that_features_belong_to(network: nn.Module, ordered: bool) -> None:
    rows = torch.arange(POINTS).expand(SHAPES, -1)
    batch = clouds(rows.float(), ordered)
    found = network.encode(batch)  # type: ignore[operator]
    assert found.saliency.shape == found.features.shape[:2]
    own = gather_points(batch.points, found.saliency.long())
    if isinstance(network, DPGNetClassifier):
        # Centroids have moved; they are named by the points they started from.
        assert (found.points - own).norm(dim=2).max() < FINE.radii[0] + COARSE.radii[0]
        own_order = farthest_points(batch.points, 32, 0)[:, : found.points.shape[1]]
        assert torch.equal(found.saliency.long(), own_order)
    else:
        assert torch.equal(own, found.points)


def test_the_gradient_of_the_last_features_is_weighted_once(network: nn.Module) -> None:
    """The gradient that reaches parameters is that of features whose gradient was multiplied by hand."""
    batch = clouds(random_saliency())
    network.zero_grad()
    encoded = network.encode(replace(batch, saliency=None))  # type: ignore[operator]
    weights = network.encode(batch).saliency  # type: ignore[operator]
    leaf = encoded.features.detach().requires_grad_()
    [down] = torch.autograd.grad(loss_of(network.classify(leaf)), leaf)  # type: ignore[operator]
    encoded.features.backward(down * weights[:, :, None])
    expected = {name: p.grad for name, p in network.named_parameters() if not name.startswith("head.")}
    found = gradients(network, batch)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], torch.zeros_like(found[name]) if value is None else value, msg=name)
