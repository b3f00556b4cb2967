"""One function in a child process that may hang, run out of memory or crash without taking the job with it.

A worker runs one task at a time under a wall-clock and a memory limit. Whatever goes wrong becomes a
`ShapeRejected` with stage "timeout", "memory", "crash" or "error", and the next task meets a fresh child.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import IO, Any, Generic, TypeVar

from shapesys.errors import ShapeRejected, ShapesysError

Task = TypeVar("Task")
Result = TypeVar("Result")

START_SECONDS = 300.0
"""Patience for a child's imports; they count against no task."""


@dataclass(frozen=True)
class Limits:
    """What one task may use.

    Attributes:
        seconds: wall-clock time.
        memory_gib: address space beyond what the child needs to load the function (enforced on Linux).
        tasks_per_child: a child is replaced after this many tasks, so that slow leaks stay small.
    """

    seconds: float = 120.0
    memory_gib: float = 8.0
    tasks_per_child: int = 256


class IsolatedWorker(Generic[Task, Result]):
    """Calls `function(task)` in a child process that is kept from task to task.

    `function` and everything it holds must be importable by name: a module-level function or a `functools.partial` of
    one. The child dies with its parent: at once when Python code is running, at the task's limit in the worst case.

    Args:
        function: task -> result; both travel by pickle.
        limits: what one task may use.
        warm_up: called once in each child, outside all limits: loads what the first task would have to wait for.
    """

    def __init__(
        self, function: Callable[[Task], Result], limits: Limits, warm_up: Callable[[], object] | None = None
    ) -> None:
        self._payload = pickle.dumps((function, warm_up))
        self._limits = limits
        self._child: _Child | None = None

    def __call__(self, task: Task) -> Result:
        """Run one task.

        Raises:
            ShapeRejected: the function raised it, or stage "timeout", "memory", "crash" or "error" (any other
                exception of the function).
            ShapesysError: the function raised it, or the child could not start.
        """
        child = self.start()
        try:
            return child.run(task)
        except ShapeRejected as rejected:
            if rejected.stage in _FATAL_STAGES:
                self.close()
                self.start()
            raise
        except BaseException:
            self.close()
            raise

    def start(self) -> _Child:
        """The child, started if there is none; its imports then overlap with what the caller does next."""
        if self._child is not None and self._child.served >= self._limits.tasks_per_child:
            self.close()
        if self._child is None:
            self._child = _Child(self._payload, self._limits)
        return self._child

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._child.process.pid if self._child else None

    def close(self) -> None:
        """Kill the child. The next task starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def __enter__(self) -> IsolatedWorker[Task, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FATAL_STAGES = frozenset({"timeout", "memory", "crash"})


class _Child:
    """The process at the other end of a socket."""

    def __init__(self, payload: bytes, limits: Limits) -> None:
        self._limits = limits
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shapesys.samples.isolated_child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=_environment(),
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._ready = False
        self.served = 0
        self._pipe.send((sys.path, payload, limits))

    def run(self, task: Any) -> Any:
        self._wait_until_ready()
        self.served += 1
        try:
            self._pipe.send(task)
            if not self._pipe.poll(self._limits.seconds):
                raise ShapeRejected("timeout", f"took longer than the limit of {self._limits.seconds:g} s per shape")
            status, value = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise self._death() from None
        if status == "raised":
            raise value
        return value

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            if self._pipe.poll(START_SECONDS) and self._pipe.recv() == "ready":
                self._ready = True
                return
        except (EOFError, ConnectionResetError):
            pass
        self.kill()
        raise ShapesysError(f"the isolated process did not start: {self._last_output() or 'it gave no reason'}")

    def _death(self) -> ShapeRejected:
        """Why the child is gone, as far as its exit tells."""
        code = self.process.wait()
        said = self._last_output()
        if code == -signal.SIGKILL or "bad_alloc" in said or "MemoryError" in said:
            return ShapeRejected("memory", "the process was killed by the system, most likely out of memory")
        what = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ShapeRejected("crash", f"the process ended with {what}" + (f": {said}" if said and code > 0 else ""))

    def _last_output(self) -> str:
        """The last line that the child printed, shortened."""
        self._output.seek(0)
        lines = self._output.read()[-4096:].decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._pipe.close()


def _environment() -> dict[str, str]:
    """One thread per child: parallelism comes from many children."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "IGL_NUM_THREADS")
    return dict(os.environ) | dict.fromkeys(names, "1")
