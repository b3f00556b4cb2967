"""What a person sees of a sweep while it runs: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from shapesys.cli.progress import Progress
from shapesys.report.sweep_points import best_point
from shapesys.report.sweep_table import sweep_table
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord

Records = Mapping[str, TrialRecord]
_ROWS_AROUND = 10
"""Lines of a terminal that the table leaves for its heading, its caption and the progress line."""


class Screen(Protocol):
    """A view of the ledger; a context that ends with the sweep."""

    def show(self, records: Records) -> None: ...

    def note(self, text: str) -> None: ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_screen(sweep: Sweep, total: int) -> Screen:
    """A live table where standard error is a terminal, else plain lines."""
    return LiveScreen(sweep, total) if sys.stderr.isatty() else PlainScreen(sweep, total)


class PlainScreen:
    """One line every few seconds, and one for each trial that fails."""

    def __init__(self, sweep: Sweep, total: int) -> None:
        self._sweep = sweep
        self._total = total
        self._line = Progress("tune", "trials", total)
        self._complete = False

    def show(self, records: Records) -> None:
        # What is complete is said once, however often it is looked at.
        if not self._complete:
            self._line(_ended(records), self._total, **_facts(self._sweep, records))
        self._complete = _ended(records) >= self._total

    def note(self, text: str) -> None:
        self._line.note(text)

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()


class LiveScreen:
    """A progress bar with the time left and the sweep's table below it, whose end is what a small terminal cuts off."""

    def __init__(self, sweep: Sweep, total: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._sweep = sweep
        self._console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("tune"), BarColumn(), MofNCompleteColumn(), TextColumn("trials"),
            TimeElapsedColumn(), TextColumn("passed,"), TimeRemainingColumn(), TextColumn("left"),
        )  # fmt: skip
        self._task = self._bar.add_task("tune", total=total)
        self._live = Live(self._bar, console=self._console, auto_refresh=False, transient=True)

    def show(self, records: Records) -> None:
        from rich.console import Group

        self._bar.update(self._task, completed=_ended(records))
        most = max(self._console.height - _ROWS_AROUND, 3)
        self._live.update(Group(self._bar, sweep_table(self._sweep, records, most)), refresh=True)

    def note(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> LiveScreen:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)


def _ended(records: Records) -> int:
    return sum(record.ending is not None for record in records.values())


def _facts(sweep: Sweep, records: Records) -> dict[str, Any]:
    """Counts of what is not simply finished, and the best so far."""
    count = {name: sum(record.ending == name for record in records.values()) for name in ("stopped", "errored")}
    facts: dict[str, Any] = {"running": len(records) - _ended(records)}
    facts |= {name: number for name, number in count.items() if number}
    best = best_point(sweep, records)
    return facts if best is None else facts | {"best": f"{best.mean:.4g} ({best.name})"}
