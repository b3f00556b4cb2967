"""A training step on a field's gradient, and on its Laplacian: against autograd asked twice, and three times."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from interleaved import interleaved_medians
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from shapesys.nets.activations import Activation
from shapesys.nets.implicit_decoder import ImplicitDecoder
from shapesys.nets.spatial_derivatives import with_gradient, with_laplacian

LATENT, HIDDEN, LAYERS, SKIP = 256, 512, 8, 4
ROOT_2 = math.sqrt(2.0)


class PlainSALD(nn.Module):
    """SALD's decoder on the usual modules: tiled code, library weight norm and softplus."""

    def __init__(self) -> None:
        super().__init__()
        widths = [LATENT + 3, *[HIDDEN] * LAYERS]
        outs = [HIDDEN - widths[0] if i + 1 == SKIP else HIDDEN for i in range(LAYERS)]
        ins = [widths[0], *[HIDDEN] * (LAYERS - 1)]
        self.layers = nn.ModuleList(weight_norm(nn.Linear(i, o)) for i, o in zip(ins, outs, strict=True))
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        tiled = torch.cat([codes[:, None].expand(-1, points.shape[1], -1), points], dim=2)
        x = tiled
        for index, layer in enumerate(self.layers):
            if index == SKIP:
                x = torch.cat([x, tiled], dim=2) / ROOT_2
            x = F.softplus(layer(x), beta=100.0)
        head: Tensor = self.head(x)
        return head


class PlainSiren(nn.Module):
    """DiGS's network for one shape on the usual modules."""

    def __init__(self) -> None:
        super().__init__()
        ins = [3, *[256] * 4]
        self.layers = nn.ModuleList(nn.Linear(width, 256) for width in ins)
        self.head = nn.Linear(256, 1)
        for layer in self.layers[1:]:
            bound = math.sqrt(6.0 / 256) / 30.0
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        x = points
        for layer in self.layers:
            x = torch.sin(30.0 * layer(x))
        head: Tensor = self.head(x)
        return head


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Two rows: the published networks of SALD and of DiGS, float32, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes, count = (1, 256) if quick else (2, 2048)
    rounds = 3 if quick else 5
    try:
        return [
            _row("value and gradient step", "double backward", _sald(), PlainSALD(), shapes, count, rounds, False),
            _row("gradient and Laplacian step", "triple backward", _digs(), PlainSiren(), 1, count, rounds, True),
        ]
    finally:
        torch.set_num_threads(threads)


def _sald() -> ImplicitDecoder:
    return _decoder(LATENT, HIDDEN, LAYERS, SKIP, "softplus100")


def _digs() -> ImplicitDecoder:
    return _decoder(0, 256, 5, None, "sine30")


def _decoder(latent: int, hidden: int, layers: int, skip: int | None, activation: Activation) -> ImplicitDecoder:
    return ImplicitDecoder(
        latent, hidden=hidden, layers=layers, skip_at=skip, outputs=1, dropout=0.0, weight_norm=skip is not None,
        read_out="plain", activation=activation, skip_scale=1 / ROOT_2,
    )  # fmt: skip


def _row(
    name: str, peer: str, ours: ImplicitDecoder, plain: nn.Module, shapes: int, count: int, rounds: int, bends: bool
) -> dict[str, Any]:
    _copy(ours, plain)
    codes, points = torch.randn(shapes, ours.latent_dim), torch.rand(shapes, count, 3) * 2 - 1
    steps = {"ours": _ours(ours, codes, points, bends), peer: _autograd(plain, codes, points, bends)}
    difference = _difference(ours, plain, steps["ours"], steps[peer])
    seconds = interleaved_medians(steps, rounds)
    return {
        "name": name,
        "ours_s": seconds["ours"],
        "peers": {peer: seconds[peer]},
        "unit": "s per step",
        "note": f"{shapes} x {count} points; gradients of the weights differ by {difference:.0e}; median, one thread",
    }


def _copy(ours: ImplicitDecoder, plain: nn.Module) -> None:
    """The plain module's weights into ours; the inputs' order is the same."""
    with torch.no_grad():
        for index, layer in enumerate(plain.layers):  # type: ignore[arg-type, var-annotated]
            mine = ours.layer(index)
            mine.weight.copy_(layer.weight)
            mine.bias.copy_(layer.bias)
            if mine.gain is not None:
                mine.gain.copy_(layer.weight.norm(dim=1, keepdim=True))
        ours.head.load_state_dict(plain.head.state_dict())  # type: ignore[union-attr, operator]


def _loss(output: Tensor, gradient: Tensor, laplacian: Tensor | None) -> Tensor:
    """An eikonal term, one of values, and one of the divergence."""
    loss = (gradient.norm(dim=2) - 1).square().mean() + output.abs().mean()
    return loss if laplacian is None else loss + 1e-3 * laplacian.abs().mean()


def _ours(decoder: ImplicitDecoder, codes: Tensor, points: Tensor, bends: bool) -> Callable[[], float]:
    def step() -> float:
        decoder.zero_grad(set_to_none=True)
        found = with_laplacian(decoder, codes, points) if bends else with_gradient(decoder, codes, points)
        loss = _loss(found.output, found.gradient, found.laplacian if bends else None)  # type: ignore[union-attr]
        loss.backward()
        return loss.item()

    return step


def _autograd(network: nn.Module, codes: Tensor, points: Tensor, bends: bool) -> Callable[[], float]:
    def step() -> float:
        network.zero_grad(set_to_none=True)
        at = points.detach().requires_grad_()
        output = network(codes, at)
        (gradient,) = torch.autograd.grad(output.sum(), at, create_graph=True)
        laplacian = _divergence(gradient, at) if bends else None
        loss = _loss(output, gradient, laplacian)
        loss.backward()
        return loss.item()

    return step


def _divergence(gradient: Tensor, at: Tensor) -> Tensor:
    parts = [torch.autograd.grad(gradient[..., k].sum(), at, create_graph=True)[0][..., k] for k in range(3)]
    return torch.stack(parts).sum(dim=0)


def _difference(
    ours: ImplicitDecoder, plain: nn.Module, our_step: Callable[[], float], plain_step: Callable[[], float]
) -> float:
    """Largest relative difference of any weight's gradient; refuses to time what is not equal."""
    losses = our_step(), plain_step()
    if not math.isclose(*losses, rel_tol=1e-4):
        raise AssertionError(f"the losses are {losses[0]:.6g} and {losses[1]:.6g}: not the same step")
    pairs = zip(_gradients(ours), _gradients(plain), strict=True)
    difference = max(float((mine - theirs).norm() / theirs.norm()) for mine, theirs in pairs)
    if not difference < 1e-3:
        raise AssertionError(f"the gradients differ by {difference:.1e}: what would be timed is not the same step")
    return difference


def _gradients(network: nn.Module) -> list[Tensor]:
    """Of every weight, bias and gain, in an order that both networks share."""
    of = {name: parameter.grad for name, parameter in network.named_parameters()}
    # The library keeps gain and direction as a parametrisation's originals; the names sort alike once ours are used.
    renamed = {"parametrizations.weight.original0": "gain", "parametrizations.weight.original1": "weight"}
    named = {_replaced(name, renamed): gradient for name, gradient in of.items() if gradient is not None}
    return [named[name] for name in sorted(named)]


def _replaced(name: str, renamed: dict[str, str]) -> str:
    for theirs, ours in renamed.items():
        name = name.replace(theirs, ours)
    return name
