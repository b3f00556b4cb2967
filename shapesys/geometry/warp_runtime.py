"""The warp package, started quietly and with a kernel cache it can write. Imported lazily: warp is optional."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import warp as wp

from shapesys.geometry.kernel_cache import is_writable, own_folder


def _has_cuda_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """warp's native code prints a line for every process without a CUDA driver, past any log level."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _use_writable_cache() -> None:
    """Workers often have no writable home; compiled kernels then go to the temporary folder."""
    if os.environ.get("WARP_CACHE_PATH") or wp.config.kernel_cache_dir:
        return
    if not is_writable(Path.home() / ".cache"):
        wp.config.kernel_cache_dir = str(own_folder("warp"))


wp.config.log_level = wp.LOG_ERROR
_use_writable_cache()
if sys.platform == "linux" and not _has_cuda_driver():
    with _stderr_muted():
        wp.init()
else:
    wp.init()
