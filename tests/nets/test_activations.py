"""Activations and their closed derivatives, against the formulas as autograd differentiates them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from shapesys.nets.activations import ACTIVATIONS, Jet, activate, activate_jet, activate_with_slope, activated

FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "softplus100": lambda h: torch.logaddexp(torch.zeros_like(h), 100.0 * h) / 100.0,
    "sine30": lambda h: torch.sin(30.0 * h),
}


def pre_activations(rows: int = 6, units: int = 4) -> Tensor:
    """(R, H) on both sides of 0, none at ReLU's kink, and near enough for softplus to bend."""
    torch.manual_seed(0)
    h = torch.rand(rows, units, dtype=torch.float64) * 0.08 - 0.04
    return (h + 0.002 * h.sign()).requires_grad_()


def jet_at(points: Tensor) -> tuple[Tensor, Jet]:
    """Units that are quadratic in the point: h = x A x + b x with their jet, for points (R, 3)."""
    torch.manual_seed(1)
    a, b = 0.05 * torch.randn(4, 3, 3, dtype=torch.float64), 0.05 * torch.randn(4, 3, dtype=torch.float64)
    value = torch.einsum("ri,hij,rj->rh", points, a, points) + points @ b.t()
    tangents = torch.einsum("hij,rj->irh", a + a.transpose(1, 2), points) + b.t()[:, None]
    laplacian = 2.0 * torch.einsum("hii->h", a).expand(len(points), -1)
    return value, Jet(value.detach(), tangents.detach(), laplacian.contiguous())


def test_every_activation_has_a_formula() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-14), (torch.float32, 2e-6)])
def test_value_and_slope_are_the_formulas(kind: str, dtype: torch.dtype, near: float) -> None:
    h = torch.cat([pre_activations().detach().flatten(), torch.tensor([-30.0, -1.0, 1.0, 30.0]).double()]).to(dtype)
    exact = h.double().requires_grad_()
    value = FORMULAS[kind](exact)
    (slope,) = torch.autograd.grad(value.sum(), exact)
    # A sine's angle is 30 h: its rounding, not the sine's own, is what float32 loses at h = 30.
    atol = near * (900 if kind == "sine30" else 1)
    torch.testing.assert_close(activate(h, kind), value.detach().to(dtype), rtol=near, atol=atol)
    of_both, its_slope = activate_with_slope(h, kind)
    torch.testing.assert_close(of_both, value.detach().to(dtype), rtol=near, atol=atol)
    torch.testing.assert_close(its_slope, slope.to(dtype), rtol=near, atol=30 * atol)
    torch.testing.assert_close(activated(h.clone(), kind), value.detach().to(dtype), rtol=near, atol=atol)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activate_can_be_differentiated_twice(kind: str) -> None:
    h = pre_activations()
    assert torch.autograd.gradcheck(lambda x: activate(x, kind), h)
    assert torch.autograd.gradgradcheck(lambda x: activate(x, kind), h)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_a_jet_is_the_chain_rule(kind: str) -> None:
    points = (torch.rand(5, 3, dtype=torch.float64) - 0.5).requires_grad_()
    h, jet = jet_at(points)
    found = activate_jet(jet, kind)
    value = FORMULAS[kind](h)
    torch.testing.assert_close(found.value, value.detach())
    for unit in range(value.shape[1]):
        (slope,) = torch.autograd.grad(value[:, unit].sum(), points, create_graph=True)
        bends = [torch.autograd.grad(slope[:, k].sum(), points, retain_graph=True)[0][:, k] for k in range(3)]
        torch.testing.assert_close(found.tangents[:, :, unit].t(), slope.detach())
        torch.testing.assert_close(found.laplacian[:, unit], torch.stack(bends).sum(dim=0))


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_gradients_of_slope_and_jet_are_those_of_finite_differences(kind: str) -> None:
    h = pre_activations()
    assert torch.autograd.gradcheck(lambda x: activate_with_slope(x, kind), h)
    tangents = torch.randn(3, *h.shape, dtype=h.dtype, requires_grad=True)
    laplacian = torch.randn(h.shape, dtype=h.dtype, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *of: tuple(activate_jet(Jet(*of), kind)), (h, tangents, laplacian))


@pytest.mark.parametrize("unused", ["value", "tangents", "laplacian"])
def test_a_loss_may_leave_out_a_part_of_the_jet(unused: str) -> None:
    h = pre_activations()
    jet = Jet(h, torch.ones(3, *h.shape, dtype=h.dtype), torch.ones_like(h))
    found = activate_jet(jet, "softplus100")._asdict()
    (gradient,) = torch.autograd.grad(sum(part.sum() for name, part in found.items() if name != unused), h)
    again = activate_jet(jet, "softplus100")._asdict()
    (expected,) = torch.autograd.grad(sum(part.sum() * (name != unused) for name, part in again.items()), h)
    torch.testing.assert_close(gradient, expected)


def test_what_is_differentiable_once_says_so_instead_of_giving_a_wrong_second_derivative() -> None:
    h = pre_activations()
    (gradient,) = torch.autograd.grad(activate_with_slope(h, "sine30")[0].square().sum(), h, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_softplus_is_softplus_far_from_zero_too() -> None:
    at = torch.tensor([-50.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 50.0], dtype=torch.float64)
    exact = FORMULAS["softplus100"](at)
    torch.testing.assert_close(activate(at, "softplus100"), exact, rtol=1e-14, atol=1e-16)
    torch.testing.assert_close(activate(at.float(), "softplus100"), exact.float(), rtol=1e-6, atol=1e-9)
