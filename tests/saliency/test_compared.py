"""What a person is told of mirror planes."""

from __future__ import annotations

import math

from shapesys.evaluation.measured import identity
from shapesys.evaluation.planes import CategoryPlane, Planes
from shapesys.geometry.plane import Plane
from shapesys.saliency.compared import Measured, remarks, results_table
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.measure import MEAN, RANGE, metric_names, summary_of

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
    known = planes(mug=CategoryPlane("stored"), tree=CategoryPlane("found"))
    half = Planes(known.categories, {**known.shapes, "mug/1": UPRIGHT})
    [remark] = remarks(half, ROWS)
    assert remark.startswith("tree: no mirror plane is known")


def test_who_wants_no_planes_is_not_told_to_look_for_some() -> None:
    assert remarks(planes(mug=CategoryPlane("none"), tree=CategoryPlane("none")), ROWS) == []


def test_a_table_has_every_metric_whichever_row_failed() -> None:
    settings = MapMetrics(scaling=("rank",))
    failed = identity("mug/0", "mug", "test", "failed", "its cloud is empty")
    good = identity("mug/1", "mug", "test", "ok") | {"ssr/rank": 0.5, "d_sym/rank": math.nan, MEAN: 1.0, RANGE: 2.0}
    made = results_table(Measured("PCA", [failed, good], summary_of([failed, good], settings), 0, 0), settings)
    assert made.column_names == [*failed, *metric_names(settings)]
    assert made["ssr/rank"].to_pylist() == [None, 0.5]
    assert made["reason"].to_pylist() == ["its cloud is empty", ""]
    empty = results_table(Measured("PCA", [], summary_of([], settings), 0, 0), settings)
    assert empty.schema == made.schema
