"""Closed building blocks made of rings: stacks, lathes, tubes, slabs, boxes, wings.

Every block is a tube of rings with capped ends. Orientation and coincident ring points (poles) are put right where
blocks are assembled, so blocks may be turned, stretched and mirrored freely. Lengths are in metres, angles in degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats, Ints

Vec = Sequence[float] | Floats
"""Coordinates: (x, y, z), (radius, height) and the like."""


@dataclass(frozen=True)
class Solid:
    """A closed triangle surface, vertices (n, 3) and faces (m, 3), of either orientation."""

    vertices: Floats
    faces: Ints

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Shifted by (x, y, z)."""
        return Solid(self.vertices + np.array([x, y, z]), self.faces)

    def turned(self, axis: str, degrees: float, about: Vec = (0.0, 0.0, 0.0)) -> Solid:
        """Turned around an axis through the point `about`, right-handed."""
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        local, cos, sin = self.vertices - np.asarray(about), np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turned = local.copy()
        turned[:, i] = cos * local[:, i] - sin * local[:, j]
        turned[:, j] = sin * local[:, i] + cos * local[:, j]
        return Solid(turned + np.asarray(about), self.faces)

    def stretched(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Solid:
        """Scaled about the origin, per axis; negative factors mirror."""
        return Solid(self.vertices * np.array([x, y, z]), self.faces)


def loft(rings: Floats, closed: bool = False) -> Solid:
    """Skin over rings (R, m, 3): sides between neighbours, fans over the two ends (or the last joined to the first)."""
    count, size = rings.shape[:2]
    here = np.arange(count if closed else count - 1)[:, None] * size
    above = (here + size) % (count * size)
    start, end = np.arange(size), (np.arange(size) + 1) % size
    a, b, c, d = here + start, here + end, above + end, above + start
    faces = [np.stack([a, b, c], axis=-1).reshape(-1, 3), np.stack([a, c, d], axis=-1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        bottom, top = count * size, count * size + 1
        vertices = np.concatenate([vertices, rings[[0, -1]].mean(axis=1)])
        last = (count - 1) * size
        faces += [np.stack([np.full(size, bottom), end, start], axis=-1)]
        faces += [np.stack([np.full(size, top), last + start, last + end], axis=-1)]
    return Solid(vertices, np.concatenate(faces))


def circle(radius: float = 1.0, segments: int = 32, depth: float | None = None) -> Floats:
    """(segments, 2) points of a circle, or of an ellipse with half-axes radius and depth."""
    angle = 2 * np.pi * np.arange(segments) / segments
    return np.stack([radius * np.cos(angle), (radius if depth is None else depth) * np.sin(angle)], axis=1)


def rectangle(width: float, depth: float, radius: float = 0.0, steps: int = 4) -> Floats:
    """Outline of a rectangle around the origin with rounded corners (sharp where radius is 0)."""
    radius = min(radius, 0.499 * width, 0.499 * depth)
    if radius <= 0.0:
        return np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (width / 2, depth / 2)
    angle = np.deg2rad(np.linspace(0, 90, steps + 1))
    corner = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) + (width / 2 - radius, depth / 2 - radius)
    flip = corner[::-1]
    return np.concatenate([corner, flip * (-1, 1), -corner, flip * (1, -1)])


def superellipse(width: float, depth: float, power: float, segments: int = 32) -> Floats:
    """Outline of |2x/width|^power + |2y/depth|^power = 1: an ellipse at 2, almost a box at 6."""
    unit = circle(1.0, segments)
    bent = np.sign(unit) * np.abs(unit) ** (2 / power)
    return bent * (width / 2, depth / 2)


def stack(outline: Floats, centres: Sequence[Vec], scales: Sequence[float | Vec], normal: str = "y") -> Solid:
    """Copies of an outline (m, 2) at `centres`, each with its own scale, skinned in order.

    The outline's two coordinates lie along x, z for normal "y"; x, y for normal "z"; z, y for normal "x".
    """
    across, upward = {"y": (0, 2), "z": (0, 1), "x": (2, 1)}[normal]
    factors = np.array([np.broadcast_to(np.asarray(scale, dtype=float), 2) for scale in scales])
    rings = np.repeat(np.asarray(centres, dtype=float)[:, None], len(outline), axis=1)
    rings[..., across] += outline[None, :, 0] * factors[:, None, 0]
    rings[..., upward] += outline[None, :, 1] * factors[:, None, 1]
    return loft(rings)


def lathe(profile: Sequence[Vec] | Floats, segments: int = 32) -> Solid:
    """A profile of (radius, height) turned around the y axis. Ends with radius > 0 are closed by flat discs."""
    points = np.asarray(profile, dtype=float)
    centres = np.stack([0 * points[:, 1], points[:, 1], 0 * points[:, 1]], axis=1)
    return stack(circle(1.0, segments), list(centres), list(points[:, 0]))


def curve(points: Sequence[Vec] | Floats, steps: int = 6) -> Floats:
    """A smooth line through points (n, d): centripetal-free Catmull-Rom with `steps` pieces between neighbours."""
    p = np.asarray(points, dtype=float)
    padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (padded[k : len(p) - 1 + k, None] for k in range(4))
    bend = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    return np.concatenate([0.5 * bend.reshape(-1, p.shape[1]), p[-1:]])


def tube(
    path: Sequence[Vec] | Floats, radius: float | Sequence[float], segments: int = 12, closed: bool = False
) -> Solid:
    """A round bar along a path (n, 3), of one radius or one per point."""
    return sweep(circle(1.0, segments), path, radius, closed)


def sweep(
    outline: Floats, path: Sequence[Vec] | Floats, scale: float | Sequence[float] = 1.0, closed: bool = False
) -> Solid:
    """An outline (m, 2) carried along a path (n, 3), square to it. Best for paths within a plane."""
    points = np.asarray(path, dtype=float)
    if closed:
        tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    else:
        tangent = np.gradient(points, axis=0)
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    # The axis the path runs along least: square to the plane of a planar path, so the frame never twists.
    side = np.eye(3)[np.argmin(np.abs(tangent).sum(axis=0).round(6))]
    across = np.cross(tangent, side)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(tangent, across)
    size = np.broadcast_to(np.asarray(scale, dtype=float), len(points))[:, None, None]
    rings = points[:, None] + size * (outline[:, :1] * across[:, None] + outline[:, 1:] * other[:, None])
    return loft(rings, closed)


def rod(start: Vec, end: Vec, radius: float, end_radius: float | None = None, segments: int = 12) -> Solid:
    """A straight round bar, tapered where the radii differ."""
    return tube([start, end], [radius, radius if end_radius is None else end_radius], segments)


def slab(outline: Floats, bottom: float, top: float, bevel: float = 0.0, steps: int = 3) -> Solid:
    """A flat outline (m, 2) in x, z, thick from `bottom` to `top`, with rounded rims of radius `bevel`."""
    bevel = min(bevel, 0.49 * (top - bottom))
    half = np.abs(outline).max(axis=0)
    angle = np.deg2rad(np.linspace(0, 90, steps + 1)) if bevel > 0 else np.array([np.pi / 2])
    inset, rise = bevel * (1 - np.sin(angle)), bevel * (1 - np.cos(angle))
    heights = np.concatenate([bottom + rise, top - rise[::-1]])
    insets = np.concatenate([inset, inset[::-1]])
    return stack(outline, [(0.0, y, 0.0) for y in heights], [tuple(1 - d / half) for d in insets])


def box(size: Vec, centre: Vec = (0.0, 0.0, 0.0), radius: float = 0.0) -> Solid:
    """A box of (x, y, z) size around `centre`, its edges rounded by `radius`."""
    outline = rectangle(size[0], size[2], radius)
    return slab(outline, -size[1] / 2, size[1] / 2, radius).moved(*centre)


def ball(radius: float, centre: Vec = (0.0, 0.0, 0.0), segments: int = 20) -> Solid:
    """A sphere, with its poles up and down."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), segments).moved(*centre)


def airfoil(thickness: float = 0.12, steps: int = 10) -> Floats:
    """Outline of a symmetric NACA wing section of chord 1 along the first axis, nose at 0 and tail at 1."""
    x = 0.5 * (1 - np.cos(np.pi * np.linspace(0, 1, steps + 1)))
    half = 5 * thickness * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1015 * x**4) + 0.002
    upper, lower = np.stack([x, half], axis=1), np.stack([x, -half], axis=1)[::-1]
    return np.concatenate([upper, lower])
