"""What a mesh is made of, and the repairs that change nothing one could see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Ints, Mesh


@dataclass(frozen=True)
class MeshFacts:
    """Counts that decide how far a mesh can be trusted. An edge is a pair of vertex indices without direction.

    Attributes:
        vertices, faces: totals.
        components: sets of faces connected through shared vertices.
        boundary_edges: edges with one face (openings and outlines of sheets).
        nonmanifold_edges: edges with more than two faces.
        flipped_edges: edges with two faces that run along them in the same direction.
        opposite_faces: faces that lie on another face with the other orientation (double-sided sheets).
        degenerate_faces: faces with a repeated vertex.
        watertight: every edge has exactly two faces.
        closed: every edge has an even number of faces, as where solids touch; double-sided sheets are closed too.
        oriented: every edge is used as often in one direction as in the other.
        area: sum of the face areas, in squared units of the vertices.
    """

    vertices: int
    faces: int
    components: int
    boundary_edges: int
    nonmanifold_edges: int
    flipped_edges: int
    opposite_faces: int
    degenerate_faces: int
    watertight: bool
    closed: bool
    oriented: bool
    area: float


@dataclass(frozen=True)
class Cleaned:
    """A mesh after `clean`, with what was taken away."""

    mesh: Mesh
    merged_vertices: int
    unused_vertices: int
    degenerate_faces: int
    duplicate_faces: int


def check(mesh: Mesh) -> None:
    """Refuse a mesh that no computation can use.

    Raises:
        ShapeRejected: stage "validate": no faces, an index out of range, a used vertex that is not finite, or no area.
    """
    if mesh.is_empty:
        raise ShapeRejected("validate", "no faces")
    lowest, highest = int(mesh.faces.min()), int(mesh.faces.max())
    if lowest < 0 or highest >= len(mesh.vertices):
        wrong = lowest if lowest < 0 else highest
        raise ShapeRejected("validate", f"vertex index {wrong} out of range for {len(mesh.vertices)} vertices")
    broken = ~np.isfinite(mesh.vertices[mesh.faces]).all(axis=(1, 2))
    if broken.any():
        count = int(broken.sum())
        raise ShapeRejected("validate", f"{count} of {len(mesh.faces)} faces have a vertex that is not finite")
    with np.errstate(over="ignore", invalid="ignore"):
        area = float(mesh.face_areas.sum(dtype=np.float64))
    if not np.isfinite(area):
        raise ShapeRejected("validate", "coordinates so large that areas overflow")
    if area <= 0.0:
        raise ShapeRejected("validate", f"all {len(mesh.faces)} faces are degenerate (total area 0)")


def clean(mesh: Mesh) -> Cleaned:
    """Join equal positions, then drop faces without extent, repeated faces and unused vertices.

    The surface stays what it was, and so does the order. A face counts as repeated when an earlier one has the same
    three vertices in the same orientation; of a double-sided sheet both sides stay. Joined vertices keep the first
    one's attributes, and face labels follow their faces.

    Raises:
        ShapeRejected: stage "validate", as `check`.
    """
    check(mesh)
    representative = equal_rows(mesh.vertices)
    faces = representative[mesh.faces]
    degenerate = _repeats_a_vertex(faces) | (mesh.face_areas <= 0.0)
    duplicate = ~degenerate & _repeats_an_earlier_face(faces, degenerate)
    kept = ~(degenerate | duplicate)
    used, compact = np.unique(faces[kept], return_inverse=True)
    result = Mesh(
        mesh.vertices[used],
        compact.reshape(-1, 3).astype(np.int64),
        {name: values[used] for name, values in mesh.attributes.items()},
        None if mesh.face_labels is None else mesh.face_labels[kept],
    )
    check(result)
    merged = int((representative != np.arange(len(representative))).sum())
    return Cleaned(
        mesh=result,
        merged_vertices=merged,
        unused_vertices=len(mesh.vertices) - merged - len(used),
        degenerate_faces=int(degenerate.sum()),
        duplicate_faces=int(duplicate.sum()),
    )


def validate(mesh: Mesh) -> MeshFacts:
    """Count what `MeshFacts` lists; vertices count as the same only where their index is, so `clean` comes first.

    Raises:
        ShapeRejected: stage "validate", as `check`.
    """
    check(mesh)
    faces = np.asarray(mesh.faces, dtype=np.int64)
    start, end = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    forward = start < end
    key = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    _, edge, uses = np.unique(key, return_inverse=True, return_counts=True)
    balance = np.bincount(edge, weights=np.where(forward, 1.0, -1.0), minlength=len(uses))
    return MeshFacts(
        vertices=len(mesh.vertices),
        faces=len(faces),
        components=_components(faces, len(mesh.vertices)),
        boundary_edges=int((uses == 1).sum()),
        nonmanifold_edges=int((uses > 2).sum()),
        flipped_edges=int(((uses == 2) & (balance != 0)).sum()),
        opposite_faces=_opposite_faces(faces),
        degenerate_faces=int(_repeats_a_vertex(faces).sum()),
        watertight=bool((uses == 2).all()),
        closed=bool((uses % 2 == 0).all()),
        oriented=bool((balance == 0).all()),
        area=float(mesh.face_areas.sum(dtype=np.float64)),
    )


def equal_rows(points: Floats | Ints) -> NDArray[np.int64]:
    """(n,) the index of the first row of (n, 3) that equals each row exactly; rows with NaN equal nothing else."""
    ranks = [np.unique(points[:, axis], return_inverse=True, equal_nan=False)[1].astype(np.int64) for axis in range(3)]
    pair = np.unique(ranks[0] * len(points) + ranks[1], return_inverse=True)[1].astype(np.int64)
    _, first, group = np.unique(pair * len(points) + ranks[2], return_index=True, return_inverse=True)
    return first[group]


def _repeats_a_vertex(faces: Ints) -> NDArray[np.bool_]:
    a, b, c = faces.T
    found: NDArray[np.bool_] = (a == b) | (b == c) | (c == a)
    return found


def _repeats_an_earlier_face(faces: Ints, ignored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Same vertices in the same cyclic order as an earlier face."""
    lead = faces.argmin(axis=1)
    turned = np.take_along_axis(faces, (lead[:, None] + np.arange(3)) % 3, axis=1)
    turned = np.where(ignored[:, None], -1 - np.arange(len(faces))[:, None], turned)
    return equal_rows(turned) != np.arange(len(faces))


def _opposite_faces(faces: Ints) -> int:
    """Faces whose vertex set another face has too, once exact repeats are counted once."""
    lead = faces.argmin(axis=1)
    turned = np.take_along_axis(faces, (lead[:, None] + np.arange(3)) % 3, axis=1)
    distinct = turned[equal_rows(turned) == np.arange(len(turned))]
    same_set = equal_rows(np.sort(distinct, axis=1))
    shared = np.bincount(same_set, minlength=len(distinct))
    return int(shared[shared > 1].sum())


def _components(faces: Ints, vertex_count: int) -> int:
    # Imported on use: nothing else here needs scipy.
    from shapesys.geometry.components import face_components

    return len(np.unique(face_components(faces, vertex_count)))
