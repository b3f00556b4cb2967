"""The shared MLP against torch's separate layers over rows written out, copies and all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shapesys.nets.ball_query import Groups, ball_groups, ball_query
from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.linear import CPU_ROWS
from shapesys.nets.point_ops import gather_points
from shapesys.nets.shared_mlp import SharedMLP, norm_relu_linear, norm_relu_max


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(inputs: int, widths: tuple[int, ...]) -> tuple[SharedMLP, nn.Sequential]:
    """Ours and torch's, with the same weights; some gains are negative, which turns the order of rows."""
    torch.manual_seed(0)
    ours = SharedMLP(inputs, widths).double()
    layers: list[nn.Module] = []
    for linear, norm in zip(ours.linears, ours.norms, strict=True):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        plain = nn.Linear(linear.weight.shape[1], linear.weight.shape[0], bias=False).double()
        plain.load_state_dict(linear.state_dict())
        plain_norm = nn.BatchNorm1d(linear.weight.shape[0]).double()
        plain_norm.weight.data.copy_(norm.weight)
        plain_norm.bias.data.copy_(norm.bias)
        layers += [plain, plain_norm, nn.ReLU()]
    return ours, nn.Sequential(*layers)


def gradients(module: nn.Module) -> list[Tensor]:
    """Of weights, then of gains, then of biases, whatever the modules are called."""
    linears = [x for x in module.modules() if type(x).__name__ in ("PointLinear", "Linear")]
    norms = [x for x in module.modules() if type(x).__name__ in ("BatchNorm", "BatchNorm1d")]
    found = [x.weight.grad for x in linears] + [x.weight.grad for x in norms] + [x.bias.grad for x in norms]
    assert all(gradient is not None for gradient in found)
    return found


@pytest.mark.parametrize("training", [True, False])
def test_equals_separate_layers(training: bool) -> None:
    ours, plain = made(5, (8, 6, 7))
    ours.train(training)
    plain.train(training)
    x = random(3, CPU_ROWS, 5).requires_grad_()
    down = random(3, CPU_ROWS, 7, seed=1)
    found, expected = ours(x), plain(x.flatten(0, 1)).view(3, CPU_ROWS, 7)
    torch.testing.assert_close(found, expected)
    of_x = [torch.autograd.grad((y * down).sum(), x, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*of_x)
    for y in (found, expected):
        (y * down).sum().backward()
    for got, wanted in zip(gradients(ours), gradients(plain), strict=True):
        torch.testing.assert_close(got, wanted)
    for norm, plain_norm in zip(ours.norms, [x for x in plain if isinstance(x, nn.BatchNorm1d)], strict=True):
        torch.testing.assert_close(norm.running_mean, plain_norm.running_mean)
        torch.testing.assert_close(norm.running_variance, plain_norm.running_var)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("widths", [(8,), (8, 6, 7)])
def test_pooled_groups_equal_the_maximum_over_the_padded_table(training: bool, widths: tuple[int, ...]) -> None:
    ours, plain = made(5, widths)
    ours.train(training)
    plain.train(training)
    points, values = random(3, 90, 3), random(3, 90, 5, seed=1).requires_grad_()
    centroids = points[:, :20]
    (groups,) = ball_groups(points, centroids, [1.0], [12])
    table, valid = ball_query(points, centroids, 1.0, 12)
    assert (valid < 12).any()
    first = values.flatten(0, 1)[groups.neighbour] @ ours.first_weight.t()
    found = ours.pooled(first, groups).view(3, 20, -1)
    expected = plain(gather_points(values, table).flatten(0, 2)).view(3, 20, 12, -1).amax(dim=2)
    torch.testing.assert_close(found, expected)
    down = random(*found.shape, seed=2)
    of_values = [torch.autograd.grad((y * down).sum(), values, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*of_values)
    for y in (found, expected):
        (y * down).sum().backward()
    for got, wanted in zip(gradients(ours), gradients(plain), strict=True):
        torch.testing.assert_close(got, wanted)


def test_equal_largest_rows_share_the_gradient() -> None:
    norm = BatchNorm(2).double().eval()
    x = torch.tensor([[1.0, 3.0], [1.0, 2.0], [0.5, 3.0], [4.0, 5.0]], dtype=torch.float64, requires_grad=True)
    groups = Groups(torch.arange(4), torch.tensor([0, 0, 0, 1]), torch.ones(4), torch.tensor([3, 1]), 3)
    norm_relu_max(x, norm, groups).sum().backward()
    scale = (1 + norm.eps) ** -0.5
    expected = torch.tensor([[0.5, 0.5], [0.5, 0.0], [0.0, 0.5], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(x.grad, expected * scale)


def test_gradients_are_right() -> None:
    norm = BatchNorm(4).double()
    with torch.no_grad():
        norm.weight[0] = -1.5
    copies = torch.tensor([3.0, 1.0, 1.0, 2.0, 1.0, 1.0])
    groups = Groups(torch.arange(6), torch.tensor([0, 0, 0, 1, 1, 1]), copies, torch.tensor([3, 3]), 5)
    x, weight = random(6, 4).requires_grad_(), random(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: norm_relu_linear(x, norm, w, copies), (x, weight))
    assert torch.autograd.gradcheck(lambda x: norm_relu_max(x, norm, groups), (x,))


def test_workers_with_unequal_shares_are_as_one(together: Callable[..., list[Any]]) -> None:
    points = random(3, 60, 3)
    down = random(3, 10, 4, seed=1)
    started, _ = made(3, (6, 4))  # here, as threads that seed the one global generator disturb each other

    def run(rows: slice) -> tuple[Tensor, list[Tensor]]:
        ours = copy.deepcopy(started)
        (groups,) = ball_groups(points[rows], points[rows, :10], [1.0], [12])
        found = ours.pooled(points[rows].flatten(0, 1)[groups.neighbour] @ ours.first_weight.t(), groups)
        (found.view(-1, 10, 4) * down[rows]).sum().backward()
        return found.detach(), gradients(ours)

    alone = run(slice(0, 3))
    parts = [slice(0, 1), slice(1, 3)]
    halves = together(lambda worker: run(parts[worker]), 2)
    torch.testing.assert_close(torch.cat([half[0] for half in halves]), alone[0])
    for index, gradient in enumerate(alone[1]):
        torch.testing.assert_close(sum(half[1][index] for half in halves), gradient)


def test_autocast_stays_close_and_trains() -> None:
    ours, _ = made(40, (48, 64, 32))
    ours.float()
    x = random(4, 500, 40).float().requires_grad_()
    exact = ours(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = ours(x)
    torch.testing.assert_close(rough.float(), exact, rtol=0, atol=0.15)
    rough.float().square().mean().backward()
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients(ours))


def test_no_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="widths"):
        SharedMLP(3, ())
