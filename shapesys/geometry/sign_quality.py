"""How far a shape's signs can be trusted: figures from seeded probes, and a verdict with its reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.morton import morton_order
from shapesys.geometry.openings import triangle_areas
from shapesys.geometry.sign import SignField, SignMethod
from shapesys.geometry.surface import sample_surface

VOLUME_PROBES_PER_AXIS = 16
SURFACE_PROBES = 2048
SURFACE_OFFSET = 1e-3
"""Distance of the surface probes from the surface, in units of the bounding box's diagonal."""
UNDECIDED = (0.25, 0.75)

LEAST_INSIDE = 1e-4
LEAST_QUALITY = 0.5
MOST_UNDECIDED = 0.1


@dataclass(frozen=True)
class SignReport:
    """What a sample store records of a shape's signs.

    Attributes:
        method: how the sign was found.
        undecided: share of the bounding box in which the winding number lies between 0.25 and 0.75.
        inside: share of the bounding box that is inside.
        quality: of the surface area that is not buried inside the solid, the share with outside on one side and inside
            on the other; 1 for a clean solid, 0 for sheets.
        opened: share of the solid's surface that had to be invented as lids over openings.
        dropped: share of faces that bound nothing: inner walls, sheets, doubled and degenerate faces.
        trusted: whether signed views should use the shape.
        reason: why not, in words; empty when trusted.
    """

    method: SignMethod
    undecided: float
    inside: float
    quality: float
    opened: float
    dropped: float
    trusted: bool
    reason: str

    def as_row(self) -> dict[str, str | float | bool]:
        """Plain values, for tables and metadata."""
        return {**asdict(self), "method": self.method.value}


def assess_signs(distance: MeshDistance, field: SignField, seed: int = 0) -> SignReport:
    """Probe a lattice of the bounding box and both sides of the surface; same mesh and seed, same report."""
    rng = np.random.default_rng(seed)
    mesh = Mesh(distance.vertices, distance.faces)
    low, high = mesh.bounds
    winding = _winding(field, _jittered_lattice(low, high, rng))
    undecided = float(((winding > UNDECIDED[0]) & (winding < UNDECIDED[1])).mean())
    inside = float((winding > 0.5).mean())
    quality = _separating_share(field, mesh, float(np.linalg.norm(high - low)), seed)
    opened, dropped = _opened(field, mesh), float((field.solid.orientation == 0).mean())
    reason = _reason_against(undecided, inside, quality)
    return SignReport(_method(field), undecided, inside, quality, opened, dropped, not reason, reason)


def _method(field: SignField) -> SignMethod:
    solid = field.solid
    if not solid.is_closed:
        return SignMethod.VISIBILITY
    return SignMethod.REORIENTED if solid.repaired.any() else SignMethod.CLOSED


def _opened(field: SignField, mesh: Mesh) -> float:
    """Area of the lids as a share of lids and kept faces."""
    lids = float(triangle_areas(field.solid.lids).sum())
    kept = float(mesh.face_areas[field.solid.orientation != 0].sum())
    return lids / (lids + kept) if lids + kept > 0.0 else 0.0


def _separating_share(field: SignField, mesh: Mesh, diagonal: float, seed: int) -> float:
    """Share of the area not buried on both sides whose sides differ."""
    if not float(mesh.face_areas.sum()) > 0.0:
        return 0.0
    sample = sample_surface(mesh, SURFACE_PROBES, seed)
    step = np.float32(SURFACE_OFFSET * diagonal) * sample.normals
    front, back = (_winding(field, sample.points + sign * step) > 0.5 for sign in (1, -1))
    exposed = int((~(front & back)).sum())
    return float((front != back).sum() / exposed) if exposed else 0.0


def _winding(field: SignField, points: Floats) -> Floats:
    order = morton_order(points)
    values = np.empty(len(points), dtype=np.float32)
    values[order] = field.winding(np.ascontiguousarray(points[order], dtype=np.float32))
    return values


def _jittered_lattice(low: Floats, high: Floats, rng: np.random.Generator) -> Floats:
    cells = np.indices((VOLUME_PROBES_PER_AXIS,) * 3).reshape(3, -1).T
    unit = (cells + rng.random(cells.shape)) / VOLUME_PROBES_PER_AXIS
    return (low + unit * (high - low)).astype(np.float32)


def _reason_against(undecided: float, inside: float, quality: float) -> str:
    if inside < LEAST_INSIDE:
        return f"the faces enclose no volume ({inside:.2%} of the bounding box is inside)"
    if quality < LEAST_QUALITY:
        return f"only {quality:.0%} of the outer surface separates inside from outside (at least {LEAST_QUALITY:.0%})"
    if undecided > MOST_UNDECIDED:
        return f"openings leave {undecided:.0%} of the bounding box undecided (at most {MOST_UNDECIDED:.0%})"
    return ""
