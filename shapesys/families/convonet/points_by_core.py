"""A scene's points, found again by the core of the window that they lie in: a window looks at those near it alone.

Legend: M points of the scene, W windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from shapesys.families.convonet.windows import within
from shapesys.fields.windows import Index, WindowLattice
from shapesys.geometry.mesh import Ints


@dataclass(frozen=True)
class PointsByCore:
    """Points and the lattice of windows over them.

    Attributes:
        cloud: (M, 3).
        lattice: of the windows.
        order: (M,) rows of the cloud, core after core; those of one core ascend. On its device.
        first: (W + 1,) where each core's begin in `order`.
    """

    cloud: Tensor
    lattice: WindowLattice
    order: Tensor
    first: Ints

    @classmethod
    def of(cls, cloud: Tensor, lattice: WindowLattice) -> PointsByCore:
        """Of a cloud (M, 3) in the lattice's box."""
        owners = lattice.owners(cloud.cpu().numpy())
        order = np.argsort(owners, kind="stable")
        first = np.searchsorted(owners[order], np.arange(lattice.count + 1))
        return cls(cloud, lattice, torch.from_numpy(order).to(cloud.device), first)

    def to(self, device: torch.device) -> PointsByCore:
        """The same on another device."""
        return replace(self, cloud=self.cloud.to(device), order=self.order.to(device))

    def owning(self) -> list[Index]:
        """Windows with points in their core, in order."""
        return [self.lattice.window(int(number)) for number in np.flatnonzero(np.diff(self.first))]

    def in_core(self, window: Index) -> Tensor:
        """(P, 3) points of a window's core relative to its centre, in the cloud's order."""
        number = self.lattice.number(window)
        return self._relative(self.order[self.first[number] : self.first[number + 1]], window)

    def in_cube(self, window: Index, side: float) -> Tensor:
        """(P, 3) points in the cube of this side about a window's centre, relative to it, in the cloud's order."""
        rows = torch.cat([self.order[start:end] for start, end in self._runs_about(window, side)])
        offsets = self._relative(rows.sort().values, window)
        return offsets[within(offsets, side)]

    def _relative(self, rows: Tensor, window: Index) -> Tensor:
        centre = torch.as_tensor(self.lattice.centre(window), dtype=self.cloud.dtype, device=self.cloud.device)
        return self.cloud[rows] - centre

    def _runs_about(self, window: Index, side: float) -> Iterator[tuple[int, int]]:
        """Where in `order` the points are of all cores that the cube reaches: those of a column are side by side."""
        reach = math.ceil(0.5 * side / self.lattice.core - 0.5)
        low = [max(at - reach, 0) for at in window]
        high = [min(at + reach, count - 1) for at, count in zip(window, self.lattice.counts, strict=True)]
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                start, last = self.lattice.number((i, j, low[2])), self.lattice.number((i, j, high[2]))
                yield int(self.first[start]), int(self.first[last + 1])
