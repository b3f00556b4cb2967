"""The losses of regression on the line as functions of one slope, and of two.

f(x) = a (x - x0) right of x0 and b (x - x0) left of it; h(x) = |x - x0|, x uniform in [-1, 1]. Lines have a = b; (1, 1)
and (-1, -1) are the signed distance and its negative, (1, -1) and (-1, 1) the unsigned one and its negative.

Legend: R slopes along an axis, N points, T steps of a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shapesys.config.base import Config, setting
from shapesys.families.fields.losses import sign_agnostic_error
from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim

ERRORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sign-agnostic": sign_agnostic_error,
    "L1": lambda predicted, unsigned: (predicted - unsigned).abs(),
    "L2": lambda predicted, unsigned: (predicted - unsigned).square(),
}
"""(..., N) errors of f against h."""
PLAIN = ("L1", "L2")


class Settings(Config):
    """Of the experiment."""

    place: float = setting(0.3, help="x0", gt=-1, lt=1)
    points: int = setting(400, help="points x, evenly over [-1, 1]", ge=16)
    reach: float = setting(2.0, help="slopes go from its negative to it", gt=1)
    resolution: int = setting(161, help="slopes along an axis", ge=9)
    begin: float = setting(0.4, help="slope of the line from which one descends, and from its negative", gt=0, lt=1)
    steps: int = setting(1000, help="steps of a descent", ge=1)
    rate: float = setting(0.05, help="learning rate of a descent", gt=0)


@dataclass(frozen=True)
class Result:
    """The landscapes.

    Attributes:
        slopes: (R,).
        lines: name of a loss -> (R,) mean error of lines, by slope.
        planes: name of a loss -> (R, R) mean error by b, then a.
        paths: name of a loss -> one (T + 1, 2) path of (a, b) from a rising line, and one from a falling line.
    """

    slopes: Floats
    lines: Mapping[str, Floats]
    planes: Mapping[str, Floats]
    paths: Mapping[str, tuple[Floats, Floats]]

    def minima(self, name: str) -> Floats:
        """Slopes whose line is better than both neighbours."""
        values = self.lines[name]
        lower = (values[1:-1] < values[:-2]) & (values[1:-1] < values[2:])
        return self.slopes[1:-1][lower]

    def claims(self) -> list[Claim]:
        minima = self.minima("sign-agnostic")
        off = float(np.abs(np.abs(minima) - 1.0).max(initial=0.0))
        missed = self._missed("sign-agnostic")
        best = float(self.lines["sign-agnostic"].min())
        claims = [
            Claim("sign-agnostic: minima over the slope of a line", len(minima), 2, 2),
            Claim("sign-agnostic: distance of these from +1 and −1", off, most=1e-6),  # noqa: RUF001
            Claim("sign-agnostic: loss of the best line", best, most=1e-6),
            Claim("sign-agnostic: descents from lines miss the signed distance by", missed, most=0.05),
        ]
        for name in PLAIN:
            claims += [
                Claim(f"{name}: minima over the slope of a line", len(self.minima(name)), 1, 1),
                Claim(f"{name}: loss of the best line", float(self.lines[name].min()), least=0.1),
                Claim(f"{name}: descents from lines miss the unsigned one by", self._missed(name), most=0.05),
            ]
        return claims

    def _missed(self, name: str) -> float:
        """How far in (a, b) paths end from where theory says, the farther of both."""
        targets = ((1.0, -1.0),) * 2 if name in PLAIN else ((1.0, 1.0), (-1.0, -1.0))
        ends = [np.hypot(*(path[-1] - target)) for path, target in zip(self.paths[name], targets, strict=True)]
        return float(max(ends))


def run(seeds: Sequence[int], settings: Settings | None = None) -> Result:
    """Compute the landscapes; nothing here is random, and `seeds` change nothing."""
    chosen = settings or Settings()
    # Middles of equal parts: the mean over them is nearly the integral, and none lies where a loss has a corner.
    x = (torch.arange(chosen.points, dtype=torch.float64) + 0.5) * (2.0 / chosen.points) - 1.0
    offsets = x - chosen.place
    slopes = torch.linspace(-chosen.reach, chosen.reach, chosen.resolution, dtype=torch.float64)
    lines, planes = {}, {}
    for name in ERRORS:
        losses = _losses(name, offsets, slopes.expand(len(slopes), -1), slopes[:, None])
        planes[name], lines[name] = losses.numpy(), losses.diagonal().numpy()
    up, down = ({name: _descended(name, offsets, sign, chosen) for name in ERRORS} for sign in (1.0, -1.0))
    return Result(slopes.numpy(), lines, planes, {name: (up[name], down[name]) for name in ERRORS})


def _losses(name: str, offsets: Tensor, right: Tensor, left: Tensor) -> Tensor:
    """Mean errors, of the shape of both slopes together, over offsets x - x0 (N,)."""
    slopes = torch.where(offsets > 0, right.unsqueeze(-1), left.unsqueeze(-1))
    return ERRORS[name](slopes * offsets, offsets.abs()).mean(dim=-1)


def _descended(name: str, offsets: Tensor, sign: float, settings: Settings) -> Floats:
    """(T + 1, 2) the path of plain gradient descent from a line, which rises or falls."""
    place = torch.full((2,), sign * settings.begin, dtype=torch.float64, requires_grad=True)
    path = [place.detach().clone()]
    for _ in range(settings.steps):
        (gradient,) = torch.autograd.grad(_losses(name, offsets, place[0], place[1]), place)
        with torch.no_grad():
            place -= settings.rate * gradient
        path.append(place.detach().clone())
    found: Floats = torch.stack(path).numpy()
    return found
