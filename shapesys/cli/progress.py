"""One honest progress line on standard error: rewritten in place on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Any

from shapesys.report.numbers import duration

PLAIN_EVERY = 10.0
REWRITE_EVERY = 0.2


class Progress:
    """Counts one stage of work.

    Call it with the number done (and, where known, the total and more facts); it decides when to write.

    Attributes:
        label: what is being counted, e.g. 'prepare' or 'train'.
        unit: the plural of one item, e.g. 'shapes' or 'steps'.
    """

    def __init__(
        self,
        label: str,
        unit: str,
        total: int | None = None,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self.unit = unit
        self.total = total
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._clock = clock
        self._start = self._last = clock()
        self._first_done: float | None = None
        self._finished = False
        self._line = ""
        self._width = 0

    def __call__(self, done: int, total: int | None = None, under_way: float = 0.0, **facts: Any) -> None:
        """Report `done` of `total`, with facts such as ``loss=0.012``.

        Args:
            under_way: what is done of items that are not yet done, in items.
        """
        self.total = total if total is not None else self.total
        if self._first_done is None:
            self.begin_at(done + under_way)
        self._line = self._text(done, under_way, facts)
        finished = self.total is not None and done >= self.total
        # The end is told at once, for what comes after it may take long, and not each time more is told of it.
        ends, self._finished = finished and not self._finished, finished
        if ends or self._clock() - self._last >= (REWRITE_EVERY if self._live else PLAIN_EVERY):
            self._write()

    def begin_at(self, done: float) -> None:
        """From now on, what an earlier run has finished does not count towards this run's rate."""
        self._first_done, self._start = done, self._clock()

    def note(self, text: str) -> None:
        """A remark on a line of its own."""
        if self._live and self._width:
            self._stream.write("\n")
            self._width = 0
        self._stream.write(text + "\n")
        self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what has not been written and end the line."""
        if self._line:
            self._write()
        if self._live and self._width:
            self._stream.write("\n")
        self._stream.flush()

    def _write(self) -> None:
        if self._live:
            self._stream.write("\r" + self._line.ljust(self._width))
            self._width = len(self._line)
        else:
            self._stream.write(self._line + "\n")
        self._stream.flush()
        self._line, self._last = "", self._clock()

    def _text(self, done: int, under_way: float, facts: Mapping[str, Any]) -> str:
        count = f"{done}/{self.total}" if self.total is not None else str(done)
        begun = [f"{under_way:.1f} of those under way"] if under_way else []
        parts = [f"{self.label}: {count} {self.unit}", *begun, *(_fact(name, value) for name, value in facts.items())]
        elapsed = self._clock() - self._start
        moved = done + under_way - (self._first_done or 0)
        if moved > 0 and elapsed > 0:
            rate = moved / elapsed
            parts.append(f"{rate:.3g} {self.unit}/s")
            if self.total is not None and done < self.total:
                parts.append(f"{duration((self.total - done - under_way) / rate)} left")
        return ", ".join(parts)


def _fact(name: str, value: Any) -> str:
    if name.endswith("_share"):
        return f"{name.removesuffix('_share')} {100 * value:.0f} %"
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_per_s', '/s').replace('_', ' ')} {shown}"
