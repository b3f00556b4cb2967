"""`shapesys demo`: from nothing to trained networks, a table and a page, with the same steps a user would type."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, complain
from shapesys.cli.verb import verb
from shapesys.errors import UsageError
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from shapesys.training.run_dir import RunDirectory


@dataclass
class Stopwatch:
    """Seconds by stage."""

    stages: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str, same_as: str) -> Iterator[None]:
        complain(f"\n== {name}: {same_as}")
        started = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] = time.monotonic() - started

    @property
    def total(self) -> float:
        return sum(self.stages.values())


@dataclass(frozen=True)
class Recipe:
    """What the demo makes; the commands it shows give the same."""

    categories: tuple[str, ...]
    folder: Path
    count: int
    resolution: int
    workers: int

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def page(self) -> Path:
        return self.folder / "page.html"

    def run_name(self, category: str) -> str:
        return f"issn-{category}"

    def prepare_command(self) -> str:
        chosen = " ".join(self.categories)
        source = f"--source procedural --categories {chosen} --count {self.count}"
        return f"shapesys prepare {source} --preset tiny --store {self.store}"

    def train_command(self, category: str) -> str:
        data = f"--store {self.store} --categories {category}"
        run = f"--run {self.run_name(category)} --runs-root {self.folder}"
        return f"shapesys train issn --preset tiny {data} {run} --scale.num-workers {self.workers}"

    def evaluate_command(self, category: str) -> str:
        return f"shapesys evaluate {self.folder / self.run_name(category)} --resolution {self.resolution}"

    def report_command(self) -> str:
        runs = " ".join(str(self.folder / self.run_name(category)) for category in self.categories)
        return f"shapesys report {runs} -o {self.page}"

    def commands(self) -> list[str]:
        trained = [self.train_command(category) for category in self.categories]
        measured = [self.evaluate_command(category) for category in self.categories]
        return [self.prepare_command(), *trained, *measured, self.report_command()]


@verb(example="shapesys demo\nshapesys demo --categories lamp,bottle --folder runs/lamps")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runs/demo"), show_default=True)
@click.option("--categories", default="chair,airplane", show_default=True, help="Built-in categories.")
@click.option("--count", default=48, show_default=True, help="Shapes per category, held-out ones included.")
@click.option("--resolution", default=128, show_default=True, help="Cells along the box of a reconstruction.")
@click.option("--workers", default=2, show_default=True, help="Training workers and evaluating actors.")
@click.option("--dry-run", is_flag=True, help="Print the commands that give the same, and stop.")
def command(folder: Path, categories: str, dry_run: bool, **numbers: int) -> Answer:
    """Built-in shapes, a saliency network for each of two categories, their table, page and MLflow run.

    The same command again does only what is missing.
    """
    recipe = Recipe(tuple(categories.replace(",", " ").split()), folder, **numbers)
    if not recipe.categories:
        raise UsageError("no category given; name some with --categories chair,mug")
    if dry_run:
        return Answer({"commands": recipe.commands()}, recipe.commands())
    return run_demo(recipe)


def run_demo(recipe: Recipe) -> Answer:
    """Every stage in turn, on one Ray instance."""
    from shapesys.on_ray.runtime import runtime

    watch = Stopwatch()
    with contextlib.ExitStack() as stack:
        with watch.stage("start Ray", "a private instance for all stages"):
            stack.enter_context(runtime(None, num_cpus=recipe.workers + 1))
        with watch.stage("prepare", recipe.prepare_command()):
            _prepare(recipe)
        runs = [_train(recipe, category, watch) for category in recipe.categories]
        summaries = {run.name: _evaluate(recipe, run, watch) for run in runs}
    with watch.stage("page", recipe.report_command()):
        _page(recipe, runs)
    return _answer(recipe, runs, summaries, watch)


def _prepare(recipe: Recipe) -> None:
    from shapesys.cli.preparation import run_preparation
    from shapesys.samples.settings import PRESETS
    from shapesys.sources.registry import build_source

    source = build_source("procedural", {"categories": recipe.categories, "count": recipe.count})
    run_preparation(source, str(recipe.store), PRESETS["tiny"])


def _train(recipe: Recipe, category: str, watch: Stopwatch) -> RunDirectory:
    from shapesys.cli.training_run import run_training
    from shapesys.training.config import resolve
    from shapesys.training.run_dir import find

    changes = {
        "data.store": str(recipe.store),
        "data.categories": (category,),
        "scale.num_workers": recipe.workers,
    }
    name = recipe.run_name(category)
    with watch.stage(f"train {category}", recipe.train_command(category)):
        run_training(resolve("issn", "tiny", changes), name, recipe.folder, address=None, local=False)
    return find(name, recipe.folder)


def _evaluate(recipe: Recipe, run: RunDirectory, watch: Stopwatch) -> dict[str, Any]:
    from shapesys.cli.evaluation_run import Placement, run_evaluation
    from shapesys.evaluation.config import EvaluateConfig, EvaluateScale

    settings = EvaluateConfig(resolution=recipe.resolution)
    scale = EvaluateScale(num_actors=recipe.workers)
    category = run.name.removeprefix(recipe.run_name(""))
    with watch.stage(f"evaluate {category}", recipe.evaluate_command(category)):
        return run_evaluation(run, settings, scale, Placement())


def _page(recipe: Recipe, runs: list[RunDirectory]) -> None:
    from shapesys.report.page import build_page

    build_page(runs, recipe.page.resolve())


def _answer(recipe: Recipe, runs: list[RunDirectory], summaries: dict[str, dict[str, Any]], watch: Stopwatch) -> Answer:
    from rich.console import Group
    from rich.panel import Panel

    from shapesys.report.tables import summary_table
    from shapesys.tracking.location import open_command, runs_page

    page, command = recipe.page.resolve(), open_command(runs[0])
    times = ", ".join(f"{name} {duration(value)}" for name, value in watch.stages.items())
    lines = [
        f"page    {page}",
        f"MLflow  {command}",
        *([] if command.startswith("http") else [f"        then open {runs_page(runs[0])}"]),
        f"time    {duration(watch.total)}: {times}",
    ]
    tables = [summary_table(summary, title=name) for name, summary in summaries.items()]
    panel = Panel(Group(*tables, "", *lines), title="shapesys demo", expand=False)
    data = {"page": page, "mlflow": command, "seconds": watch.stages, "summaries": summaries}
    return Answer(data, [panel])
