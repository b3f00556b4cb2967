"""Edge convolutions against the formula with every edge kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets import edge_ops
from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.edge_conv import EdgeConv, EdgeConvStack
from shapesys.nets.neighbours import k_nearest_rows

INPUTS, OUTPUTS, K = 5, 8, 7
KINDS = ["single", "stack"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer(kind: str) -> EdgeConv | EdgeConvStack:
    """In float64, with scales of both signs, and running statistics of some past."""
    torch.manual_seed(0)
    made = (EdgeConv(INPUTS, OUTPUTS) if kind == "single" else EdgeConvStack(INPUTS, 6, OUTPUTS)).double()
    for index, norm in enumerate(norms(made)):
        width = len(norm.weight)
        with torch.no_grad():
            norm.weight.copy_(random(width, seed=index + 10))
            norm.bias.copy_(random(width, seed=index + 20))
            norm.running_mean.copy_(random(width, seed=index + 30))
            norm.running_variance.copy_(random(width, seed=index + 40).square() + 0.1)
        assert (norm.weight < 0).any()
        assert (norm.weight > 0).any()
    return made


def norms(module: nn.Module) -> list[BatchNorm]:
    return [part for part in module.modules() if isinstance(part, BatchNorm)]


class Plain(nn.Module):
    """The formula, on features (B, N, k, 2 C) of all edges, with torch's batch norm."""

    def __init__(self, ours: EdgeConv | EdgeConvStack) -> None:
        super().__init__()
        weights = [ours.edge_linear.weight, *([ours.weight] if isinstance(ours, EdgeConvStack) else [])]
        self.weights = nn.ParameterList(weight.detach().clone() for weight in weights)
        # Ours in the order of the layers.
        pairs = [ours.edge_linear.norm, *([ours.norm] if isinstance(ours, EdgeConvStack) else [])]
        self.norms = nn.ModuleList(nn.BatchNorm1d(len(norm.weight)).double() for norm in pairs)
        for theirs, mine in zip(self.norms, pairs, strict=True):
            with torch.no_grad():
                theirs.weight.copy_(mine.weight)
                theirs.bias.copy_(mine.bias)
                theirs.running_mean.copy_(mine.running_mean)
                theirs.running_var.copy_(mine.running_variance)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        near = torch.stack([shape[rows] for shape, rows in zip(x, neighbours, strict=True)])
        own = x.unsqueeze(2).expand_as(near)
        edges = torch.cat([near - own, own], dim=3)
        for weight, norm in zip(self.weights, self.norms, strict=True):
            z = edges @ weight.t()
            edges = F.leaky_relu(norm(z.flatten(0, 2)).view(z.shape), 0.2)
        return edges.max(dim=2)[0]


def gradients(y: Tensor, x: Tensor, parameters: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad((y * random(*y.shape, seed=5)).sum(), [x, *parameters])


def parameters(module: EdgeConv | EdgeConvStack) -> list[Tensor]:
    """Weights first, then scales and biases of the norms, layer by layer, as `Plain` has them."""
    edge = module.edge_linear
    if isinstance(module, EdgeConv):
        return [edge.weight, edge.norm.weight, edge.norm.bias]
    return [edge.weight, module.weight, edge.norm.weight, edge.norm.bias, module.norm.weight, module.norm.bias]


@pytest.fixture(params=[1 << 18, 500], ids=["one chunk", "chunks"])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_ops, "CPU_CHUNK", request.param)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_gradients_and_statistics_are_the_formulas(kind: str, training: bool) -> None:
    ours = layer(kind).train(training)
    plain = Plain(ours).train(training)
    x = (random(3, 40, INPUTS) + 3).requires_grad_()
    neighbours = k_nearest_rows(x, K)
    found, expected = ours(x, neighbours), plain(x, neighbours)
    close: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(found, expected, **close)
    torch.testing.assert_close(
        gradients(found, x, parameters(ours)), gradients(expected, x, list(plain.parameters())), **close
    )
    mine = [ours.edge_linear.norm, *([ours.norm] if isinstance(ours, EdgeConvStack) else [])]
    for norm, theirs in zip(mine, plain.norms, strict=True):
        torch.testing.assert_close(norm.running_mean, theirs.running_mean, **close)
        torch.testing.assert_close(norm.running_variance, theirs.running_var, **close)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_agrees_with_double(kind: str) -> None:
    ours = layer(kind)
    x = random(3, 40, INPUTS)
    neighbours = k_nearest_rows(x, K)
    x.requires_grad_()
    expected = ours(x, neighbours)
    wanted = gradients(expected, x, parameters(ours))
    single = layer(kind).float()
    near = x.detach().float().requires_grad_()
    found = single(near, neighbours)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for got, want in zip(gradients(found, near, parameters(single)), wanted, strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-4 * float(want.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_in_any_order_are_the_same(kind: str) -> None:
    ours = layer(kind)
    x = random(2, 30, INPUTS)
    neighbours = k_nearest_rows(x, K)
    torch.testing.assert_close(ours(x, neighbours.flip(2)), ours(x, neighbours))


@pytest.mark.parametrize("kind", KINDS)
def test_one_point_repeated_has_finite_gradients(kind: str) -> None:
    ours = layer(kind).float()
    x = torch.ones(2, 20, INPUTS, requires_grad=True)
    y = ours(x, k_nearest_rows(x, K))
    y.square().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_with_unequal_shares_are_as_one(kind: str, together: Callable[..., list[Any]]) -> None:
    clouds = random(5, 30, INPUTS)
    neighbours = k_nearest_rows(clouds, K)
    parts = [slice(0, 2), slice(2, 5)]
    # Made here: threads would draw from one generator.
    layers = [layer(kind) for _ in range(3)]

    def run(shapes: slice, ours: EdgeConv | EdgeConvStack) -> tuple[Tensor, ...]:
        x = clouds[shapes].clone().requires_grad_()
        y = ours(x, neighbours[shapes])
        (y * random(5, 30, OUTPUTS, seed=5)[shapes]).sum().backward()
        assert x.grad is not None
        summed = [p.grad for p in parameters(ours) if p.grad is not None]
        running = [getattr(norm, name) for norm in norms(ours) for name in ("running_mean", "running_variance")]
        return y.detach(), x.grad, torch.cat([g.flatten() for g in summed]), torch.cat(running)

    alone = run(slice(0, 5), layers[2])
    halves = together(lambda worker: run(parts[worker], layers[worker]), 2)
    close: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
    for place in (0, 1):
        torch.testing.assert_close(torch.cat([half[place] for half in halves]), alone[place], **close)
    torch.testing.assert_close(halves[0][2] + halves[1][2], alone[2], **close)
    for half in halves:
        torch.testing.assert_close(half[3], alone[3], **close)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_leaves_edges_in_single_precision(kind: str) -> None:
    ours, again = layer(kind).float(), layer(kind).float()
    x = random(2, 30, INPUTS).float()
    neighbours = k_nearest_rows(x, K)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(x, neighbours)
    assert found.dtype == torch.float32
    assert torch.equal(found, again(x, neighbours))
    assert torch.equal(norms(ours)[0].running_variance, norms(again)[0].running_variance)


def test_slopes_that_break_the_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"slope is -0\.1"):
        EdgeConv(3, 4, slope=-0.1)


def test_neighbours_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 30, 5\) and \(3, 30, 7\)"):
        layer("single")(random(2, 30, INPUTS), torch.zeros(3, 30, K, dtype=torch.int64))
