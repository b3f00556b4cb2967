"""A plane, and what it mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats


@dataclass(frozen=True)
class Plane:
    """Points x with normal . x = offset; the normal need not have unit length."""

    normal: tuple[float, float, float]
    offset: float = 0.0

    def mirror(self, points: Floats) -> NDArray[np.float64]:
        """(n, 3) points -> their mirror images.

        Raises:
            ValueError: the normal is zero or not finite.
        """
        normal = np.asarray(self.normal, np.float64)
        square = float(normal @ normal)
        if not np.isfinite(square) or square <= 0.0:
            raise ValueError(f"the symmetry plane's normal is {self.normal}; it must be finite and not zero")
        wide = points.astype(np.float64)
        return wide - (2.0 / square) * (wide @ normal - self.offset)[:, None] * normal
