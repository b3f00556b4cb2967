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
    counts: tuple[int, int, int] | None = None
    lock, over = threading.Lock(), threading.Event()

    def counted(done: int, total: int, failed: int) -> None:
        nonlocal counts
        with lock:
            counts = (done, total, failed)
            # What has just been done may still be said to be under way.
            line(done, total, failed=failed)

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            with lock:
                if counts:
                    done, total, failed = counts
                    line(done, total, min(shapes_under_way(run), total - done), failed=failed)

    watcher = threading.Thread(target=look, name="fits under way", daemon=True)
    watcher.start()
    try:
        yield counted
    finally:
        over.set()
        watcher.join()
