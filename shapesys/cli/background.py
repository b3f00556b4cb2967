"""A tracker that never holds up the work: its calls run in order on a thread of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shapesys.tracking.tracker import RunDescription, Tracker


class BackgroundTracker:
    """Passes every call of a `Tracker` on without waiting; only `finish` waits for all of them."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracker")
        self._calls: list[Future[Any]] = []

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        self._later(self._tracker.start, description, resume)
        return ""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._later(self._tracker.metrics, values, step)

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None:
        self._later(self._tracker.artifacts, paths, folder)

    def table(self, rows: Path, name: str) -> None:
        self._later(self._tracker.table, rows, name)

    def tags(self, values: Mapping[str, str]) -> None:
        self._later(self._tracker.tags, values)

    def finish(self, status: str) -> None:
        """Wait for everything said so far, then close the run. Raises what an earlier call raised."""
        self._later(self._tracker.finish, status)
        self._thread.shutdown(wait=True)
        for call in self._calls:
            call.result()

    def _later(self, function: Any, *arguments: Any) -> None:
        self._calls = [call for call in self._calls if not call.done() or call.exception()]
        self._calls.append(self._thread.submit(function, *arguments))
