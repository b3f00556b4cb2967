"""The laboratory's figures: pictures for paper, and the offline page that shows them with their claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from shapesys.laboratory.claim import Claim, Result
from shapesys.laboratory.registry import FIGURES
from shapesys.report import lab_lines, lab_plane
from shapesys.report.lab_look import Drawing, check_matplotlib
from shapesys.report.numbers import duration
from shapesys.report.offline import asset, template, write_page

_PURPOSE = "the offline page"


class _Kind(NamedTuple):
    """How a result is drawn: ``draw(figure, result, look)``, on that many inches."""

    draw: Any
    width: float
    height: float
    note: str = ""


_LINES = f"Level lines every {lab_plane.STEP:g}; the first seed's networks."
_KINDS = {
    "regression": _Kind(lab_lines.draw_regression, 9.0, 3.1),
    "landscape": _Kind(lab_lines.draw_landscape, 11.0, 3.4),
    "sobolev": _Kind(lab_lines.draw_sobolev, 10.0, 3.7, "Right: medians of all fits, the middle half shaded."),
    "level-sets": _Kind(lab_plane.draw_level_sets, 11.0, 3.4, _LINES),
    "completion": _Kind(
        lab_plane.draw_completion,
        9.0,
        6.4,
        f"{_LINES} Titles: length of f = 0 in the gap, least to greatest of all seeds.",
    ),
    "wrong-losses": _Kind(lab_plane.draw_wrong_losses, 9.0, 3.6, f"{_LINES} Titles: means of all seeds."),
}


@dataclass(frozen=True)
class Made:
    """One figure that was made.

    Attributes:
        name: in the registry.
        result: of its experiment.
        seconds: that it took.
    """

    name: str
    result: Result
    seconds: float

    @property
    def drawing(self) -> Drawing:
        kind = _KINDS[self.name]
        return Drawing(partial(_drawn, kind.draw, self.result), kind.width, kind.height)


def check_drawable() -> None:
    """Tell before the work that nothing could be drawn.

    Raises:
        ShapesysError: matplotlib or jinja2 is missing.
    """
    check_matplotlib()
    template("laboratory.html", _PURPOSE)


def write_pictures(made: Sequence[Made], folder: Path) -> dict[str, Path]:
    """FOLDER/NAME.png of every figure, by name.

    Raises:
        ShapesysError: one cannot be written.
    """
    return {one.name: one.drawing.write_png(folder / f"{one.name}.png") for one in made}


def build_laboratory_page(made: Sequence[Made], seeds: Sequence[int], out: Path) -> Path:
    """Write the page and return its place.

    Raises:
        ShapesysError: jinja2 is missing, or the page cannot be written.
    """
    text = template("laboratory.html", _PURPOSE).render(
        figures=[_view(one) for one in made],
        seeds=f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0]),
        style=asset("page.css"),
    )
    return write_page(text, out)


def _drawn(draw: Any, result: Result, figure: Any, look: Any) -> None:
    draw(figure, result, look)


def _view(made: Made) -> dict[str, Any]:
    figure = FIGURES[made.name]
    return {
        "name": made.name,
        "title": figure.title,
        "caption": figure.caption,
        "note": _KINDS[made.name].note,
        "svg": made.drawing.svg(figure.title),
        "claims": [_claim_view(claim) for claim in made.result.claims()],
        "time": duration(made.seconds),
    }


def _claim_view(claim: Claim) -> dict[str, Any]:
    return {"text": claim.text, "value": f"{claim.value:.3g}", "wanted": claim.wanted, "holds": claim.holds}
