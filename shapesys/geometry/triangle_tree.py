"""Which search structure answers: warp where it is installed, else libigl."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

from shapesys.errors import UsageError, missing_extra
from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags


class TriangleTree(Protocol):
    """Queries on a fixed set of triangles. Points come Morton-sorted, in coordinates of order 1."""

    def closest(self, points: Floats) -> tuple[Floats, Floats, Ints]:
        """(n, 3) -> closest points (n, 3) f32, distances (n,) f32, faces (n,) i32."""
        ...

    def winding(self, points: Floats, empty_radius: Floats | None = None) -> Floats:
        """(n, 3) -> (n,) f32 generalised winding numbers.

        Args:
            empty_radius: (n,) distances to the surface. Pass them only for closed surfaces, where they spare most of
                the evaluations: the number is constant in a ball the surface does not enter.
        """
        ...

    def escapes(self, origins: Floats, directions: Floats) -> Flags:
        """(n, 3) ray origins and directions -> (n,) True where the ray meets no face."""
        ...


def build_tree(vertices: Floats, faces: Ints, *, winding: bool = False, device: str = "cpu") -> TriangleTree:
    """A tree over (F, 3) faces of (V, 3) vertices; F >= 1.

    Raises:
        ShapesysError: neither warp nor libigl is installed.
        UsageError: the device is not there.
    """
    if find_spec("warp") is not None:
        from shapesys.geometry.warp_tree import WarpTree

        return WarpTree(vertices, faces, winding=winding, device=device)
    if find_spec("igl") is None:
        raise missing_extra("warp-lang", "sampling", "computing signed distances")
    if device != "cpu":
        raise UsageError(f"device '{device}' needs warp (pip install 'shapesys[sampling]'); without it use 'cpu'")
    from shapesys.geometry.igl_tree import IglTree

    return IglTree(vertices, faces, winding=winding)
