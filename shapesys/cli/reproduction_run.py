"""One reproduction from the driver's side: prepare, run what is missing, keep the table and the page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.cli.failure import page_if_possible
from shapesys.cli.preparation import run_preparation
from shapesys.cli.progress import Progress
from shapesys.errors import ShapesysError, UsageError, in_words
from shapesys.report.reproduction import build_reproduction_page
from shapesys.reproduction.experiment import Experiment, Finding, experiments, perform
from shapesys.reproduction.recipe import Data, Recipe, Scale
from shapesys.reproduction.table import Line, plain, table_of
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source
from shapesys.training.run_dir import write_json


@dataclass(frozen=True)
class Reproduction:
    """A recipe with everything decided.

    Attributes:
        items: its runs.
        store: where the data is, or will be.
        folder: of its runs, table and page.
        address, workers, local: where it runs.
        notes: what differs from the publication.
    """

    recipe: Recipe
    scale: Scale
    data: Data
    root: str | None
    items: list[Experiment]
    store: str
    folder: Path
    address: str | None
    workers: int | None
    local: bool
    notes: tuple[str, ...]


def plan(
    recipe: Recipe,
    *,
    scale: Scale,
    root: str | None,
    seeds: int | None,
    epochs: int | None,
    folder: Path,
    address: str | None,
    workers: int | None,
    local: bool,
) -> Reproduction:
    """Decide everything, and read nothing.

    Raises:
        UsageError: data that the scale needs is not named.
    """
    # Small networks may be tried on the paper's own data.
    data = recipe.data["paper" if root else scale]
    if data.brought and not root:
        raise UsageError(f"{recipe.name} at scale {scale} needs {data.brought}; name its place with --root DIR")
    if root and not data.brought:
        raise UsageError(f"{recipe.name} makes its data itself at every scale; leave out --root")
    base = folder.resolve()
    store = str(base / "stores" / data.name)
    changes = {} if epochs is None else {"train.epochs": epochs}
    place = base / f"{recipe.name}-{scale}-{data.name}"
    items = experiments(recipe, scale, store, str(place), range(seeds or recipe.seeds), changes)
    notes = (*filter(None, [data.differs]), *recipe.notes, *([f"{epochs} epochs, by --epochs"] if epochs else []))
    return Reproduction(recipe, scale, data, root, items, store, place, address, workers, local, notes)


def run_reproduction(planned: Reproduction) -> dict[str, Any]:
    """Do what is missing; return the table and where everything lies. Runs that fail are told, not raised.

    Raises:
        ShapesysError: the data cannot be prepared, or no worker can be started.
    """
    started = time.monotonic()
    _prepare(planned)
    heard = _Heard(planned)
    with Progress("reproduce", "runs", len(planned.items)) as line:
        heard.line = line
        if planned.local:
            _one_by_one(planned, heard)
        else:
            from shapesys.on_ray.experiments import run_experiments

            run_experiments(planned.items, heard, planned.address, planned.workers)
    lines = heard.write()
    page = planned.folder / "page.html"
    page_if_possible(lambda: build_reproduction_page(planned.recipe, lines, heard.findings, planned.notes, page))
    return {
        **plain(planned.recipe, lines),
        "table": lines,
        "runs": sorted({finding.run for finding in heard.findings}),
        "failed": heard.failed,
        "notes": list(planned.notes),
        "page": page,
        "seconds": time.monotonic() - started,
    }


def _prepare(planned: Reproduction) -> None:
    data = planned.data
    settings = dict(data.settings) | ({"root": planned.root} if data.brought else {})
    sampler = PRESETS[data.sampler].override(dict(data.changes))
    source = build_source(data.source, settings)
    run_preparation(source, planned.store, sampler, address=planned.address, local=planned.local)


def _one_by_one(planned: Reproduction, heard: _Heard) -> None:
    for item in planned.items:
        try:
            findings, why = perform(item), ""
        except ShapesysError as error:
            findings, why = [], in_words(error)
        heard(item, findings, why)


class _Heard:
    """Collects findings as they come, and keeps the table on disk up to date."""

    def __init__(self, planned: Reproduction) -> None:
        self._planned = planned
        self.findings: list[Finding] = []
        self.failed: dict[str, str] = {}
        self.line: Progress | None = None

    def __call__(self, item: Experiment, findings: list[Finding], why: str) -> None:
        self.findings += findings
        if why:
            self.failed[item.name] = why
        self.write()
        if self.line is not None:
            self.line(len({finding.run for finding in self.findings}) + len(self.failed), failed=len(self.failed))

    def write(self) -> list[Line]:
        """The table so far, also as table.json."""
        lines = table_of(self._planned.recipe, self.findings)
        facts = {"notes": list(self._planned.notes), "failed": self.failed}
        self._planned.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._planned.folder / "table.json", plain(self._planned.recipe, lines) | facts)
        return lines
