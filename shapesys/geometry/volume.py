"""The volume that a surface encloses."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Mesh


def enclosed_volume(mesh: Mesh) -> float:
    """Of a closed, outward-oriented mesh, in cubed vertex units: by the divergence theorem, a sum over its faces.

    Faces turned inward count against it. Of an open mesh, the value depends on where the origin is.
    """
    if mesh.is_empty:
        return 0.0
    a, b, c = np.moveaxis(mesh.triangles.astype(np.float64), 1, 0)
    return float(np.einsum("fc,fc->f", a, np.cross(b, c)).sum()) / 6.0
