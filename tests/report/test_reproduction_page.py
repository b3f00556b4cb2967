"""The page of a reproduction: pictures and points of the variants beside each other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shapesys.report.picture_rows import picture_rows
from shapesys.report.reproduction import build_reproduction_page, charts
from shapesys.reproduction.finding import Finding, Picture, Scatter
from shapesys.reproduction.recipe import Measure
from shapesys.reproduction.registry import load
from shapesys.reproduction.ssn import outlined
from shapesys.reproduction.table import table_of
from shapesys.reproduction.trained import TrainedVariant

LABELS = ("PCA", "PCSM", "ISSN", "ISSN-CSL", "curvature")


def page_of(labels: Sequence[str], findings: Sequence[Finding], folder: Path) -> str:
    variants = [TrainedVariant(label, "ssn", {}) for label in labels]
    recipe = dataclasses.replace(load("ssn.toy"), variants=variants, baseline="")
    page = build_reproduction_page(recipe, table_of(recipe, findings), findings, (), folder / "page.html")
    return page.read_text(encoding="utf-8")


def finding(label: str, seed: int = 0, **shown: Any) -> Finding:
    return Finding(label, seed, f"runs/{label}", {"overall": {"metrics": {}}}, **shown)


@pytest.fixture
def image(tmp_path: Path) -> str:
    Image.new("RGB", (300, 300)).save(tmp_path / "large.png")
    return str(tmp_path / "large.png")


def captions(text: str) -> list[list[str]]:
    """Of every row of pictures: its label, then the captions, empty where a column has no picture."""
    rows = re.findall(r"<tr>(?:(?!</tr>).)*</tr>", "".join(re.findall(r'class="gallery".*?</table>', text, re.S)), re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


def test_outlines_say_how_many_superpixels_were_asked_for_and_stand_by_image_and_size(tmp_path: Path) -> None:
    names = ("image__a.1000.png", "image__a.50.png", "image__b.1000.png", "image__b.50.png")
    for at, name in enumerate(names):
        Image.new("RGB", (16, 16), (60 * at, 0, 0)).save(tmp_path / name)
    pictures = tuple(outlined(tmp_path / name) for name in (*names, "image__lost.99.png"))
    text = page_of(["grid"], [finding("grid", pictures=pictures)], tmp_path)
    assert captions(text) == [["grid", *(f"{count} superpixels asked for" for count in (50, 1000, 50, 1000))]]
    assert text.count('class="small"') == 4


def test_every_variant_has_a_row_and_every_shape_a_column(tmp_path: Path, image: str) -> None:
    def shapes(label: str, numbers: Sequence[int]) -> tuple[Picture, ...]:
        return tuple(Picture(image, f"{label} of {number}", (number,)) for number in numbers)

    found = [finding(label, pictures=shapes(label, range(6))) for label in LABELS]
    # Recipes' order, not the order of arrival; one shape failed; the second seed is not shown.
    found = [finding("PCA", 1, pictures=shapes("again", range(6))), *reversed(found)]
    found[3] = finding("ISSN", pictures=shapes("ISSN", [5, 4, 2, 1, 0]))
    text = page_of(LABELS, found, tmp_path)
    expected = [[label, *(f"{label} of {number}" for number in range(6))] for label in LABELS]
    expected[2][4] = ""
    assert captions(text) == expected
    assert "<h2>Pictures</h2>" in text
    assert "--columns: 6" in text
    assert 'class="small"' not in text


def test_groups_of_pictures_have_grids_of_their_own(image: str) -> None:
    chairs = tuple(Picture(image, name, ("b", number), "chairs") for number, name in ((10, "ten"), (9, "nine")))
    unplaced = tuple(Picture(image, name) for name in ("first", "second"))
    tables = (Picture(image, "early", ("a",), "tables"), Picture(image, "number", (3,), "tables"))
    grids = picture_rows(["x", "y"], [finding("x", pictures=(*chairs, *unplaced)), finding("y", pictures=tables)])
    said = {
        grid["group"]: [[row["variant"], *(cell["caption"] for cell in row["cells"])] for row in grid["rows"]]
        for grid in grids
    }
    assert said == {
        "": [["x", "first", "second"]],
        "chairs": [["x", "nine", "ten"]],
        "tables": [["y", "number", "early"]],
    }


def test_points_of_the_variants_share_colours_and_one_legend(tmp_path: Path) -> None:
    one = Scatter("silhouette 0.31", [(0.0, 0.0), (1.0, 1.0)], ["chair", "mug"])
    other = Scatter("silhouette 0.12", [(0.0, 1.0)], ["mug"])
    findings = [finding("PCSM", scatter=other), finding("PCA", scatter=one), finding("PCA", 1, scatter=other)]
    text = page_of(LABELS, findings, tmp_path)
    assert re.findall(r"<figure><figcaption>([^<]*)</figcaption><svg", text) == ["PCA", "PCSM"]
    assert [text.count(score) for score in ("silhouette 0.31</text>", "silhouette 0.12</text>")] == [1, 1]
    assert [text.count(f">{name}</text>") for name in ("chair", "mug")] == [1, 1]
    assert "Points by category" not in page_of(LABELS, [finding("PCA")], tmp_path)


def test_variants_along_an_axis_make_one_chart_of_each_measure(tmp_path: Path) -> None:
    measures = (Measure("CD", "chamfer", digits=3), Measure("IoU", "iou"), Measure("absent", "absent"))
    variants = [TrainedVariant(str(at), "ssn", {}, at=at) for at in (0, 100, 300)]
    recipe = dataclasses.replace(
        load("ssn.toy"), variants=variants, measures=measures, baseline="", axis="iterations", notes=()
    )
    values = {"0": (3.0, 0.1), "100": (2.0, 0.2)}
    findings = [
        Finding(label, seed, "run", {"overall": {"metrics": {"chamfer": {"mean": cd + seed}, "iou": {"mean": iou}}}})
        for label, (cd, iou) in values.items()
        for seed in (0, 1)
    ]
    drawn = charts(recipe, table_of(recipe, findings))
    assert [(chart.title, chart.across) for chart in drawn] == [("CD", "iterations"), ("IoU", "iterations")]
    assert [(*one.steps, *one.values) for chart in drawn for one in chart.curves] == [
        (0, 100, 3.5, 2.5),
        (0, 100, 0.1, 0.2),
    ]
    page = build_reproduction_page(recipe, table_of(recipe, findings), findings, (), tmp_path / "page.html")
    assert page.read_text(encoding="utf-8").count("<svg") == 2


def test_measures_along_an_axis_are_one_chart_with_a_curve_of_each_variant(tmp_path: Path) -> None:
    recipe = load("ssn.asa")
    label = recipe.variants[0].label
    found = {measure.name: {"value": 0.5} for measure in recipe.measures[:3]}
    drawn = charts(recipe, table_of(recipe, [Finding(label, 0, "run", {"whole_set": found})]))
    assert [[curve.name for curve in chart.curves] for chart in drawn] == [[label]]
    assert drawn[0].curves[0].steps.tolist() == [50, 100, 200]
    assert charts(dataclasses.replace(recipe, axis=""), table_of(recipe, [])) == []
