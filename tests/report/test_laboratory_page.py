"""The laboratory's pictures and page, of results that took no time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapesysError
from shapesys.laboratory import completion, landscape, level_sets, regression, sobolev, wrong_losses
from shapesys.laboratory.plane import PlaneSettings
from shapesys.laboratory.registry import FIGURES
from shapesys.report.lab_look import Drawing, Look, plain_decades
from shapesys.report.laboratory import Made, build_laboratory_page, write_pictures

SEEDS = range(2)
QUICK: dict[str, Any] = {"steps": 2, "queries": 64, "resolution": 24}


@pytest.fixture(scope="module")
def made() -> dict[str, Made]:
    """Every figure, its networks hardly trained."""
    results = {
        "regression": regression.run(SEEDS, regression.Settings(steps=2)),
        "landscape": landscape.run(SEEDS, landscape.Settings(steps=2, resolution=21)),
        "sobolev": sobolev.run(SEEDS, sobolev.Settings(counts=(2, 4), formula_steps=2, network_steps=2)),
        "level-sets": level_sets.run(SEEDS, level_sets.Settings(**QUICK)),
        "completion": completion.run(SEEDS, completion.Settings(**QUICK)),
        "wrong-losses": wrong_losses.run(SEEDS, PlaneSettings(**QUICK)),
    }
    assert results.keys() == FIGURES.keys(), "a figure that cannot be drawn"
    return {name: Made(name, result, 1.5) for name, result in results.items()}


@pytest.fixture(scope="module")
def page(made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("laboratory") / "page.html"
    return build_laboratory_page(list(made.values()), SEEDS, out).read_text(encoding="utf-8")


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    return [node.text or "" for node in root.iter() if node.tag.endswith("text")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("regression", ["x", "f(x)", "start", "unsigned distance h", "||f| − h|", "|f − h|", "(f − h)²"]),  # noqa: RUF001
        ("landscape", ["slope a", "slope b, left of x₀", "sign-agnostic", "L1", "L2", "signed distance, ±"]),
        ("sobolev", ["samples", "max{ax, bx} + c", "network, values alone", "2 samples: values alone"]),
        ("level-sets", ["x", "y", "SAL", "SALD", "data", "queries", "f = 0", "f < 0", "f > 0", "mean gradient error"]),
        ("completion", ["x", "y", "circle without an arc", "missing part", "straight segment", "data", "f = 0"]),
        ("wrong-losses", ["x", "y", "data", "f > 0"]),
    ],
)
def test_axes_and_legends_say_what_is_drawn(made: dict[str, Made], name: str, shown: list[str]) -> None:
    assert set(shown) <= set(words(made[name].drawing.svg(name)))


def test_titles_give_what_was_measured(made: dict[str, Made]) -> None:
    result = made["completion"].result
    assert isinstance(result, completion.Result)
    stretch = result.curves["circle without an arc"].stretch("SALD")
    ends = dict.fromkeys(f"{end:.2f}" for end in (min(stretch), max(stretch)))
    assert f"SALD: {'–'.join(ends)} × segment" in words(made["completion"].drawing.svg("a"))  # noqa: RUF001
    wrong = made["wrong-losses"].result
    assert isinstance(wrong, wrong_losses.Result)
    share = 100 * wrong.inside("L1").mean()
    assert f"|f − h|: {share:.1f} % inside" in words(made["wrong-losses"].drawing.svg("a"))  # noqa: RUF001


def test_numbers_on_axes_stay_whole_where_paths_are_rounded() -> None:
    def draw(figure: Any, _: Look) -> None:
        axes = figure.subplots()
        axes.plot(np.linspace(0, 1, 30), np.geomspace(1e-5, 20, 30))
        axes.set_yscale("log")
        plain_decades(axes.yaxis, floor=1e-5)

    drawing = Drawing(draw, 3.0, 6.0).svg("a")
    assert {"≤ 0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10"} <= set(words(drawing))
    paths = re.findall(r' d="([^"]*)"', drawing)
    assert paths
    assert not any(re.search(r"\.\d{3}", path) for path in paths)


def test_the_page_holds_every_figure_with_its_claims_and_nothing_from_elsewhere(
    made: dict[str, Made], page: str
) -> None:
    assert page.count("<svg") == len(FIGURES)
    assert re.findall(r'(?:src|href)="(?!#)[^"]*|url\((?!#)[^)]*|<script|<link', page) == []
    assert "currentColor" in page
    assert "#010203" not in page
    for name, figure in FIGURES.items():
        section = page[page.index(f'<section id="{name}">') :].partition("</section>")[0]
        assert figure.title in section
        claims = made[name].result.claims()
        assert re.findall(r'<span class="state \w+">(\w+)</span>', section) == [
            "yes" if claim.holds else "no" for claim in claims
        ]
        assert f"<td>{claims[0].value:.3g}</td>" in section
    assert "seeds 0 to 1" in page
    assert "Made in 1.5 s" in page


def test_pictures_are_drawn_on_white_in_colour(made: dict[str, Made], tmp_path: Path) -> None:
    found = write_pictures([made["landscape"], made["level-sets"]], tmp_path)
    assert found == {name: tmp_path / f"{name}.png" for name in ("landscape", "level-sets")}
    for path in found.values():
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert pixels.shape[1] > 1500
        assert (pixels[0, 0] == 255).all()
        coloured = np.ptp(pixels, axis=2) > 60
        assert 0.005 < coloured.mean() < 0.5


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    drawing = Drawing(lambda figure, look: None, 1.0, 1.0)
    with pytest.raises(ShapesysError, match="cannot write .*absent/a.png: No such file or directory; choose another"):
        drawing.write_png(tmp_path / "absent" / "a.png")
