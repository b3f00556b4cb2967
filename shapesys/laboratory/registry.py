"""The figures by name, in the order in which they explain; an experiment is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from shapesys.errors import unknown_name
from shapesys.laboratory.claim import Result


@dataclass(frozen=True)
class Figure:
    """One experiment.

    Attributes:
        module: of this package; its ``run(seeds)`` makes the result.
        title: what it is about.
        caption: what is to be seen.
    """

    module: str
    title: str
    caption: str

    def run(self, seeds: Sequence[int]) -> Result:
        """Make the experiment with networks of these seeds."""
        result: Result = import_module(f"shapesys.laboratory.{self.module}").run(seeds)
        return result


FIGURES = {
    "regression": Figure(
        "regression",
        "Sign-agnostic regression on the line",
        "Networks that start as x learn the unsigned distance h to a point. With τ = ||f| − h| they keep their sign "  # noqa: RUF001
        "change, move it to the point and become the signed distance; with |f − h| or (f − h)² they become h itself.",  # noqa: RUF001
    ),
    "landscape": Figure(
        "landscape",
        "The losses as landscapes",
        "f = a (x − x₀) right of the point and b (x − x₀) left of it. Over lines (a = b) τ has two minima, the signed "  # noqa: RUF001
        "distance and its negative; plain losses have one, between them. With a and b free, plain losses lead from "
        "everywhere to the unsigned distance; with τ the start decides, and lines arrive at the signed one.",
    ),
    "sobolev": Figure(
        "sobolev",
        "Derivatives in place of samples",
        "f(x) = max{ax, bx} + c from few samples (Czarnecki et al. 2017). Two with derivatives, one on each side, "
        "determine the function; the same samples without them are met exactly by functions that are wrong elsewhere. "
        "So it is for networks that do not know the formula.",
    ),
    "level-sets": Figure(
        "level_sets",
        "Level sets after SAL and SALD",
        "A closed curve with a thin toe from few queries. Both see the same distances, SALD their gradients as well, "
        "and its level sets are nearer to those of the distance.",
    ),
    "completion": Figure(
        "completion",
        "Missing parts are closed by the shortest segment",
        "Curves of which a part is missing: an arc of a circle, the corner of a square. The zero level set leaves the "
        "curve where it ends and takes nearly the straight way across the gap, not that of what is missing.",
    ),
    "wrong-losses": Figure(
        "wrong_losses",
        "Losses that see the sign find no inside",
        "The same start and queries as for SAL, but |f − h| and (f − h)²: networks lose their inside, and there is no "  # noqa: RUF001
        "zero level set to draw.",
    ),
}


def chosen(names: Sequence[str]) -> dict[str, Figure]:
    """The figures of these names, each once, in the registry's order; all without names.

    Raises:
        UsageError: no figure of a name; names the nearest ones.
    """
    for name in names:
        if name not in FIGURES:
            raise unknown_name("figure", name, FIGURES)
    return {name: figure for name, figure in FIGURES.items() if not names or name in names}
