"""Keeps Ray's own talk off the terminal; what goes wrong is raised as an exception, not printed."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


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
