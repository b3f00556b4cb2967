"""`shapesys lab`: figures in one and two dimensions that explain sign-agnostic learning, with their claims measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, complain, plain, table
from shapesys.cli.verb import verb
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from shapesys.laboratory.registry import Figure
    from shapesys.report.laboratory import Made


@verb(example="shapesys lab\nshapesys lab completion level-sets --seeds 5 --out runs/gaps")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Networks of each kind.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/lab"),
    show_default=True,
    help="Folder of the pictures, the numbers and the page.",
)
def command(names: tuple[str, ...], seed: int, seeds: int, out: Path) -> Answer:
    """Draw the figures that explain sign-agnostic learning, and measure what they claim.

    \b
    NAMEs: regression, landscape, sobolev, level-sets, completion, wrong-losses. [default: all, half a minute]

    OUT/NAME.png are the pictures, OUT/summary.json the numbers, OUT/page.html both of this command's figures. Exits 1
    when a claim does not hold.
    """
    from shapesys.laboratory.registry import chosen
    from shapesys.report.laboratory import build_laboratory_page, check_drawable, write_pictures
    from shapesys.training.run_dir import make_folder, write_json

    figures = chosen(names)
    check_drawable()
    folder = out.resolve()
    make_folder(folder, "--out")
    each = range(seed, seed + seeds)
    started = time.monotonic()
    made = [_made(name, figure, each) for name, figure in figures.items()]
    pictures = write_pictures(made, folder)
    page = build_laboratory_page(made, each, folder / "page.html")
    told = {
        "figures": [_told(one, pictures[one.name]) for one in made],
        "seeds": list(each),
        "page": page,
        "seconds": time.monotonic() - started,
    }
    write_json(folder / "summary.json", plain(told))
    return _answer(told)


def _made(name: str, figure: Figure, seeds: Sequence[int]) -> Made:
    from shapesys.report.laboratory import Made

    complain(f"{name} ...")
    started = time.monotonic()
    result = figure.run(seeds)
    return Made(name, result, time.monotonic() - started)


def _told(made: Made, picture: Path) -> dict[str, Any]:
    claims = [
        {"claim": claim.text, "measured": float(claim.value), "wanted": claim.wanted, "holds": claim.holds}
        for claim in made.result.claims()
    ]
    return {"figure": made.name, "claims": claims, "picture": picture, "seconds": made.seconds}


def _answer(told: dict[str, Any]) -> Answer:
    rows = [
        (figure["figure"], claim["claim"], claim["measured"], claim["wanted"], claim["holds"])
        for figure in told["figures"]
        for claim in figure["claims"]
    ]
    columns = ("figure", "claim", "measured", "wanted", "holds")
    failed = sum(not holds for *_, holds in rows)
    shown = [table("", columns, rows, ("measured", "wanted"))]
    shown += [f"{failed} of {len(rows)} claims do not hold with these seeds"] if failed else []
    shown += [f"picture: {figure['picture']}" for figure in told["figures"]]
    shown += [f"page: {told['page']}", f"time: {duration(told['seconds'])}"]
    return Answer(told, shown, exit_code=int(bool(failed)))
