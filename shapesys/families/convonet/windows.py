"""Windows of scenes: those that a training step draws, and those that cover a scene at test time.

A network that is trained on windows knows nothing of where in a scene it is: all positions are relative to a window's
centre. It sees the points in the whole window and answers for its core.

Legend: B scenes, M surface points, N queries, P points of a window, Q queries in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from shapesys.families.base import Batch
from shapesys.families.convonet.config import ConvONetConfig
from shapesys.nets.dropout import shape_noise


class TrainingWindows(NamedTuple):
    """One window of each scene, about its centre.

    Attributes:
        clouds: (B, P, 3) noisy surface points in it.
        queries: (B, Q, 3) in its core and where it blends with others.
        inside: (B, Q) their bits.
        weights: (B,) 1, or 0 where no query of the step lies there.
    """

    clouds: Tensor
    queries: Tensor
    inside: Tensor
    weights: Tensor


def training_windows(batch: Batch, config: ConvONetConfig) -> TrainingWindows:
    """A window about a random surface point of each scene, by its ``noise_seed``, whatever scenes are beside it.

    Args:
        batch: points (B, N, 3), inside (B, N), surface (B, M, 3), noise_seed (B,).
    """
    generators = shape_noise(batch["noise_seed"], batch["points"].device)
    rows = zip(batch["points"], batch["inside"], batch["surface"], generators, strict=True)
    drawn = [_window(points, inside, surface, generator, config) for points, inside, surface, generator in rows]
    return TrainingWindows(*(torch.stack(column) for column in zip(*drawn, strict=True)))


def _window(
    points: Tensor, inside: Tensor, surface: Tensor, generator: torch.Generator, config: ConvONetConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    device, dtype = surface.device, surface.dtype
    about = surface[torch.randint(len(surface), (), generator=generator, device=device)]
    centre = about + config.core * (torch.rand(3, generator=generator, device=device, dtype=dtype) - 0.5)
    seen = pick(within(surface - centre, config.side), config.input_points, generator)
    noise = torch.randn(len(seen), 3, generator=generator, device=device, dtype=dtype)
    cloud = surface[seen] - centre + config.input_noise * noise
    there = within(points - centre, config.answered)
    asked = pick(there if len(there) else there.new_zeros(1), config.window_queries, generator)
    return cloud, points[asked] - centre, inside[asked], points.new_tensor(float(len(there) > 0))


def within(offsets: Tensor, side: float) -> Tensor:
    """(k,) rows of the offsets (n, 3) that lie in the cube of this side about the origin."""
    return (offsets.abs().amax(dim=1) <= 0.5 * side).nonzero().squeeze(1)


def pick(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count,) of the rows (k,) at random, each as often as any other, give or take once."""
    rounds = [torch.randperm(len(rows), generator=generator, device=rows.device) for _ in range(-(-count // len(rows)))]
    return rows[torch.cat(rounds)[:count]]


@dataclass(frozen=True)
class MemoryOfWindow:
    """What one window takes, in bytes, of float32.

    Attributes:
        features: of the table that is kept of it.
        encoding: beside it, while it is made.
        optimising: instead, in a step of an optimisation, without its queries.
    """

    features: int
    encoding: int
    optimising: int


def memory_of_window(config: ConvONetConfig) -> MemoryOfWindow:
    """Predicted from the largest activations of the U-Nets, which outweigh points and weights.

    On the way up, the first level holds what was joined (filters and twice as many), what became of it in a norm, and
    a result; an optimisation keeps all of these, and those of coarser levels, until the gradient has passed.
    """
    cells = sum(one.cells for one in config.space().maps)
    widest = [
        config.planes * config.plane_resolution**2 * config.plane_filters,
        config.grid_resolution**3 * config.grid_filters,
    ]
    features = 4 * cells * config.channels
    return MemoryOfWindow(features, features + 4 * 9 * max(widest), 2 * features + 4 * 24 * sum(widest))
