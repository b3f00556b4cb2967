"""What a person is told of mirror planes."""

from __future__ import annotations

from shapesys.evaluation.planes import CategoryPlane, Planes
from shapesys.geometry.plane import Plane
from shapesys.saliency.compared import remarks

ROWS = [{"shape_id": f"{category}/{number}", "category": category} for category in ("mug", "tree") for number in (0, 1)]
UPRIGHT = Plane((1.0, 0.0, 0.0))


def planes(**categories: CategoryPlane) -> Planes:
    shapes = {row["shape_id"]: categories[row["category"]].plane for row in ROWS}
    return Planes(categories, shapes)


def test_planes_that_mirror_most_shapes_need_no_remark() -> None:
    good = CategoryPlane("found", UPRIGHT, 0.9)
    assert remarks(planes(mug=good, tree=CategoryPlane("named", UPRIGHT)), ROWS) == []


def test_a_plane_that_mirrors_few_is_to_be_looked_at() -> None:
    [remark] = remarks(
        planes(mug=CategoryPlane("found", UPRIGHT, 0.9), tree=CategoryPlane("found", UPRIGHT, 0.25)), ROWS
    )
    assert remark.startswith("tree: the plane that was found mirrors 25 % of the shapes")


def test_a_category_is_without_a_plane_only_where_all_its_shapes_are() -> None:
    known = planes(mug=CategoryPlane("stored"), tree=CategoryPlane("none"))
    half = Planes(known.categories, {**known.shapes, "mug/1": UPRIGHT})
    [remark] = remarks(half, ROWS)
    assert remark.startswith("tree: no mirror plane is known")
