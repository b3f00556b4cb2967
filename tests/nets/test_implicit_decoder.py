"""The decoder against DeepSDF written plainly: tiled code, library weight norm, library dropout."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from shapesys.nets.dropout import kept_lanes, quantised, relu_dropout_
from shapesys.nets.implicit_decoder import ImplicitDecoder, WeightNormLinear

SMALL = {"hidden": 48, "layers": 6, "skip_at": 3}


def plain_forward(decoder: ImplicitDecoder, codes: Tensor, points: Tensor) -> Tensor:
    """DeepSDF's forward pass as published: [z, xyz] tiled and concatenated, evaluation mode."""
    tiled = torch.cat([codes[:, None].expand(-1, points.shape[1], -1), points], dim=2)
    x = tiled
    for index, layer in enumerate(decoder.layers):
        if index and index == decoder.skip_at:
            x = torch.cat([x, tiled], dim=2) * decoder.skip_scale
        x = the_librarys(layer)(x)
        x = x.relu() if decoder.activation == "relu" else nn.functional.softplus(x, beta=100)
    head = decoder.head
    raw = nn.functional.linear(x, head.weight, head.bias) if head.gain is None else the_librarys(head)(x)
    return torch.cat([raw[..., :1].tanh(), raw[..., 1:]], dim=2) if decoder.read_out == "tanh" else raw


def the_librarys(layer: WeightNormLinear) -> nn.Module:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], dtype=layer.weight.dtype)
    if layer.gain is not None:
        linear = weight_norm(linear)
        linear.parametrizations.weight.original0.data.copy_(layer.gain)
        linear.parametrizations.weight.original1.data.copy_(layer.weight)
    else:
        linear.weight.data.copy_(layer.weight)
    linear.bias.data.copy_(layer.bias)
    return linear


def inputs(
    shapes: int = 3, count: int = 17, latent: int = 8, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(shapes, latent, generator=generator, dtype=dtype)
    return codes, torch.rand(shapes, count, 3, generator=generator, dtype=dtype) * 2 - 1


def test_parameter_count_is_deepsdfs() -> None:
    assert sum(p.numel() for p in ImplicitDecoder(256, outputs=1).parameters()) == 1_843_195


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_norm": False, "activation": "softplus100", "skip_scale": 1 / math.sqrt(2), "read_out": "plain"},
        {"skip_at": None, "outputs": 1, "weight_norm_head": True},
    ],
)
def test_equals_the_concatenated_form(options: dict) -> None:
    decoder = ImplicitDecoder(8, **{**SMALL, **options}).double().eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    codes, points = inputs()
    expected = plain_forward(decoder, codes, points)
    # torch's softplus is the identity from 20 / beta on, ours is exact: they differ by exp(-20) / beta.
    near = 1e-10 if decoder.activation == "softplus100" else 1e-12
    torch.testing.assert_close(decoder(codes, points), expected, rtol=near, atol=near)
    folded = decoder.for_shapes(codes)
    many = torch.stack([folded(points[i], shape=i, chunk=5) for i in range(len(codes))])
    torch.testing.assert_close(many, expected.detach(), rtol=near, atol=near)


def test_gradients_are_right() -> None:
    decoder = ImplicitDecoder(4, hidden=16, layers=4, skip_at=2, activation="softplus100").double().eval()
    codes, points = inputs(2, 3, 4)
    points = points.requires_grad_()
    codes = codes.requires_grad_()
    assert torch.autograd.gradcheck(decoder, (codes, points))
    assert torch.autograd.gradgradcheck(decoder, (codes, points))


def test_parameter_gradients_equal_the_plain_forms() -> None:
    decoder = ImplicitDecoder(8, **SMALL).double().eval()
    codes, points = inputs()
    codes.requires_grad_()
    decoder(codes, points).square().sum().backward()
    got = [p.grad.clone() for p in (codes, decoder.head.weight, decoder.head.bias)]
    codes.grad = None
    decoder.zero_grad()
    plain_forward(decoder, codes, points).square().sum().backward()
    for ours, expected in zip(got, (codes, decoder.head.weight, decoder.head.bias), strict=True):
        torch.testing.assert_close(ours, expected.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dropout_has_the_stated_distribution(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones(400, 1001, dtype=dtype)
    got = relu_dropout_(ones.clone(), 0.2)
    assert set(got.unique().tolist()) == {0.0, 1.0}
    kept = got.double().mean().item()
    assert abs(kept - 0.8) < 5 * math.sqrt(0.16 / ones.numel())
    assert abs(quantised(0.2) - 0.2) < 1e-5
    lanes = got[:, :1000].reshape(-1, 4).double()  # the four lanes of a draw are independent
    assert torch.corrcoef(lanes.t()).fill_diagonal_(0).abs().max() < 0.02


def test_dropout_gradient_is_that_of_the_mask() -> None:
    leaf = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    out = relu_dropout_(leaf * 1.0, 0.3)
    torch.manual_seed(3)
    mask = kept_lanes(leaf.shape, 0.3, leaf.device) * (leaf > 0)
    torch.testing.assert_close(out, leaf * mask)
    (gradient,) = torch.autograd.grad(out.sum(), leaf)
    torch.testing.assert_close(gradient, mask.double())


def test_dropout_is_unbiased_and_follows_the_generator() -> None:
    decoder = ImplicitDecoder(8, hidden=64, layers=2, skip_at=None, dropout=0.5, read_out="plain").train()
    codes, points = inputs(1, 4, dtype=torch.float32)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = decoder(codes, points)
    torch.set_rng_state(state)
    assert torch.equal(first, decoder(codes, points))
    assert not torch.equal(first, decoder(codes, points))
    decoder.layers[1].bias.data.fill_(10.0)  # keeps the second layer linear, so that the mean is exact
    with torch.no_grad():
        draws = torch.stack([decoder(codes, points) for _ in range(2000)])
        error = (draws.mean(0) - decoder.eval()(codes, points)).abs()
    assert (error < 5 * draws.std(0) / math.sqrt(len(draws))).all()


@pytest.mark.parametrize("activation", ["relu", "softplus100"])
def test_seeded_masks_do_not_depend_on_the_neighbours(activation: str) -> None:
    decoder = ImplicitDecoder(8, **SMALL, dropout=0.3, activation=activation).double().train()
    codes, points = inputs()
    seeds = torch.tensor([5, 6, 7])
    together = decoder(codes, points, seeds)
    alone = torch.cat([decoder(codes[i : i + 1], points[i : i + 1], seeds[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(together, decoder(codes, points, seeds + 1))


def test_autocast_stays_close_and_trains() -> None:
    decoder = ImplicitDecoder(8, **SMALL, dropout=0.0).train()
    codes, points = inputs(dtype=torch.float32)
    exact = decoder(codes, points)
    with torch.autocast("cpu", torch.bfloat16):
        rough = decoder(codes, points)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=2e-2)
    rough.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())


def test_bfloat16_inference_stays_close() -> None:
    decoder = ImplicitDecoder(8, **SMALL).eval()
    codes, points = inputs(dtype=torch.float32)
    folded = decoder.for_shapes(codes)
    torch.testing.assert_close(folded(points[1], 1, "bfloat16"), folded(points[1], 1), rtol=0, atol=2e-2)


def test_compiled_equals_eager() -> None:
    decoder = ImplicitDecoder(8, **SMALL).eval()
    codes, points = inputs(dtype=torch.float32)
    compiled = torch.compile(decoder, backend="aot_eager")
    torch.testing.assert_close(compiled(codes, points), decoder(codes, points))
    compiled.train()
    assert compiled(codes, points).isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_at": 9}, "skip_at"),
        ({"hidden": 11}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"activation": "gelu"}, "activation"),
    ],
)
def test_misuse_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImplicitDecoder(8, **options)


def test_wrong_shapes_are_named() -> None:
    decoder = ImplicitDecoder(8, **SMALL)
    with pytest.raises(ValueError, match="codes"):
        decoder(torch.zeros(2, 7), torch.zeros(2, 5, 3))
