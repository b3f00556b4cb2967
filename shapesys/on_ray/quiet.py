"""Keeps Ray's own talk off the terminal; what goes wrong is raised as an exception, not printed."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

_HARMLESS = b"has constructor arguments in the object store and max_restarts > 0"
"""Ray's core says this of every actor pool of Ray Data: past its log level, straight to the file descriptor."""


def divert_messages() -> None:
    """Ray prints what its services tell the driver on standard output, where results go; log it instead."""
    worker: Any = import_module("ray._private.worker")
    worker.print_to_stdstream = _on_message


def _on_message(data: dict[str, Any], **_: Any) -> None:
    """A lost process is news: it explains a pause. The rest is for whoever asks for it."""
    text = " ".join(data["lines"])
    lost = re.search(r"A worker died or was killed.*Worker PID: (\d+)", text, re.DOTALL)
    if lost:
        _log.warning("process %s of Ray died (out of memory, or killed); its work is taken up again", lost[1])
    else:
        _log.debug(text)


@contextlib.contextmanager
def actor_pool_starts() -> Iterator[None]:
    """A block in which the core's remark on actor pools is dropped and all else on standard error passes."""
    sys.stderr.flush()
    original, (source, sink) = os.dup(2), os.pipe()
    os.dup2(sink, 2)
    os.close(sink)
    thread = threading.Thread(target=_forward, args=(source, original), name="stderr", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(original, 2)
        thread.join(timeout=5)
        os.close(original)


@contextlib.contextmanager
def silence_of_tune() -> Iterator[None]:
    """A block in which Ray Tune prints nothing; its remarks on trials come even at the lowest verbosity."""
    logger = logging.getLogger("ray.tune")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        logger.setLevel(before)


def _forward(source: int, target: int) -> None:
    with os.fdopen(source, "rb", buffering=0) as stream:
        while chunk := stream.read(65_536):
            kept = [line for line in chunk.splitlines(keepends=True) if _HARMLESS not in line]
            os.write(target, b"".join(kept))
