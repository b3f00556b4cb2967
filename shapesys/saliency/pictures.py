"""Pictures of saliency maps and of mirror planes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.neighbours import nearest
from shapesys.geometry.plane import Plane
from shapesys.geometry.render import Image, framing, render
from shapesys.geometry.subdivide import subdivided_to_show
from shapesys.metrics.saliency import Scaling, scaled

LONGEST_EDGE = 0.04
"""Of pictured meshes, in the normalised frame: a colour is shown at vertices and nowhere else. Of shapes larger than
the unit sphere holds, a fiftieth of their longest side."""
_SIDES = ((214, 122, 66), (72, 122, 178))
"""Colours in front of a mirror plane and behind it."""

Size = tuple[int, int]


def picture_of_map(
    mesh: Mesh, points: Floats, saliency: Floats, size: Size = (192, 192), scaling: Scaling = "rank"
) -> Image:
    """A shape coloured by its map, from 0 to 1.

    The whole surface around a point has its colour: nothing is interpolated, so that a noisy map looks noisy.

    Args:
        points: (n, 3) that the map is of.
        saliency: (n,).
        scaling: how the map is brought to [0, 1]; ``none`` shows one that is as it is, so that a flat one looks flat.
    """
    fine = subdivided_to_show(mesh, LONGEST_EDGE)
    values = np.asarray(scaled(saliency, scaling), np.float32)
    shown = values[nearest(points, np.asarray(fine.vertices, np.float32)).indices]
    coloured = replace(fine, attributes={"saliency": shown})
    return render(coloured, framing(fine), size, "saliency", value_range=(0.0, 1.0))


def picture_of_plane(mesh: Mesh, plane: Plane, size: Size = (192, 192)) -> Image:
    """A shape whose two sides of a mirror plane have two colours."""
    fine = subdivided_to_show(mesh, LONGEST_EDGE)
    centres = fine.triangles.mean(axis=1)
    behind = centres @ np.asarray(plane.normal) < plane.offset
    colours = np.array(_SIDES, np.uint8)[behind.astype(int)]
    return render(fine, framing(fine), size, face_colors=colours)


def picture_of_part(part: Mesh, whole: Mesh, size: Size = (192, 192)) -> Image:
    """A part of a surface where it is on the whole, coloured by saliency from the whole's least to its greatest.

    Args:
        part: with the attribute ``saliency``; the whole itself for a picture of all of it.
        whole: with the attribute ``saliency``.
    """
    saliency = whole.attributes["saliency"]
    ends = (float(saliency.min()), float(saliency.max()))
    return render(part, framing(whole), size, "saliency", value_range=ends)
