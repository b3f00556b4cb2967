"""Refuse work that cannot fit, before it starts."""

from __future__ import annotations

import os

from shapesys.errors import ShapesysError

BYTES_PER_CELL = 600
"""Peak of keys, values, points and triangles per cell that the surface crosses (measured: 460 to 500)."""

GIB = 1 << 30


def available_bytes() -> int:
    """Memory that is free now; half of all memory where the system does not tell."""
    page = os.sysconf("SC_PAGE_SIZE")
    try:
        return page * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return page * os.sysconf("SC_PHYS_PAGES") // 2


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
