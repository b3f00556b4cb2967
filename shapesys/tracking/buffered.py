"""A tracker that gathers metrics into large batches and outlives the loss of its server.

Everything said to the tracker becomes an operation. Operations reach the store in the order they were made: when
one cannot be delivered, it and all later ones wait in ``<run>/tracking_spool.jsonl`` until a retry, the end of the
run, or the next process that opens the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from shapesys.errors import first_line
from shapesys.tracking.spool import Operation, Spool
from shapesys.tracking.system import SystemMetrics
from shapesys.tracking.tracker import PENDING, RunDescription, require_outcome
from shapesys.training.run_dir import RunDirectory

_SHARE_OF_TIME = 0.02
"""The most of a run's time that tries to reach a store that hangs may take."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """The store understood an operation and will never take it."""


class Store(Protocol):
    """Where operations go."""

    name: str
    run_id: str | None

    def apply(self, operation: Operation) -> None:
        """Carry out one operation.

        Raises:
            Refused: trying again is useless. Any other exception means: later, perhaps.
        """
        ...


class BufferedTracker:
    """Any `Store` as a `Tracker`.

    Args:
        run: the run directory, where the spool lies.
        store: where operations go.
        flush_count: metrics gathered before they are sent.
        flush_seconds: the longest that a metric waits to be sent, as long as more metrics come.
        retry_seconds: shortest pause before an unreachable store is tried again.
    """

    def __init__(
        self,
        run: RunDirectory,
        store: Store,
        flush_count: int = 2000,
        flush_seconds: float = 10.0,
        retry_seconds: float = 60.0,
    ) -> None:
        self._store = store
        self._spool = Spool(run.path / "tracking_spool.jsonl")
        self._system: SystemMetrics | None = SystemMetrics()
        self._flush_count = flush_count
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._next_try = 0.0
        self._warned = False
        self._buffer: list[tuple[str, float, int, int]] = []
        self._last_flush = time.monotonic()

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        if description.attach or description.parent:
            # The machine is busy with an evaluation, or with many trials: its load says nothing about this run.
            self._system = None
        self._send({"op": "start", "resume": resume, "time": _now(), **asdict(description)})
        return self._store.run_id or PENDING

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        moment = _now()
        machine = self._system.read() if self._system else {}
        for name, value in [*values.items(), *machine.items()]:
            self._buffer.append((name, float(value), int(step), moment))
        overdue = time.monotonic() - self._last_flush >= self._flush_seconds
        if overdue or len(self._buffer) >= self._flush_count:
            self._flush()

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None:
        self._send({"op": "artifacts", "paths": [str(Path(path).resolve()) for path in paths], "folder": folder})

    def table(self, rows: Path, name: str) -> None:
        self._send({"op": "table", "rows": str(Path(rows).resolve()), "name": name})

    def tags(self, values: Mapping[str, str]) -> None:
        self._send({"op": "tags", "tags": dict(values)})

    def finish(self, status: str) -> None:
        require_outcome(status)
        self._flush()
        self._next_try = 0.0
        self._send({"op": "finish", "status": status, "time": _now()})

    def _flush(self) -> None:
        self._last_flush = time.monotonic()
        if self._buffer:
            waiting, self._buffer = self._buffer, []
            self._send({"op": "metrics", "metrics": waiting})

    def _send(self, operation: Operation) -> None:
        if not (self._caught_up() and self._deliver(operation)):
            self._spool.append(operation)

    def _caught_up(self) -> bool:
        """Whether nothing older waits, after a new try where one is due."""
        if not self._spool:
            return True
        return time.monotonic() >= self._next_try and self._spool.replay(self._deliver)

    def _deliver(self, operation: Operation) -> bool:
        """Whether the operation is dealt with: applied, or refused for good."""
        began = time.monotonic()
        try:
            self._store.apply(operation)
        except Refused as refusal:
            _log.warning("%s refused '%s': %s", self._store.name, operation["op"], refusal)
        except Exception as error:
            # A tracker must never end a run, whatever its client library raises.
            ended = time.monotonic()
            self._next_try = ended + max(self._retry_seconds, (ended - began) / _SHARE_OF_TIME)
            self._warn(error)
            return False
        return True

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            reason = first_line(error)[:200]
            _log.warning(
                "%s cannot be reached (%s); the run goes on, and what it logs waits in %s",
                self._store.name, reason, self._spool.path,
            )  # fmt: skip
        self._warned = True


def _now() -> int:
    """Milliseconds since 1970, the unit of tracking servers."""
    return int(time.time() * 1000)
