"""The child side of `shapesys.samples.isolation`: ``python -m shapesys.samples.isolated_child <socket>``."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from shapesys.errors import ShapeRejected, ShapesysError

_GRACE_SECONDS = 5
"""The parent enforces the limit; the alarm only ends a child whose parent is gone."""


def main() -> None:
    """Load the function, then serve tasks until the socket closes."""
    pipe = Connection(int(sys.argv[1]))
    search_path, payload, limits = pipe.recv()
    sys.path[:] = search_path
    function, warm_up = pickle.loads(payload)
    if warm_up is not None:
        warm_up()
    _limit_memory(limits.memory_gib)
    # An orphan must die even where native code holds the interpreter: so it does by SIGALRM's default action.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    tasks = _received(pipe)
    pipe.send("ready")
    while True:
        task = tasks.get()
        signal.alarm(math.ceil(limits.seconds) + _GRACE_SECONDS)
        answer = _outcome(function, task, limits.memory_gib)
        signal.alarm(0)
        pipe.send(answer)


def _received(pipe: Connection) -> queue.SimpleQueue[Any]:
    """Tasks as they arrive; the process ends when the parent closes the socket or dies, even in mid-task."""
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def receive() -> None:
        while True:
            try:
                tasks.put(pipe.recv())
            except (EOFError, OSError):
                os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    return tasks


def _outcome(function: Callable[[Any], Any], task: Any, memory_gib: float) -> tuple[str, Any]:
    try:
        return "returned", function(task)
    except ShapesysError as error:
        return "raised", error
    except MemoryError:
        return "raised", ShapeRejected("memory", f"needs more than the limit of {memory_gib:g} GiB per shape")
    except Exception as error:
        return "raised", ShapeRejected("error", f"{type(error).__name__}: {error}"[:500])


def _limit_memory(gib: float) -> None:
    """Cap the address space at what is loaded now plus the allowance, where the system supports it."""
    used = 0
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + int(gib * 2**30), hard))


if __name__ == "__main__":
    main()
