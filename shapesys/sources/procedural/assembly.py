"""Parts become one watertight, labelled, exactly symmetric solid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.components import face_components
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.sources.procedural.solids import Solid

GRID = 1e-5
"""All coordinates are multiples of this (metres), so that the last bits of sines never reach a digest."""

TOLERANCE = 2e-5
"""Details below this size (metres) are slivers of the union and are merged away."""

CAP = -1
"""Label of the faces that the cut at x = 0 makes; none of them is left in a finished shape."""


class Assembly:
    """Adds and cuts parts in order; what lies at x < 0 is the mirror image of what is built at x > 0.

    Only the half x >= 0 is kept of what is added: build parts of the right side and parts across the middle.
    """

    def __init__(self, part_names: tuple[str, ...]) -> None:
        self._names = part_names
        self._labels: dict[int, int] = {}
        self._waiting: list[Any] = []

    def add(self, part: str, *solids: Solid) -> None:
        """Unite solids with the shape, as faces of the named part."""
        self._waiting += [self._manifold(part, solid) for solid in solids]

    def cut(self, part: str, *solids: Solid) -> None:
        """Take solids away from all that was added so far; the new faces belong to the named part."""
        from manifold3d import Manifold, OpType

        cutters = [self._manifold(part, solid) for solid in solids]
        self._waiting = [Manifold.batch_boolean([self._united(), *cutters], OpType.Subtract)]

    def mesh(self) -> Mesh:
        """The finished shape: float64 vertices on the grid in a canonical order, one part label per face.

        Raises:
            ShapeRejected: the union came out with an open or doubled edge, or in several pieces.
        """
        half = self._united().simplify(TOLERANCE).trim_by_plane((1.0, 0.0, 0.0), 0.0)
        raw = half.to_mesh64()
        run_lengths = np.diff(raw.run_index) // 3
        labels = np.repeat([self._labels.get(int(run), CAP) for run in raw.run_original_id], run_lengths)
        vertices, faces, labels = _mirrored(np.asarray(raw.vert_properties)[:, :3], np.asarray(raw.tri_verts), labels)
        vertices, faces, labels = _canonical(*_outer(*_welded(vertices, faces, labels)))
        if not is_closed(faces):
            raise ShapeRejected("generate", f"the union of parts has open or doubled edges ({len(faces)} faces)")
        if count := int(face_components(faces, len(vertices)).max()):
            raise ShapeRejected("generate", f"the parts do not hang together ({count + 1} pieces)")
        return Mesh(vertices, faces, face_labels=labels)

    def _united(self) -> Any:
        from manifold3d import Manifold, OpType

        self._waiting = [Manifold.batch_boolean(self._waiting, OpType.Add)]
        return self._waiting[0]

    def _manifold(self, part: str, solid: Solid) -> Any:
        from manifold3d import Manifold, Mesh64

        vertices, faces, _ = _welded(solid.vertices, solid.faces, np.zeros(len(solid.faces), dtype=np.int64))
        if _tetrahedra(vertices, faces).sum() < 0:
            faces = faces[:, ::-1]
        identity = Manifold.reserve_ids(1)
        corners = np.ascontiguousarray(faces).astype(np.uint64)
        runs = np.array([0, 3 * len(faces)], dtype=np.uint64), np.array([identity], dtype=np.uint32)
        made = Manifold(Mesh64(vertices, corners, run_index=runs[0], run_original_id=runs[1]))
        if made.is_empty():
            raise ValueError(f"a block of part '{part}' is not a closed surface ({made.status()})")
        self._labels[identity] = self._names.index(part)
        return made


def is_closed(faces: Ints) -> bool:
    """Whether every directed edge occurs once, and once in the other direction."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    size = int(edges.max()) + 1
    forward, backward = np.sort(edges[:, 0] * size + edges[:, 1]), np.sort(edges[:, 1] * size + edges[:, 0])
    return bool((np.diff(forward) > 0).all() and (forward == backward).all())


def _mirrored(vertices: Floats, faces: Ints, labels: Ints) -> tuple[Floats, Ints, Ints]:
    """The half at x >= 0 and its mirror image, open along the seam at x = 0, where both have the same points."""
    vertices = np.round(vertices / GRID) * GRID
    vertices[vertices[:, 0] < 1.5 * TOLERANCE, 0] = 0.0
    # Faces within the plane are the cut's cap (or cancel with their mirror image).
    kept = (vertices[faces, 0] > 0).any(axis=1)
    faces, labels = faces[kept].astype(np.int64), labels[kept]
    both = np.concatenate([faces, faces[:, ::-1] + len(vertices)])
    return np.concatenate([vertices, vertices * (-1.0, 1.0, 1.0)]), both, np.concatenate([labels, labels])


def _welded(vertices: Floats, faces: Ints, labels: Ints) -> tuple[Floats, Ints, Ints]:
    """Vertices on the grid, sorted and each once; faces that lost a corner dropped."""
    steps, index = np.unique(np.round(vertices / GRID).astype(np.int64), axis=0, return_inverse=True)
    faces = index.reshape(-1)[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces, labels = _unfolded(faces[whole], labels[whole])
    used, faces = np.unique(faces, return_inverse=True)
    points: NDArray[np.float64] = np.round(steps[used] * GRID, 6)
    return points, faces.reshape(-1, 3), labels


def _unfolded(faces: Ints, labels: Ints) -> tuple[Ints, Ints]:
    """Without pairs of faces on the same three corners: slivers that welding has pressed flat."""
    _, group, count = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    single = count[group.reshape(-1)] == 1
    return faces[single], labels[single]


def _outer(vertices: Floats, faces: Ints, labels: Ints) -> tuple[Floats, Ints, Ints]:
    """Without closed inner hollows, surfaces that nobody sees from outside, and without crumbs of no volume."""
    piece = face_components(faces, len(vertices))
    kept = np.bincount(piece, _tetrahedra(vertices, faces)) > TOLERANCE**2
    faces, labels = faces[kept[piece]], labels[kept[piece]]
    used, corners = np.unique(faces, return_inverse=True)
    return vertices[used], corners.reshape(-1, 3), labels


def _canonical(vertices: Floats, faces: Ints, labels: Ints) -> tuple[Floats, Ints, Ints]:
    """Each face from its lowest vertex on, faces in ascending order."""
    first = np.argmin(faces, axis=1)[:, None]
    faces = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    order = np.lexsort(faces.T[::-1])
    return vertices, faces[order], labels[order]


def _tetrahedra(vertices: Floats, faces: Ints) -> Floats:
    """(F,) signed volumes between the origin and each face; their sum is the volume within."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.einsum("fk,fk->f", a, np.cross(b, c)) / 6
