"""The page of saliency maps: one row for each method, the same shapes above each other, and the planes in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from shapesys.evaluation.planes import CategoryPlane
from shapesys.geometry.plane import Plane
from shapesys.geometry.render import write_png
from shapesys.report.saliency import SaliencyPage, build_saliency_page
from shapesys.saliency.compared import Measured
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.measure import summary_of

SHAPES = ("chair/<a>", "chair/b", "mug/c")
METRICS = MapMetrics(scaling=("rank",))


def measured(method: str, level: float, shapes: tuple[str, ...]) -> Measured:
    rows = [
        {
            **{"shape_id": name, "category": name.partition("/")[0], "status": "ok"},
            **{"ssr/rank": level, "d_sym/rank": float("nan"), "saliency/mean": 0.5, "saliency/range": 0.25},
        }
        for name in shapes
    ]
    return Measured(method, rows, summary_of(rows, METRICS), no_plane=len(rows), asymmetric=0)


@pytest.fixture
def page(tmp_path: Path) -> str:
    def picture(name: str) -> Path:
        path = tmp_path / f"{abs(hash(name))}.png"
        write_png(np.full((8, 8, 3), 100, np.uint8), path)
        return path

    shown = SaliencyPage(
        store="/stores/own",
        metrics=METRICS,
        methods=[measured("PCA", 0.125, SHAPES), measured("issn mugs", 0.0625, SHAPES[2:])],
        planes={"chair": CategoryPlane("found", Plane((1.0, 0.0, 0.0)), 0.9), "mug": CategoryPlane("none")},
        notes=["mug: no mirror plane is known"],
        maps={"PCA": {name: picture(name) for name in SHAPES}, "issn mugs": {SHAPES[2]: picture("own")}},
        mirrored={name: picture(f"plane {name}") for name in SHAPES[:2]},
    )
    return build_saliency_page(shown, tmp_path / "page.html").read_text(encoding="utf-8")


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """Row heading -> captions of a grid's cells, empty for an empty one."""
    section = page[page.index(f"<h2>{heading}</h2>") :].partition("</section>")[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section, re.DOTALL)
    return {
        name: [" ".join(re.findall("<figcaption>(.*?)</figcaption>", cell)) for cell in cells.split("<td>")[1:]]
        for name, cells in rows
    }


def test_a_shape_has_one_column_for_all_methods(page: str) -> None:
    grid = rows_of(page, "Maps")
    assert grid == {"PCA": ["chair/&lt;a&gt;", "chair/b", "mug/c"], "issn mugs": ["", "", "mug/c"]}


def test_planes_are_shown_in_words_beside_their_pictures(page: str) -> None:
    [captions] = rows_of(page, "Mirror planes").values()
    assert captions[1] == "chair/b: found: x = 0, mirrors 90 % of the shapes"
    assert re.search(r'mug</th><td class="left">none</td>', page)


def test_what_is_not_defined_is_a_dash_and_each_category_has_its_mean(page: str) -> None:
    cells = [
        re.findall(r"<td[^>]*>(.*?)</td>", row)
        for row in re.findall(r"<tr><th scope=\"row\" class=\"left\".*?</tr>", page)
    ]
    assert cells[0] == ["rank", *["0.1250"] * 3, *["–"] * 3, "0.2500", "3", "3", "0", "0"]  # noqa: RUF001
    assert cells[3] == ["rank", "–", "0.0625", "–", "–"], "no maps of chairs"  # noqa: RUF001
    assert "<li>mug: no mirror plane is known</li>" in page


def test_many_categories_share_no_grid_that_a_page_is_too_narrow_for() -> None:
    from shapesys.report.saliency import _groups

    names = [f"{category}/{number}" for category in "abcd" for number in range(3)]
    assert _groups(names, list("abcd")) == {"a": "a, b", "b": "a, b", "c": "c, d", "d": "c, d"}
    assert _groups([], ["a", "b"]) == {"a": "a, b", "b": "a, b"}
