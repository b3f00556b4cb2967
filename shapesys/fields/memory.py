"""Refuse work that cannot fit, before it starts."""

from __future__ import annotations

import math
from pathlib import Path

import psutil

from shapesys.errors import ShapesysError

BYTES_PER_CELL = 600
"""Peak of keys, values, points and triangles per cell that the surface crosses (measured: 460 to 500)."""

GIB = 1 << 30


_CONTAINER = Path("/sys/fs/cgroup")


def available_bytes() -> float:
    """Memory that can be had now, that of cached files among it, by this machine and by a container's limit."""
    return min(psutil.virtual_memory().available, _left_in(_CONTAINER))


def _left_in(group: Path) -> float:
    """What the processes of a Linux control group may still take; unbounded where nothing bounds it."""
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        of_files = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())["inactive_file"]
    except (OSError, ValueError, KeyError):
        return math.inf
    return max(0.0, limit - used + int(of_files))


def require(needed: float, limit_gib: float | None, work: str) -> None:
    """Raise unless `needed` bytes lie within the limit, or within nine tenths of the free memory without one.

    Raises:
        ShapesysError: naming the work, the estimate, the limit, and what to change.
    """
    free = available_bytes()
    allowed = 0.9 * free if limit_gib is None else limit_gib * GIB
    if needed <= allowed:
        return
    origin = "memory_limit_gib" if limit_gib is not None else "nine tenths of what is free"
    raise ShapesysError(
        f"{work} needs about {needed / GIB:.3g} GiB, but {allowed / GIB:.3g} GiB are allowed ({origin}; "
        f"{free / GIB:.3g} GiB are free); lower the resolution, or free memory"
    )
