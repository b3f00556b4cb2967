"""The mirror plane of every shape: stored by its source, found from its category's clouds, or named by the user.

The paper picks one plane per category by hand (section 3.3.2). Procedural sources know theirs; for all others a plane
is searched among the category's training shapes, and a picture shows what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shapesys.geometry.mesh import Floats
from shapesys.geometry.plane import Plane
from shapesys.geometry.symmetry import find_mirror_plane
from shapesys.saliency.config import PlaneChoice
from shapesys.samples.store import Store

SEARCHED_SHAPES, SEARCHED_POINTS = 32, 1024
"""Training shapes of a category that a plane is searched in, and points of each."""

_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class CategoryPlane:
    """How a category's mirror plane is known.

    Attributes:
        origin: ``stored`` with each shape, which may differ; ``found`` for the category; found for ``each`` shape by
            itself; ``named`` by the user; ``none``.
        plane: of all its shapes; None where each has its own, or there is none.
        symmetric_share: share of the searched shapes that the found plane mirrors onto themselves.
    """

    origin: Literal["stored", "found", "each", "named", "none"]
    plane: Plane | None = None
    symmetric_share: float | None = None

    def in_words(self) -> str:
        """For a table: ``found: x = 0.01, mirrors 97 %``."""
        where = "" if self.plane is None else f": {equation(self.plane)}"
        share = "" if self.symmetric_share is None else f", mirrors {100 * self.symmetric_share:.0f} % of the shapes"
        return f"{self.origin}{where}{share}"


@dataclass(frozen=True)
class Planes:
    """The planes of a store's shapes.

    Attributes:
        categories: how each category's is known.
        shapes: shape id -> its plane; None where there is none.
    """

    categories: Mapping[str, CategoryPlane]
    shapes: Mapping[str, Plane | None]


def planes_of(store: Store, categories: Sequence[str], choice: PlaneChoice) -> Planes:
    """The plane of every shape of some categories."""
    rows = store.shapes(categories=categories, view="cloud", columns=("symmetry_plane",)).to_pylist()
    found = {category: _category_plane(store, category, rows, choice) for category in categories}
    return Planes(found, {row["shape_id"]: _plane(store, row, found[row["category"]]) for row in rows})


def stored_plane(values: Sequence[float] | None) -> Plane | None:
    """The plane n.x = d of the column ``symmetry_plane`` (nx, ny, nz, d); None where it is empty."""
    return Plane((values[0], values[1], values[2]), values[3]) if values else None


def equation(plane: Plane) -> str:
    """``x = 0.012``, or ``0.71 x + 0.71 z = 0.003``."""
    factors = [(f"{value:.3g}", name) for value, name in zip(plane.normal, "xyz", strict=True) if abs(value) > 5e-4]
    parts = [{"1": "", "-1": "-"}.get(factor, f"{factor} ") + name for factor, name in factors]
    return f"{' + '.join(parts).replace('+ -', '- ')} = {plane.offset:.3g}"


def _category_plane(
    store: Store, category: str, rows: Sequence[Mapping[str, Any]], choice: PlaneChoice
) -> CategoryPlane:
    if choice in _AXES:
        return CategoryPlane("named", Plane(_AXES[choice]))
    own = [row for row in rows if row["category"] == category]
    if choice == "stored" or (choice == "auto" and any(row["symmetry_plane"] for row in own)):
        return CategoryPlane("stored")
    if choice == "none" or not own:
        return CategoryPlane("none")
    if choice == "each":
        return CategoryPlane("each")
    return found_plane(store, [row["shape_id"] for row in own if row["split"] == "train"] or [own[0]["shape_id"]])


def found_plane(store: Store, shape_ids: Sequence[str]) -> CategoryPlane:
    """The plane that mirrors most of these shapes onto themselves."""
    step = max(1, len(shape_ids) // SEARCHED_SHAPES)
    found = find_mirror_plane([_cloud(store, name) for name in shape_ids[::step][:SEARCHED_SHAPES]])
    return CategoryPlane("found", found.plane, found.symmetric_share)


def _plane(store: Store, row: Mapping[str, Any], category: CategoryPlane) -> Plane | None:
    if category.origin == "each":
        return find_mirror_plane([_cloud(store, row["shape_id"])]).plane
    return stored_plane(row["symmetry_plane"]) if category.origin == "stored" else category.plane


def _cloud(store: Store, shape_id: str) -> Floats:
    points: Floats = store.read("cloud", [shape_id], ["points"])["points"][0][:SEARCHED_POINTS]
    return points
