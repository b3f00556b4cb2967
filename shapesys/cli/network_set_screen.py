"""What a person sees of a set of networks: a row for each, why some failed, and the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shapesys.cli.network_set_run import Placement, Row, rehearse_set, run_set
from shapesys.cli.output import Answer, table
from shapesys.families import registry
from shapesys.fields.network_field import SALIENCY
from shapesys.report.numbers import duration
from shapesys.training.config import TrainJob

_NUMBERS = ("shapes", "steps", "loss", "time")


def train_set(job: TrainJob, name: str, root: str, placement: Placement) -> Answer:
    """Train a network for each category, and show what became of them; a failure where any failed."""
    result = run_set(job, name, root, placement)
    rows: list[Row] = result["networks"]
    columns = ("category", "shapes", "steps", "loss", "time", "state")
    shown: list[Any] = [table(f"trained {name}", columns, [_cells(row) for row in rows], _NUMBERS)]
    shown += [f"{category} failed: {why}" for category, why in result["failed"].items()]
    shown += [f"runs: {result['path']}", f"time: {duration(result['seconds'])}"]
    shown += _next(job, result)
    return Answer(result, shown, exit_code=int(bool(result["failed"])))


def list_set(job: TrainJob, name: str, root: str) -> Answer:
    """List what would be trained; a failure where a category's data cannot teach the family."""
    rows = rehearse_set(job, name, root)
    columns = ("category", "shapes", "steps", "run", "to do")
    cells = [(row["category"], row["shapes"], row["steps"], str(row["run"]), row["todo"]) for row in rows]
    made = table("dry run: nothing was written", columns, cells, _NUMBERS)
    return Answer({"networks": rows}, [made], exit_code=int(any(row["fails"] for row in rows)))


def _cells(row: Row) -> tuple[Any, ...]:
    took = None if row["seconds"] is None else duration(row["seconds"])
    state = "finished before" if row["resumed"] else row["state"]
    return row["category"], row["shapes"], row["steps"], row["loss"], took, state


def _next(job: TrainJob, result: dict[str, Any]) -> list[str]:
    """What to type: maps where the networks predict saliency, else an evaluation of the first one."""
    finished = [row for row in result["networks"] if row["state"] == "finished"]
    if not finished:
        return []
    if result["failed"]:
        return ["next: mend the data of what failed, and type the same command again; it does only the rest"]
    place = _near(result["path"])
    if SALIENCY in registry.load(job.family).attributes(job.model):
        return [f"next: shapesys saliency --store {_near(job.data.store)} --networks {place}"]
    return [f"next: shapesys evaluate {place}/{finished[0]['category']}"]


def _near(place: str | Path) -> str | Path:
    """The path from here where it lies below, else the whole; a URL as it is."""
    if "://" in str(place):
        return str(place)
    path = Path(place)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
