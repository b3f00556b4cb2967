"""The mirror plane of every shape: stored by its source, found from its category's clouds, or named by the user.

The paper picks one plane per category by hand (section 3.3.2). Procedural sources know theirs; for all others a plane
is searched among the category's training shapes, and a picture shows what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

from shapesys.evaluation.config import PlaneSearch
from shapesys.geometry.mesh import Floats
from shapesys.geometry.plane import Plane
from shapesys.geometry.symmetry import find_mirror_plane
from shapesys.samples.store import Store

SEARCHED_SHAPES, SEARCHED_POINTS = 32, 1024
"""Training shapes of a category that a plane is searched in, and points of each."""

TRAINING = "train"

_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class CategoryPlane:
    """How a category's mirror plane is known.

    Attributes:
        origin: ``stored`` with each shape, which may differ; ``found`` for the category; found for ``each`` shape by
            itself; ``named`` by the user; ``none``.
        plane: of all its shapes; None where each has its own, or there is none.
        symmetric_share: share of the searched shapes that the found plane mirrors onto themselves.
        searched: split of these shapes.
    """

    origin: Literal["stored", "found", "each", "named", "none"]
    plane: Plane | None = None
    symmetric_share: float | None = None
    searched: str = TRAINING

    def in_words(self) -> str:
        """For a table: ``found: x = 0.01, mirrors 97 % of the shapes``."""
        where = "" if self.plane is None else f": {equation(self.plane)}"
        share = "" if self.symmetric_share is None else f", mirrors {100 * self.symmetric_share:.0f} % of the shapes"
        elsewhere = "" if self.searched == TRAINING else f" of split {self.searched}, for lack of training shapes"
        return f"{self.origin}{where}{share}{elsewhere}"


@dataclass(frozen=True)
class Planes:
    """The planes of a store's shapes.

    Attributes:
        categories: how each category's is known.
        shapes: shape id -> its plane; None where there is none.
    """

    categories: Mapping[str, CategoryPlane]
    shapes: Mapping[str, Plane | None]


def planes_of(store: Store, categories: Sequence[str], search: PlaneSearch, split: str | None = None) -> Planes:
    """The plane of every shape of some categories, in one split or in all."""
    rows: list[dict[str, Any]] = store.shapes(split, categories, "cloud", ("symmetry_plane",)).to_pylist()
    found = {category: category_plane(store, category, search) for category in categories}
    return Planes(found, {row["shape_id"]: plane_of(store, row, search) for row in rows})


def plane_of(store: Store, shape: Mapping[str, Any], search: PlaneSearch) -> Plane | None:
    """The plane of one shape, given its row of the `shapes` view; None where there is none."""
    known = category_plane(store, shape["category"], search)
    if known.origin == "each":
        return find_mirror_plane([_cloud(store, shape["shape_id"])], search.within).plane
    return stored_plane(shape["symmetry_plane"]) if known.origin == "stored" else known.plane


_KNOWN: WeakKeyDictionary[Store, dict[tuple[str, PlaneSearch], CategoryPlane]] = WeakKeyDictionary()
"""Searches take a second: what came of them is remembered for as long as the store is."""


def category_plane(store: Store, category: str, search: PlaneSearch) -> CategoryPlane:
    """How the plane of a category's shapes is known."""
    known = _KNOWN.setdefault(store, {})
    if (category, search) not in known:
        known[category, search] = _category_plane(store, category, search)
    return known[category, search]


def _category_plane(store: Store, category: str, search: PlaneSearch) -> CategoryPlane:
    choice = search.choice
    if choice in _AXES:
        return CategoryPlane("named", Plane(_AXES[choice]))
    if choice in ("none", "each"):
        return CategoryPlane("each" if choice == "each" else "none")
    rows = store.shapes(categories=[category], views="cloud", columns=("symmetry_plane",)).to_pylist()
    if choice == "stored" or (choice == "auto" and any(row["symmetry_plane"] for row in rows)):
        return CategoryPlane("stored")
    splits = {row["split"] for row in rows}
    searched = TRAINING if TRAINING in splits else min(splits)
    return found_plane(store, [row["shape_id"] for row in rows if row["split"] == searched], search.within, searched)


def stored_plane(values: Sequence[float] | None) -> Plane | None:
    """The plane n.x = d of the column ``symmetry_plane`` (nx, ny, nz, d); None where it is empty."""
    return Plane((values[0], values[1], values[2]), values[3]) if values else None


def equation(plane: Plane) -> str:
    """``x = 0.012``, or ``0.71 x + 0.71 z = 0.003``."""
    factors = [(f"{value:.3g}", name) for value, name in zip(plane.normal, "xyz", strict=True) if abs(value) > 5e-4]
    parts = [{"1": "", "-1": "-"}.get(factor, f"{factor} ") + name for factor, name in factors]
    return f"{' + '.join(parts).replace('+ -', '- ')} = {plane.offset:.3g}"


def found_plane(store: Store, shape_ids: Sequence[str], within: float = 0.1, searched: str = TRAINING) -> CategoryPlane:
    """The plane that mirrors most of these shapes, of one split, onto themselves."""
    step = max(1, len(shape_ids) // SEARCHED_SHAPES)
    found = find_mirror_plane([_cloud(store, name) for name in shape_ids[::step][:SEARCHED_SHAPES]], within)
    return CategoryPlane("found", found.plane, found.symmetric_share, searched)


def _cloud(store: Store, shape_id: str) -> Floats:
    points: Floats = store.read("cloud", [shape_id], ["points"])["points"][0][:SEARCHED_POINTS]
    return points
