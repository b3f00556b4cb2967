"""Differentiable SLIC: soft k-means of pixels around a grid of centres (SSN, Jampani et al., ECCV 2018).

    Q_pi = softmax over the 9 superpixels i around pixel p's initial cell of -|F_p - S_i|^2
    S_i  = sum_p Q_pi F_p / sum_p Q_pi

The candidates of a pixel stay those of its initial cell in every iteration; those outside the grid get no mass. Memory
is that of B x 9 x h x w numbers: no array has an axis of superpixels and one of pixels.

Legend: B images of h x w pixels; K superpixels; P pixels in the largest cell; C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from shapesys.errors import unknown_name
from shapesys.nets.pixel_grid import PixelGrid

Counting = Literal["associations", "updates"]
"""What `iterations` counts. ``associations``: T associations with T - 1 updates of the centres between them, as the
published code does; ``updates``: T updates, and one more association after the last."""

LEAST_MASS = 1e-16
"""A superpixel with less soft mass stays where it was, and has values near zero."""


@dataclass(frozen=True)
class SoftAssociation:
    """How strongly each pixel belongs to the superpixels around it.

    Attributes:
        grid: the cells that the superpixels started from.
        weights: (B, K, 9, P), Q of the pixels of each cell and of the copies that fill up cells.
        centres: (B, K, C), the superpixels' features that the weights were computed from.
    """

    grid: PixelGrid
    weights: Tensor
    centres: Tensor

    def per_pixel(self) -> Tensor:
        """(B, 9, h, w): Q; sums to one over the candidates."""
        return self.grid.from_cells(self.weights)

    def labels(self) -> Tensor:
        """(B, h, w) int64: the candidate with the largest weight, the first among equals."""
        return self.grid.from_cells(self._chosen()[:, :, None])[:, 0]

    def means(self, values: Tensor) -> Tensor:
        """(B, C, h, w) of pixels -> (B, K, C) of superpixels: means weighted by Q (its columns normalised)."""
        sums, mass = _sums(self.grid, self.weights, _counted(self.grid, self.grid.to_cells(values)))
        return sums / mass.clamp(min=LEAST_MASS)

    def spread(self, values: Tensor) -> Tensor:
        """(B, K, C) of superpixels -> (B, C, h, w) of pixels: mixed by Q, whose rows sum to one."""
        return self.grid.from_cells(self.grid.neighbours(values).transpose(2, 3) @ self.weights)

    def spread_hard(self, values: Tensor) -> Tensor:
        """The same from each pixel's own superpixel alone, by `labels`."""
        chosen = self._chosen().flatten(1, 2)[..., None].expand(-1, -1, values.shape[2])
        taken = values.gather(1, chosen).unflatten(1, (self.grid.count, -1))
        return self.grid.from_cells(taken.transpose(2, 3))

    def _chosen(self) -> Tensor:
        """(B, K, P): number of the superpixel that each pixel of a cell belongs to most."""
        numbers = torch.arange(self.grid.count, device=self.weights.device)
        around = self.grid.neighbours(numbers[None, :, None])[0, :, :, 0]
        return around.expand(len(self.weights), -1, -1).gather(2, _first_largest(self.weights.detach()))


def soft_slic(
    features: Tensor, grid: PixelGrid, iterations: int, counting: Counting = "associations"
) -> SoftAssociation:
    """Group pixels around the grid's centres, which start as the means of their cells.

    Computed in float32 at least, whatever autocast says: distances are differences of large numbers.

    Args:
        features: (B, C, h, w).
        iterations: T.

    Raises:
        ValueError: features of another size than the grid's, or fewer than one iteration.
        UsageError: unknown counting.
    """
    if features.ndim != 4 or features.shape[2:] != (grid.height, grid.width):
        raise ValueError(f"features have shape {tuple(features.shape)}; expected (B, C, {grid.height}, {grid.width})")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; at least 1 is needed")
    if counting not in get_args(Counting):
        raise unknown_name("counting", counting, get_args(Counting))
    with torch.autocast(features.device.type, enabled=False):
        wide = features if features.dtype == torch.float64 else features.float()
        return _iterate(wide, grid, iterations - (counting == "associations"))


def _first_largest(weights: Tensor) -> Tensor:
    """(B, K, 9, P) -> (B, K, P): which of the nine. In a loop: torch's argmax over a middle axis is slow."""
    best, index = weights[:, :, 0], torch.zeros_like(weights[:, :, 0], dtype=torch.int64)
    for number in range(1, weights.shape[2]):
        candidate = weights[:, :, number]
        index = torch.where(candidate > best, number, index)
        best = torch.maximum(best, candidate)
    return index


def _iterate(features: Tensor, grid: PixelGrid, updates: int) -> SoftAssociation:
    barred = torch.zeros(grid.count, 9, 1, device=features.device, dtype=features.dtype)
    barred = barred.masked_fill(~grid.exists(features.device)[..., None], -torch.inf)
    pixels = grid.to_cells(features)
    whole = _counted(grid, pixels).sum(dim=3)
    centres = whole[..., :-1] / whole[..., -1:]
    # Distances do not change when a cell and the centres around it move together; near the origin they lose no digits.
    origin = centres.detach()
    pixels = pixels - origin[..., None]
    counted = _counted(grid, pixels)
    for _ in range(updates):
        weights = _weights(grid, pixels, centres, origin, barred)
        sums, mass = _sums(grid, weights, counted, origin)
        centres = torch.where(mass > LEAST_MASS, sums / mass.clamp(min=LEAST_MASS), centres)
    return SoftAssociation(grid, _weights(grid, pixels, centres, origin, barred), centres)


def _weights(grid: PixelGrid, pixels: Tensor, centres: Tensor, origin: Tensor, barred: Tensor) -> Tensor:
    """(B, K, 9, P): softmax of -|F - S|^2 = 2 F.S - |S|^2 - |F|^2, whose last term is the same for all candidates."""
    around = grid.neighbours(centres) - origin[:, :, None]
    offsets = barred - around.square().sum(dim=3)[..., None]
    # Candidates before pixels: along the last axis a softmax over nine is a slow loop.
    return (2.0 * around @ pixels + offsets).softmax(dim=2)


def _counted(grid: PixelGrid, cells: Tensor) -> Tensor:
    """(B, K, C + 1, P): values of pixels and a one for each; zeros for copies that fill up cells."""
    filled = grid.filled(cells.device).to(cells.dtype)[:, None]
    return torch.cat([cells * filled, filled.expand(len(cells), -1, -1, -1)], dim=2)


def _sums(grid: PixelGrid, weights: Tensor, counted: Tensor, origin: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(B, K, C) sums of Q F and (B, K, 1) sums of Q over the cells around each superpixel.

    Args:
        counted: what `_counted` gives, relative to `origin` (B, K, C) where there is one.
    """
    shares = weights @ counted.transpose(2, 3)
    sums, mass = shares[..., :-1], shares[..., -1:]
    if origin is not None:
        sums = sums + mass * origin[:, :, None]
    return grid.gathered(sums), grid.gathered(mass)
