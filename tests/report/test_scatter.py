"""Points by category."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from shapesys.report.scatter import categories_of, legend_svg, scatter_svg
from shapesys.reproduction.finding import Scatter


def scatter(categories: int, each: int = 3) -> Scatter:
    names = [f"category {number:02d}" for number in range(categories) for _ in range(each)]
    points = np.random.default_rng(0).normal(size=(len(names), 2))
    return Scatter("silhouette 0.31", [(float(x), float(y)) for x, y in points], names)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.replace("xlink:href", "href"))


def words(text: str) -> list[str]:
    return [node.text or "" for node in parsed(text).iter() if node.tag.endswith("text")]


def size(text: str) -> tuple[float, float]:
    _, _, width, height = map(float, parsed(text).attrib["viewBox"].split())
    return width, height


@pytest.mark.parametrize("count", [1, 5, 40])
def test_every_category_is_named_below_the_points(count: int) -> None:
    drawing = scatter_svg(scatter(count))
    assert words(drawing) == ["silhouette 0.31", *categories_of([scatter(count)])]
    assert "currentColor" in drawing
    assert "#010203" not in drawing


def looks(text: str) -> set[tuple[str, str]]:
    """(outline, style) of everything that is drawn with a marker."""
    root = parsed(text)
    outlines = {f"#{node.attrib['id']}": node.attrib["d"] for node in root.iter() if {"id", "d"} <= node.attrib.keys()}
    uses = [node for node in root.iter() if node.tag.endswith("use")]
    return {(outlines[node.attrib["href"]], node.attrib["style"]) for node in uses}


def test_forty_categories_look_different_and_all_points_are_drawn() -> None:
    drawing = scatter_svg(scatter(40), legend=False)
    assert len(looks(drawing)) == 40
    assert drawing.count("<use") == 120
    assert words(drawing) == ["silhouette 0.31"]


def test_the_legend_makes_a_figure_taller_not_its_points_smaller() -> None:
    width, height = size(scatter_svg(scatter(5), legend=False))
    assert width == height
    few, many = (size(scatter_svg(scatter(count)))[1] for count in (5, 40))
    assert height < few < many
    assert size(legend_svg(categories_of([scatter(40)])))[1] < many - height + 30


def test_a_category_looks_the_same_in_figures_that_share_categories() -> None:
    whole = scatter(12)
    part = Scatter("part", whole.points[-3:], whole.categories[-3:])
    names = categories_of([whole])
    assert looks(scatter_svg(part, names, legend=False)) <= looks(scatter_svg(whole, names, legend=False))
    assert not looks(scatter_svg(part, legend=False)) <= looks(scatter_svg(part, names, legend=False))


def test_points_without_a_category_are_refused() -> None:
    with pytest.raises(ValueError, match="2 points have 1 categories"):
        Scatter("", [(0.0, 0.0), (1.0, 1.0)], ["mug"])
