"""The progress line of an evaluation that fits a network to each shape, which may take long before one is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shapesys.cli.progress import Progress
from shapesys.evaluation.plan import Progress as Counted
from shapesys.training.fitted import shapes_under_way
from shapesys.training.run_dir import RunDirectory

LOOK_SECONDS = 1.0


@contextmanager
def followed(line: Progress, run: RunDirectory) -> Iterator[Counted]:
    """What counts shapes on the line; in between, the line is told how far those are that are being fitted.

    Wherever fits run, they write that into the run's folder.
    """
    watcher = _Watcher(line, run)
    watcher.start()
    try:
        yield watcher.count
    finally:
        watcher.over.set()
        watcher.join()


class _Watcher(threading.Thread):
    """Tells the line what is done, by the one thread, and what is under way, by the other."""

    def __init__(self, line: Progress, run: RunDirectory) -> None:
        super().__init__(name="fits under way", daemon=True)
        self._line, self._run = line, run
        self._lock, self.over = threading.Lock(), threading.Event()
        self._done = self._total = self._failed = 0
        self._under_way = 0.0
        self._seen = False

    def count(self, done: int, total: int, failed: int) -> None:
        """Shapes that have been measured."""
        with self._lock:
            self._under_way = max(0.0, self._under_way - (done - self._done))
            self._done, self._total, self._failed = done, total, failed
            self._tell()

    def run(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
            with self._lock:
                self._look()

    def _look(self) -> None:
        found = min(shapes_under_way(self._run), self._total - self._done)
        if found > self._under_way:
            if not self._seen:
                # An earlier process may have been far already.
                self._line.begin_at(self._done + found)
                self._seen = True
            # It never falls: what is fitted is said no more, and still to be measured.
            self._under_way = found
        if self._total:
            self._tell()

    def _tell(self) -> None:
        self._line(self._done, self._total, self._under_way, failed=self._failed)
