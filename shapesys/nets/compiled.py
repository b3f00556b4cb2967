"""Loops that numba compiles when they are first called. Imported lazily: numba is optional."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from shapesys.errors import missing_extra
from shapesys.geometry.kernel_cache import is_writable, own_folder

Loop = TypeVar("Loop", bound=Callable[..., Any])

_REORDERED = {"contract", "reassoc", "nsz", "arcp"}
"""Sums may be taken in the order that is fastest on this machine; what is not finite stays so."""


def _use_writable_cache() -> None:
    """Workers often have no writable home, and packages lie where nobody may write."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    if not (is_writable(Path(__file__).parent) or is_writable(Path.home())):
        os.environ["NUMBA_CACHE_DIR"] = str(own_folder("numba"))


def compiled(loop: Loop) -> Loop:
    """The loop as machine code for arrays in C order, without Python's lock; kept on disk.

    Raises:
        MissingExtra: numba is not installed.
    """
    try:
        from numba import njit
    except ImportError:
        raise missing_extra("numba", "svm", "support vector machines") from None
    made: Loop = njit(cache=True, nogil=True, fastmath=_REORDERED, error_model="numpy")(loop)
    return made


_use_writable_cache()
