"""Cut a mesh in two along an iso-line of an attribute.

With saliency these are ISSN's category-salient and instance-specific parts (section 4, figure 5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.geometry.mesh import Floats, Ints, Mesh

Mask = NDArray[np.bool_]


def split_by_attribute(mesh: Mesh, attribute: str, threshold: float) -> tuple[Mesh, Mesh]:
    """The parts of a mesh where an attribute is at least / below a threshold.

    Faces are cut exactly where the linearly interpolated attribute equals the threshold; both parts get the new
    vertices, whose attributes are interpolated (the cutting one is exactly the threshold). Face labels are inherited.

    Args:
        mesh: with the named (V,) attribute.
        attribute: name of the attribute.
        threshold: where to cut.

    Returns:
        (above, below), each without unused vertices; one is empty where the attribute never crosses.

    Raises:
        UsageError: the mesh has no such attribute.
    """
    if attribute not in mesh.attributes:
        raise unknown_name("attribute", attribute, mesh.attributes)
    high = mesh.attributes[attribute] >= threshold
    lone, apex = _lone_corners(high[mesh.faces])
    rolled = np.take_along_axis(mesh.faces, (apex[:, None] + np.arange(3)) % 3, axis=1)
    tips = rolled[lone]
    first, second, cut = _with_cut_vertices(mesh, tips, attribute, threshold)
    above = _part(cut, mesh, high, tips, first, second, lone, wanted=True)
    below = _part(cut, mesh, high, tips, first, second, lone, wanted=False)
    return above, below


def quantile_by_area(mesh: Mesh, values: Floats, quantile: float) -> float:
    """The threshold that leaves this share of the surface below it, values being interpolated linearly over each face.

    Where a value covers so much area that no threshold leaves exactly this share, that area stays above.

    Args:
        mesh: with a surface.
        values: (V,) of its vertices, finite.
        quantile: share of the area, from 0 to 1.

    Raises:
        UsageError: a share outside that range.
        ShapesysError: a surface without area.
    """
    if not 0.0 <= quantile <= 1.0:
        raise UsageError(f"the quantile is {quantile:g}; give a share of the surface from 0 to 1")
    areas = mesh.face_areas.astype(np.float64)
    if not areas.sum() > 0:
        raise ShapesysError("the surface has no area to take a quantile of; reconstruct at a finer resolution")
    corners = np.sort(np.asarray(values, np.float64)[mesh.faces], axis=1)
    low, high = float(corners.min()), float(corners.max())
    wanted = quantile * float(areas.sum())
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if float(areas @ _share_below(corners, middle)) < wanted else (low, middle)
    return low


def _share_below(corners: Floats, threshold: float) -> Floats:
    """(F,) share of each face below a threshold, from the sorted values (F, 3) of its corners."""
    a, b, c = corners.T
    near, far = threshold - a, c - threshold
    with np.errstate(divide="ignore", invalid="ignore"):
        one_corner = near * near / ((b - a) * (c - a))
        two_corners = 1.0 - far * far / ((c - a) * (c - b))
    return np.select([near <= 0, far < 0, threshold <= b], [0.0, 1.0, one_corner], two_corners)


def _lone_corners(high: Mask) -> tuple[Mask, Ints]:
    """(F,) whether a face is cut, and which of its corners stands alone on its side."""
    count = high.sum(axis=1)
    lone = (count == 1) | (count == 2)
    apex = np.argmax(high == (count == 1)[:, None], axis=1)
    return lone, apex


def _with_cut_vertices(mesh: Mesh, tips: Ints, attribute: str, threshold: float) -> tuple[Ints, Ints, Mesh]:
    """The mesh with one vertex more per cut edge, and the two cut vertices of each cut face (tip, b, c)."""
    edges = np.sort(np.concatenate([tips[:, [0, 1]], tips[:, [0, 2]]]).astype(np.int64), axis=1)
    keys, place = np.unique(edges @ np.array([len(mesh.vertices), 1]), return_inverse=True)
    a, b = np.divmod(keys, len(mesh.vertices))
    values = mesh.attributes[attribute].astype(np.float64)
    t = (threshold - values[a]) / (values[b] - values[a])
    grown = {name: _grown(array, a, b, t) for name, array in mesh.attributes.items()}
    grown[attribute][len(values) :] = threshold
    cut = Mesh(_grown(mesh.vertices, a, b, t), mesh.faces, grown, mesh.face_labels)
    place = place + len(mesh.vertices)
    return place[: len(tips)], place[len(tips) :], cut


def _grown(array: Floats, a: Ints, b: Ints, t: Floats) -> Floats:
    weight = t.reshape(-1, *[1] * (array.ndim - 1))
    return np.concatenate([array, ((1 - weight) * array[a] + weight * array[b]).astype(array.dtype)])


def _part(cut: Mesh, mesh: Mesh, high: Mask, tips: Ints, first: Ints, second: Ints, lone: Mask, wanted: bool) -> Mesh:
    """Whole faces of one side, the tips that stand on it, and the quadrilaterals whose tip stands on the other."""
    whole = ~lone & (high[mesh.faces[:, 0]] == wanted)
    tip_here = high[tips[:, 0]] == wanted
    f, s, t = first, second, tips
    tip = np.stack([t[:, 0], f, s], axis=1)[tip_here]
    near = np.stack([f, t[:, 1], t[:, 2]], axis=1)[~tip_here]
    far = np.stack([f, t[:, 2], s], axis=1)[~tip_here]
    faces = np.concatenate([mesh.faces[whole], tip, near, far])
    labels = None
    if mesh.face_labels is not None:
        cut_labels = mesh.face_labels[lone]
        rest = cut_labels[~tip_here]
        labels = np.concatenate([mesh.face_labels[whole], cut_labels[tip_here], rest, rest])
    return _compacted(Mesh(cut.vertices, faces, cut.attributes, labels))


def _compacted(mesh: Mesh) -> Mesh:
    """Without the vertices that no face uses."""
    used, faces = np.unique(mesh.faces, return_inverse=True)
    attributes = {name: array[used] for name, array in mesh.attributes.items()}
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3), attributes, mesh.face_labels)
