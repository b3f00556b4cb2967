"""A bounding volume hierarchy over triangles, answering closest points, winding numbers and ray escapes.

Imported lazily, through `shapesys.geometry.triangle_tree`, because warp is an optional dependency.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shapesys.errors import UsageError
from shapesys.geometry import warp_kernels
from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags
from shapesys.geometry.warp_runtime import wp

CPU_BLOCK = 256
CUDA_BLOCK = 16
PROPAGATION_REACH = 16


class WarpTree:
    """Built once per triangle set, on one device. Coordinates should be of the order of 1 (float32 inside).

    Args:
        vertices: (V, 3); faces: (F, 3) with F >= 1.
        winding: also prepare winding numbers (about 1.7 times the build).
        device: ``cpu`` or ``cuda[:i]``.
    """

    def __init__(self, vertices: Floats, faces: Ints, *, winding: bool = False, device: str = "cpu") -> None:
        self._device = _device(device)
        self._block = CUDA_BLOCK if self._device.is_cuda else CPU_BLOCK
        self._vertices = self._array(np.ascontiguousarray(vertices, dtype=np.float32), wp.vec3)
        self._corners = self._array(np.ascontiguousarray(faces, dtype=np.int32).ravel(), wp.int32)
        self._mesh = wp.Mesh(self._vertices, self._corners, support_winding_number=winding)

    def closest(self, points: Floats) -> tuple[Floats, Floats, Ints]:
        """(n, 3) float32 points, Morton-sorted for speed -> closest (n, 3) f32, distance (n,) f32, face (n,) i32."""
        count = len(points)
        closest = self._empty(count, wp.vec3)
        distances = self._empty(count, wp.float32)
        faces = self._empty(count, wp.int32)
        queries = [self._points(points), self._block]
        inputs = [self._mesh.id, self._vertices, self._corners, *queries, closest, distances, faces]
        self._launch(warp_kernels.closest_points, -(-count // self._block), inputs)
        return closest.numpy(), distances.numpy(), faces.numpy()

    def winding(self, points: Floats, empty_radius: Floats | None = None) -> Floats:
        """(n, 3) float32 points -> (n,) float32 generalised winding numbers.

        Args:
            empty_radius: (n,) distances to the surface. Pass them only for closed surfaces, where they spare most of
                the evaluations: the number is constant in a ball the surface does not enter.
        """
        count = len(points)
        values = self._empty(count, wp.float32)
        if empty_radius is None:
            self._launch(warp_kernels.winding_numbers, count, [self._mesh.id, self._points(points), values])
            return values.numpy()
        radius = self._array(np.ascontiguousarray(empty_radius, dtype=np.float32), wp.float32)
        inputs = [self._mesh.id, self._points(points), radius, self._block, PROPAGATION_REACH, values]
        self._launch(warp_kernels.propagated_winding_numbers, -(-count // self._block), inputs)
        return values.numpy()

    def escapes(self, origins: Floats, directions: Floats) -> Flags:
        """(n, 3) ray origins and directions -> (n,) bool, True where the ray meets no face."""
        escaping = self._empty(len(origins), wp.uint8)
        inputs = [self._mesh.id, self._points(origins), self._points(directions), escaping]
        self._launch(warp_kernels.escaping_rays, len(origins), inputs)
        return escaping.numpy().astype(bool)

    def _points(self, points: Floats) -> Any:
        return self._array(np.ascontiguousarray(points, dtype=np.float32), wp.vec3)

    def _array(self, values: Floats | Ints, dtype: Any) -> Any:
        return wp.array(values, dtype=dtype, device=self._device, copy=self._device.is_cuda)

    def _empty(self, count: int, dtype: Any) -> Any:
        return wp.empty(count, dtype=dtype, device=self._device)

    def _launch(self, kernel: Any, threads: int, inputs: list[Any]) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self._device)


def _device(name: str) -> Any:
    try:
        return wp.get_device(name)
    except Exception as error:
        known = ", ".join(str(device) for device in wp.get_devices())
        raise UsageError(f"device '{name}' is not available to warp; available: {known}") from error
