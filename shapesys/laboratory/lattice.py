"""Fields of the plane on a lattice over [-1, 1]^2: values, zero level sets, and lengths of these.

Legend: R lattice points along an axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from skimage.measure import find_contours
from torch import Tensor

from shapesys.geometry.mesh import Floats


@dataclass(frozen=True)
class Lattice:
    """R by R points; the first index of a field's values goes along y, the second along x."""

    resolution: int

    @property
    def axis(self) -> Tensor:
        """(R,) coordinates along either axis."""
        return torch.linspace(-1.0, 1.0, self.resolution)

    @property
    def points(self) -> Tensor:
        """(R * R, 2)."""
        return torch.stack(torch.meshgrid(self.axis, self.axis, indexing="xy"), dim=-1).reshape(-1, 2)

    @property
    def spacing(self) -> float:
        """Between neighbours."""
        return 2.0 / (self.resolution - 1)

    def square(self, values: Tensor) -> Floats:
        """(..., R * R) -> (..., R, R)."""
        return values.detach().reshape(*values.shape[:-1], self.resolution, self.resolution).numpy()

    def zero_set(self, values: Floats) -> list[Floats]:
        """The connected parts of the zero level set of (R, R) values, each a path of (m, 2) points x, y.

        Marching squares. A part that is closed ends where it begins; one that leaves the square does not.
        """
        return [path[:, ::-1] * self.spacing - 1.0 for path in find_contours(np.asarray(values, np.float64), 0.0)]


def length(paths: Sequence[Floats], counts: Callable[[Floats], Floats] | None = None) -> float:
    """Length of paths.

    Args:
        paths: of (m, 2) points each.
        counts: (n, 2) middles of pieces -> (n,) whether each piece counts; all count without.
    """
    total = 0.0
    for path in paths:
        pieces = np.linalg.norm(np.diff(path, axis=0), axis=1)
        middles = (path[1:] + path[:-1]) / 2.0
        total += float(pieces.sum() if counts is None else pieces[counts(middles)].sum())
    return total
