"""A z-buffer for triangles, without a graphics card and without a loop over triangles.

A triangle covers a run of pixels in each row it touches. Runs come from its three edge functions in closed form; the
runs of all triangles are then laid out side by side, and one unbuffered minimum over (depth, face) keys per pixel keeps
the nearest face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.camera import Camera, Size
from shapesys.geometry.mesh import Floats, Ints, Mesh

Runs = tuple[Ints, Ints, Ints, Ints]
_FRAGMENTS_AT_ONCE = 4_000_000
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Visible:
    """The nearest face under each covered pixel.

    Legend: P covered pixels.

    Attributes:
        size: (height, width) of the image.
        pixel: (P,) row * width + column, ascending.
        face: (P,) index of the nearest face.
        barycentric: (P, 3) weights of that face's corners at the pixel's centre, perspective-correct, sum 1.
        depth: (P,) distance along the view direction.
    """

    size: Size
    pixel: Ints
    face: Ints
    barycentric: Floats
    depth: Floats


def rasterise(mesh: Mesh, camera: Camera, size: Size) -> Visible:
    """What `camera` sees of `mesh`, both sides of every face. Faces that reach behind the camera are left out."""
    pixels, depth = camera.project(mesh.vertices, size)
    ahead = np.flatnonzero((depth[mesh.faces] > 0).all(axis=1))
    corners, inverse_depth = pixels[mesh.faces[ahead]], 1.0 / depth[mesh.faces[ahead]]
    edges = _edge_functions(corners)
    drawn = edges.any(axis=(1, 2))
    ahead, corners, inverse_depth, edges = ahead[drawn], corners[drawn], inverse_depth[drawn], edges[drawn]
    keys = np.full(size[0] * size[1], _EMPTY)
    for runs in _runs(corners, edges, size):
        _draw(keys, edges, inverse_depth, runs, size[1])
    pixel = np.flatnonzero(keys != _EMPTY)
    triangle = (keys[pixel] & np.uint64(0xFFFFFFFF)).astype(np.intp)
    weights = _screen_weights(edges[triangle], pixel, size[1]) * inverse_depth[triangle]
    total = weights.sum(axis=1)
    return Visible(size, pixel, ahead[triangle], weights / total[:, None], 1.0 / total)


def _edge_functions(corners: Floats) -> Floats:
    """(T, 3, 3) coefficients (a, b, c): a x + b y + c is corner k's share of the triangle's area, >= 0 inside."""
    following, opposite = corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]
    a = following[..., 1] - opposite[..., 1]
    b = opposite[..., 0] - following[..., 0]
    c = following[..., 0] * opposite[..., 1] - opposite[..., 0] * following[..., 1]
    edges = np.stack([a, b, c], axis=2)
    area = c.sum(axis=1)[:, None, None]
    return np.divide(edges, area, out=np.zeros_like(edges), where=area != 0)


def _runs(corners: Floats, edges: Floats, size: Size) -> Iterator[Runs]:
    """Runs of pixels (triangle, row, first column, length), in lots of at most about `_FRAGMENTS_AT_ONCE` pixels."""
    top = np.clip(np.ceil(corners[..., 1].min(axis=1) - 0.5), 0, size[0]).astype(np.intp)
    bottom = np.clip(np.floor(corners[..., 1].max(axis=1) - 0.5) + 1, 0, size[0]).astype(np.intp)
    triangle, step = _spread(np.maximum(bottom - top, 0))
    row = top[triangle] + step
    first, length = _columns(edges[triangle], row + 0.5, size[1])
    covered = length > 0
    triangle, row, first, length = triangle[covered], row[covered], first[covered], length[covered]
    lot = np.cumsum(length) // _FRAGMENTS_AT_ONCE
    for part in np.split(np.arange(len(lot)), np.flatnonzero(np.diff(lot)) + 1):
        yield triangle[part], row[part], first[part], length[part]


def _columns(edges: Floats, height: Floats, width: int) -> tuple[Ints, Ints]:
    """First column and length of the run where all three edge functions (R, 3, 3) are >= 0 at `height` (R,)."""
    slope, offset = edges[..., 0], edges[..., 1] * height[:, None] + edges[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = -offset / slope
    left = np.where(slope > 0, root, -np.inf).max(axis=1)
    right = np.where(slope < 0, root, np.inf).min(axis=1)
    outside = ((slope == 0) & (offset < 0)).any(axis=1)
    first = np.clip(np.ceil(left - 0.5), 0, width).astype(np.intp)
    end = np.clip(np.floor(right - 0.5) + 1, 0, width).astype(np.intp)
    return first, np.where(outside, 0, np.maximum(end - first, 0))


def _draw(keys: NDArray[np.uint64], edges: Floats, inverse_depth: Floats, runs: Runs, width: int) -> None:
    """Keep in `keys` (one per pixel) the smallest of depth << 32 | triangle over the runs' pixels."""
    triangle, row, first, length = runs
    run, step = _spread(length)
    plane = np.einsum("tkc,tk->tc", edges, inverse_depth)
    start = plane[triangle, 0] * (first + 0.5) + plane[triangle, 1] * (row + 0.5) + plane[triangle, 2]
    depth = (1.0 / (start[run] + plane[triangle, 0][run] * step)).astype(np.float32)
    # Positive floats sort like their bits, so one integer minimum orders by depth and breaks ties by face.
    key = depth.view(np.uint32).astype(np.uint64) << np.uint64(32) | triangle[run].astype(np.uint64)
    np.minimum.at(keys, (row * width + first)[run] + step, key)


def _screen_weights(edges: Floats, pixel: Ints, width: int) -> Floats:
    """(P, 3) area shares of the corners at the pixels' centres, clamped against rounding at edges."""
    row, column = np.divmod(pixel, width)
    weights = edges[..., 0] * (column + 0.5)[:, None] + edges[..., 1] * (row + 0.5)[:, None] + edges[..., 2]
    return np.maximum(weights, 0.0)


def _spread(counts: Ints) -> tuple[Ints, Ints]:
    """Owner and place within the owner for sum(counts) items: counts (2, 3) -> (0, 0, 1, 1, 1), (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
