"""From the faces as they come to the faces that bound the solid: oriented outward, sheets and inner walls dropped.

Closed patches tell by their volume which side is out. What is left is asked by rays: the side of a patch from which
more rays escape is its outside (after Takayama et al. 2014); patches seen from neither side are inner walls, patches
seen alike from both are sheets without thickness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.openings import find_lids
from shapesys.geometry.topology import (
    Flags,
    chain_is_closed,
    edges_of,
    find_patches,
    first_of_each,
    groups_sharing_edges,
    is_proper,
    weld,
)
from shapesys.geometry.visibility import Escapes, patch_visibility

FLAT_VOLUME = 1e-8
"""Volume over area^1.5 below which a closed patch counts as collapsed; a sphere has 0.094."""
LEAST_VISIBLE = 0.03
SHEET_RATIO = 0.75


@dataclass(frozen=True)
class Solid:
    """The role of each face (F,).

    Attributes:
        orientation: +1 as given, -1 reversed, 0 dropped.
        closed: True for faces of patches without boundary, whose winding number is an integer.
        repaired: True for faces whose patch was not closed as given, though it is once reversed or thinned out.
        hidden: True for faces dropped because no ray reaches them; sheet: because both sides look alike.
        lids: (L, 3, 3) float64 triangles added to close openings.
    """

    orientation: Ints
    closed: Flags
    repaired: Flags
    hidden: Flags
    sheet: Flags
    lids: Floats

    @property
    def is_closed(self) -> bool:
        """Every kept face belongs to a closed patch, and none was dropped by visibility."""
        return bool(self.closed.any()) and not (self.open_faces | self.hidden | self.sheet).any()

    @property
    def is_as_given(self) -> bool:
        """The mesh itself, turned inside out at most, is the solid's surface."""
        kept = self.orientation != 0
        return self.is_closed and bool(kept.all()) and len(np.unique(self.orientation)) == 1

    @property
    def open_faces(self) -> Flags:
        return (self.orientation != 0) & ~self.closed


def find_solid(vertices: Floats, faces: Ints, escapes: Escapes, seed: int) -> Solid:
    """Decide the role of each face.

    Args:
        vertices: (V, 3); faces: (F, 3); escapes: casts rays against all faces; seed: of the rays.
    """
    corners = weld(vertices, faces)
    count = len(faces)
    orientation = np.zeros(count, dtype=np.int8)
    repaired, hidden, sheet = (np.zeros(count, dtype=bool) for _ in range(3))
    shape = _Shape.of(vertices, faces)
    pending = np.flatnonzero(is_proper(corners))
    if len(pending):
        settled = _settle_closed(corners[pending], shape.part(pending))
        orientation[pending] = settled.sign
        repaired[pending] = settled.repaired & (settled.sign != 0)
        pending = pending[settled.sign == 0]
        pending = pending[first_of_each(corners[pending])]
    if len(pending):
        settled = _settle_closed(corners[pending], shape.part(pending))
        orientation[pending], repaired[pending] = settled.sign, settled.sign != 0
        pending = pending[settled.sign == 0]
    closed = orientation != 0
    if len(pending):
        seen = _settle_by_visibility(corners[pending], vertices[faces[pending]].astype(np.float64), escapes, seed)
        orientation[pending], hidden[pending], sheet[pending] = seen
    lids = _lids(vertices, faces, corners, orientation, np.flatnonzero((orientation != 0) & ~closed))
    return Solid(orientation, closed, repaired, hidden, sheet, lids)


def _lids(vertices: Floats, faces: Ints, corners: Ints, orientation: Ints, chosen: Ints) -> Floats:
    """Lids of the chosen faces, taken as oriented."""
    if len(chosen) == 0:
        return np.zeros((0, 3, 3))
    backward = (orientation[chosen] == -1)[:, None]
    oriented, welded = (np.where(backward, of[chosen][:, ::-1], of[chosen]) for of in (faces, corners))
    return find_lids(vertices[oriented].astype(np.float64), welded)


@dataclass(frozen=True)
class _Shape:
    """Signed volume against the centre, and area, of each face (F,)."""

    volume: Floats
    area: Floats

    @classmethod
    def of(cls, vertices: Floats, faces: Ints) -> _Shape:
        used = vertices[np.unique(faces)].astype(np.float64)
        corners = vertices[faces].astype(np.float64) - 0.5 * (used.min(axis=0) + used.max(axis=0))
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return cls(np.einsum("ij,ij->i", corners[:, 0], normal) / 6.0, 0.5 * np.linalg.norm(normal, axis=1))

    def part(self, rows: Ints) -> _Shape:
        return _Shape(self.volume[rows], self.area[rows])

    def outward(self, flip: Flags, label: Ints, count: int) -> Ints:
        """(count,) +1 or -1 where the group encloses volume, 0 where it has collapsed."""
        volume = np.bincount(label, weights=np.where(flip, -self.volume, self.volume), minlength=count)
        area = np.bincount(label, weights=self.area, minlength=count)
        return np.where(np.abs(volume) > FLAT_VOLUME * area**1.5, np.sign(volume), 0).astype(np.int8)


@dataclass(frozen=True)
class _Settled:
    sign: Ints
    repaired: Flags


def _settle_closed(corners: Ints, shape: _Shape) -> _Settled:
    """Orient closed patches, then closed groups of the remaining patches, by volume; 0 for faces in neither."""
    patches = find_patches(corners)
    sign = np.where(patches.closed, shape.outward(patches.flip, patches.label, patches.count), 0)[patches.label]
    sign = np.where(patches.flip, -sign, sign).astype(np.int8)
    repaired = patches.flip.copy()
    rest = np.flatnonzero(sign == 0)
    if len(rest):
        edge, direction = edges_of(corners[rest])
        count, label = groups_sharing_edges(edge)
        closed = chain_is_closed(edge, direction, label, count)
        outward = shape.part(rest).outward(np.zeros(len(rest), dtype=bool), label, count)
        sign[rest] = np.where(closed, outward, 0)[label]
        repaired[rest] = False
    return _Settled(sign, repaired)


def _settle_by_visibility(corners: Ints, triangles: Floats, escapes: Escapes, seed: int) -> tuple[Ints, Flags, Flags]:
    """Orientation, hidden and sheet flags (n,) of the patches that are not closed."""
    patches = find_patches(corners)
    # A patch without a consistent orientation falls apart into its faces.
    label = np.where(patches.orientable[patches.label], patches.label, patches.count + np.arange(len(corners)))
    _, label = np.unique(label, return_inverse=True)
    label = label.reshape(-1)
    oriented = np.where(patches.flip[:, None, None], triangles[:, ::-1], triangles)
    front, back = patch_visibility(oriented, label, escapes, seed)
    most, least = np.maximum(front, back), np.minimum(front, back)
    hidden = most < LEAST_VISIBLE
    sheet = ~hidden & (least > SHEET_RATIO * most)
    sign = np.where(hidden | sheet, 0, np.where(front >= back, 1, -1))[label]
    return np.where(patches.flip, -sign, sign).astype(np.int8), hidden[label], sheet[label]
