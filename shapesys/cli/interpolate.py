"""`shapesys interpolate`: the shapes between two shapes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.report.numbers import duration

_COLUMNS = {
    "at": "fraction",
    "code norm": "code_norm",
    "vertices": "vertices",
    "area": "area",
    "volume": "volume",
    "to next": "chamfer_to_next",
}


@verb(
    example="shapesys interpolate chairs chair/0001 chair/0007\n"
    "shapesys interpolate chairs chair/0001 chair/0007 --steps 11 --path spherical --out between\n"
    "shapesys interpolate chairs my_chair.obj chair/0007"
)
@click.argument("run")
@click.argument("first")
@click.argument("second")
@click.option("--steps", type=click.IntRange(min=1), default=7, show_default=True, help="Shapes in between.")
@click.option(
    "--path",
    type=click.Choice(["linear", "spherical"]),
    default="linear",
    show_default=True,
    help="From code to code: the straight line, or a turn that keeps codes as long as the given ones.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for picture, meshes and numbers. [default: RUN/interpolation/FIRST--SECOND]",
)
@click.option("--store", help="Sample store that holds the shapes. [default: the one trained on]")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option(
    "--resolution", type=click.IntRange(min=8), default=128, show_default=True, help="Cells along the box of a surface."
)
@click.option(
    "--close-at-box", is_flag=True, help="Cap a surface that leaves the field's box instead of leaving it open."
)
@click.option(
    "--queries",
    type=click.IntRange(min=100),
    default=100_000,
    show_default=True,
    help="Samples of a shape that its code is found from.",
)
@click.option("--iterations", type=int, help="Steps of test-time optimisation. [default: the run's]")
@click.option("--restarts", type=int, help="Initial codes to try. [default: the run's]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of samples and of initial codes."
)
def command(run: str, first: str, second: str, steps: int, path: Any, out: Path | None, store: str | None,
            runs_root: str, resolution: int, close_at_box: bool, queries: int, seed: int,
            **inference: int | None) -> Answer:  # fmt: skip
    """Draw what RUN's network has between the shapes FIRST and SECOND, and tell how smoothly one becomes the other.

    FIRST and SECOND are ids of shapes in the run's store, trained on or not, or files: meshes, scans
    or pictures, as RUN sees them.
    """
    from shapesys.evaluation.config import EvaluateConfig
    from shapesys.evaluation.interpolate import interpolate
    from shapesys.evaluation.interpolation_files import write
    from shapesys.training.run_dir import find

    started = time.monotonic()
    directory = find(run, runs_root)
    changes = {name: value for name, value in inference.items() if value is not None}
    settings = EvaluateConfig(
        resolution=resolution, close_at_box=close_at_box, observed_queries=queries, seed=seed, inference=changes
    )
    found = interpolate(directory, first, second, steps, path, settings, store)
    folder = out or directory.interpolation(found.first.label, found.second.label)
    told = write(found, folder, {"run": str(directory.path), "resolution": resolution, "seed": seed})
    return _answer(told, folder, time.monotonic() - started)


def _answer(told: dict[str, Any], folder: Path, seconds: float) -> Answer:
    ends = [f"{told[which]['shape']} ({told[which]['code']} code)" for which in ("first", "second")]
    rows = [[row[name] for name in _COLUMNS.values()] for row in told["steps"]]
    shown: list[Any] = [
        f"{told['path']} path from {' to '.join(ends)}",
        table("", tuple(_COLUMNS), rows, tuple(_COLUMNS)),
    ]
    shown += [f"note: at {row['fraction']:.3g}: {row['reason'] or row['cut']}" for row in told["steps"] if _odd(row)]
    if told["mean_distance"] is not None:
        largest, mean = told["largest_distance"], told["mean_distance"]
        shown.append(f"from surface to surface: {mean:.3g} on average, at most {largest:.3g} (mean Chamfer distance)")
    shown += [f"picture: {told['picture']}", f"meshes: {folder.resolve()}", f"time: {duration(seconds)}"]
    return Answer(told | {"folder": folder.resolve(), "seconds": seconds}, shown)


def _odd(row: dict[str, Any]) -> bool:
    return bool(row["empty"] or row["cut"])
