"""One reproduction from the driver's side: prepare, run what is missing, keep the table and the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from shapesys.cli.failure import page_if_possible
from shapesys.cli.preparation import run_preparation
from shapesys.cli.progress import Progress
from shapesys.errors import UsageError
from shapesys.report.reproduction import build_reproduction_page
from shapesys.reproduction.experiment import Experiment, done_before, perform_here
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Data, Recipe, Request, Scale
from shapesys.reproduction.table import Line, plain, table_of
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source
from shapesys.training.run_dir import make_folder, write_json


@dataclass(frozen=True)
class Reproduction:
    """A recipe with everything decided.

    Attributes:
        request: what is asked of it.
        root: where the data that a user brings lies.
        phases: its experiments.
        folder: of its table and page.
        address, workers, local: where it runs.
        notes: the data, and what differs from the publication.
    """

    recipe: Recipe
    request: Request
    root: str | None
    phases: Sequence[Sequence[Experiment]]
    folder: Path
    address: str | None
    workers: int | None
    local: bool
    notes: tuple[str, ...]

    @property
    def data(self) -> Data:
        """The data that the request names."""
        return self.recipe.data[self.request.data]

    @property
    def count(self) -> int:
        """Experiments of all phases."""
        return sum(map(len, self.phases))


def plan(
    recipe: Recipe,
    *,
    scale: Scale,
    data: str | None,
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
        UsageError: no data of that name, or its place is not named although it needs one, or named although not.
    """
    # Small networks may be tried on the paper's own data.
    name = data or ("paper" if root else scale)
    chosen = _data(recipe, name, root)
    base = folder.resolve()
    place = f"{scale}-{chosen.name}"
    request = Request(
        scale,
        name,
        store=str(base / "stores" / chosen.name),
        root=str(base / f"{recipe.shares or recipe.name}-{place}"),
        seeds=tuple(range(seeds or recipe.seeds)),
        changes={} if epochs is None else {"train.epochs": epochs},
    )
    used = f"data: {name} ({chosen.name})" + (f", {chosen.differs}" if chosen.differs else "")
    notes = (used, *recipe.notes, *([f"{epochs} epochs, by --epochs"] if epochs else []))
    phases, own = recipe.phases(request), base / f"{recipe.name}-{place}"
    return Reproduction(recipe, request, root, phases, own, address, workers, local, notes)


def _data(recipe: Recipe, name: str, root: str | None) -> Data:
    """The data of that name, where it fits what is said about its place."""
    if name not in recipe.data:
        raise UsageError(f"{recipe.name} has no data '{name}'; choose with --data: {', '.join(recipe.data)}")
    data = recipe.data[name]
    if data.brought and not root:
        raise UsageError(f"{recipe.name} with data '{name}' needs {data.brought}; name its place with --root DIR")
    if root and not data.brought:
        others = [other for other, found in recipe.data.items() if found.brought]
        way_out = f", or choose with --data: {', '.join(others)}" if others else ""
        raise UsageError(f"{recipe.name} makes data '{name}' itself; leave out --root{way_out}")
    return data


def run_reproduction(planned: Reproduction) -> dict[str, Any]:
    """Do what is missing; return the table and where everything lies. Experiments that fail are told, not raised.

    Raises:
        ShapesysError: the folder cannot be made, the data cannot be prepared, or no worker can be started.
    """
    started = time.monotonic()
    make_folder(planned.folder, "--folder")
    _prepare(planned)
    with Progress("reproduce", "experiments", planned.count) as line:
        heard = _Heard(planned, line)
        if planned.local:
            perform_here((item for phase in planned.phases for item in phase), heard)
        else:
            from shapesys.on_ray.experiments import run_experiments

            run_experiments(planned.phases, heard, planned.address, planned.workers)
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
    run_preparation(source, planned.request.store, sampler, address=planned.address, local=planned.local)


class _Heard:
    """Collects findings as they come, and keeps the table on disk up to date."""

    def __init__(self, planned: Reproduction, line: Progress) -> None:
        self._planned = planned
        self._line = line
        self.findings: list[Finding] = []
        self.failed: dict[str, str] = {}
        # What is only looked at again must not count towards the rate.
        self._ended = done_before(chain.from_iterable(planned.phases), lambda item: item.was_done())
        line(len(self._ended))

    def __call__(self, item: Experiment, findings: list[Finding], why: str) -> None:
        self.findings += findings
        self._ended.add(item.name)
        if why:
            self.failed[item.name] = why
        self.write()
        self._line(len(self._ended), failed=len(self.failed))

    def write(self) -> list[Line]:
        """The table so far, also as table.json."""
        lines = table_of(self._planned.recipe, self.findings)
        facts = {"notes": list(self._planned.notes), "failed": self.failed}
        write_json(self._planned.folder / "table.json", plain(self._planned.recipe, lines) | facts)
        return lines
