"""Spatial derivatives against autograd, which takes the same ones by differentiating twice and three times."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from shapesys.nets.implicit_decoder import ImplicitDecoder
from shapesys.nets.spatial_derivatives import with_gradient, with_laplacian

DECODERS: dict[str, dict[str, Any]] = {
    "SALD's": {"layers": 6, "skip_at": 3, "activation": "softplus100", "skip_scale": 1 / math.sqrt(2),
              "weight_norm_head": True},
    "SIREN's, as DiGS reads it out": {
        "layers": 4, "skip_at": None, "weight_norm": False, "activation": "sine30", "read_out": "signed_root",
    },
    "SAL's for its L0 loss": {"layers": 6, "skip_at": 3, "activation": "relu", "read_out": "tanh_plus", "outputs": 2},
    "one shape's": {"latent_dim": 0, "layers": 3, "skip_at": None, "activation": "softplus100", "read_out": "tanh"},
    "three heads', skipping early": {
        "layers": 4, "skip_at": 1, "outputs": 3, "activation": "softplus100", "read_out": "tanh_plus",
    },
}  # fmt: skip


def made(name: str, dtype: torch.dtype = torch.float64) -> tuple[ImplicitDecoder, Tensor, Tensor]:
    """A decoder, codes (2, D) that need gradients and points (2, 9, 3)."""
    torch.manual_seed(0)
    options = {"latent_dim": 5, "hidden": 40, "outputs": 1, "read_out": "plain", "dropout": 0.0} | DECODERS[name]
    decoder = ImplicitDecoder(options.pop("latent_dim"), **options).to(dtype)
    if decoder.activation == "sine30":
        with torch.no_grad():
            for layer in decoder.layers:
                layer.weight.mul_(0.1)
    return decoder, torch.randn(2, decoder.latent_dim, dtype=dtype, requires_grad=True), points(dtype)


def points(dtype: torch.dtype) -> Tensor:
    return torch.rand(2, 9, 3, dtype=dtype) * 2 - 1


def by_autograd(decoder: ImplicitDecoder, codes: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    at = at.clone().requires_grad_()
    output = decoder(codes, at)
    (gradient,) = torch.autograd.grad(output[..., 0].sum(), at, create_graph=True)
    if decoder.activation == "relu":
        return output, gradient, output.new_zeros(at.shape[:2])
    bends = [torch.autograd.grad(gradient[..., k].sum(), at, create_graph=True)[0][..., k] for k in range(3)]
    return output, gradient, torch.stack(bends).sum(dim=0)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_they_equal_autograds(name: str, dtype: torch.dtype, near: float) -> None:
    decoder, codes, at = made(name, dtype)
    output, gradient, laplacian = by_autograd(decoder, codes, at)
    found = with_gradient(decoder, codes, at)
    torch.testing.assert_close(found.output, output, rtol=near, atol=near)
    torch.testing.assert_close(found.gradient, gradient, rtol=near, atol=near)
    jet = with_laplacian(decoder, codes, at)
    torch.testing.assert_close(jet.output, output, rtol=near, atol=near)
    torch.testing.assert_close(jet.gradient, gradient, rtol=near, atol=near)
    if decoder.activation != "relu":
        # Float32 of a second derivative with frequency 30 has fewer digits, autograd's too.
        torch.testing.assert_close(jet.laplacian, laplacian, rtol=10 * near, atol=100 * near)


@pytest.mark.parametrize("name", DECODERS)
def test_losses_of_them_have_autograds_gradients(name: str) -> None:
    decoder, codes, at = made(name)
    wanted = [codes, *decoder.parameters()]
    weights = torch.randn(2, 9, 3, dtype=at.dtype)

    def gradients(output: Tensor, gradient: Tensor, laplacian: Tensor | None = None) -> tuple[Tensor, ...]:
        loss = output.square().sum() + (gradient * weights).sum() + gradient.norm(dim=2).sum()
        if laplacian is not None:
            loss = loss + laplacian.square().mean()
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    output, gradient, _ = by_autograd(decoder, codes, at)
    expected = gradients(output, gradient)
    for ours, theirs in zip(gradients(*with_gradient(decoder, codes, at)), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    if decoder.activation == "relu":
        return
    expected = gradients(*by_autograd(decoder, codes, at))
    for ours, theirs in zip(gradients(*with_laplacian(decoder, codes, at)), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_one_sine_has_the_derivatives_of_a_sine() -> None:
    """f = sin(30 (w x)): grad f = 30 w cos, lap f = -900 |w|^2 sin."""
    decoder = ImplicitDecoder(
        0, hidden=1, layers=1, skip_at=None, outputs=1, dropout=0.0, weight_norm=False, read_out="plain",
        activation="sine30",
    ).double()  # fmt: skip
    w = torch.tensor([0.02, -0.05, 0.03], dtype=torch.float64)
    with torch.no_grad():
        decoder.layers[0].weight.copy_(w)
        decoder.layers[0].bias.zero_()
        decoder.head.weight.fill_(1.0)
        decoder.head.bias.zero_()
    at = points(torch.float64)
    found = with_laplacian(decoder, at.new_zeros(2, 0), at)
    angle = 30 * at @ w
    torch.testing.assert_close(found.output[..., 0], angle.sin())
    torch.testing.assert_close(found.gradient, 30 * angle.cos()[..., None] * w)
    torch.testing.assert_close(found.laplacian, -900 * w.square().sum() * angle.sin())


@pytest.mark.parametrize("name", DECODERS)
def test_bfloat16_stays_close_and_trains(name: str) -> None:
    decoder, codes, at = made(name, torch.float32)
    exact = with_gradient(decoder, codes, at)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = with_gradient(decoder, codes, at)
        jet = with_laplacian(decoder, codes, at)
    # Of most points: at the kink of DiGS's root, a rounding decides.
    scale = float(exact.gradient.norm(dim=2).median().detach())
    assert float((rough.gradient - exact.gradient).norm(dim=2).median().detach()) < 0.1 * scale
    (rough.output.square().mean() + rough.gradient.square().mean() + 1e-6 * jet.laplacian.square().mean()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in decoder.parameters() if p.grad is not None)


def test_noise_has_no_gradient_in_space() -> None:
    decoder = ImplicitDecoder(2, hidden=16, layers=3, skip_at=None, dropout=0.2).train()
    for derivatives in (with_gradient, with_laplacian):
        with pytest.raises(ValueError, match=r"without dropout; it has 0\.2"):
            derivatives(decoder, torch.zeros(1, 2), torch.zeros(1, 4, 3))
    assert with_gradient(decoder.eval(), torch.zeros(1, 2), torch.zeros(1, 4, 3)).gradient.isfinite().all()


def test_wrong_shapes_are_named() -> None:
    decoder = ImplicitDecoder(2, hidden=16, layers=3, skip_at=None, dropout=0.0)
    with pytest.raises(ValueError, match=r"codes \(B, 2\).*got codes \(1, 3\)"):
        with_laplacian(decoder, torch.zeros(1, 3), torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match=r"points \(B, N, 3\).*points \(4, 3\)"):
        with_gradient(decoder, torch.zeros(1, 2), torch.zeros(4, 3))


def test_sines_keep_their_precision_under_autocast() -> None:
    decoder, codes, at = made("SIREN's, as DiGS reads it out", torch.float32)
    full = [decoder(codes, at), *with_gradient(decoder, codes, at), *with_laplacian(decoder, codes, at)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = [decoder(codes, at), *with_gradient(decoder, codes, at), *with_laplacian(decoder, codes, at)]
    for ours, expected in zip(reduced, full, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)
