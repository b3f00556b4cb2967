"""Numbers as people read them: a few significant digits, the same decimals down a column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

MISSING = "–"  # noqa: RUF001
_MOST_DECIMALS = 6


def known(value: Any) -> bool:
    """Whether `value` is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def decimals_for(reference: float, digits: int = 3) -> int:
    """Decimals that show `reference` with `digits` significant digits: 0.0132 -> 4."""
    if not known(reference) or reference == 0:
        return digits
    return max(0, digits - 1 - math.floor(math.log10(abs(reference))))


def formatter(reference: float | None, digits: int = 3) -> Callable[[Any], str]:
    """A function that prints numbers with the decimals `reference` needs; scientific where those grow too many."""
    decimals = decimals_for(float("nan") if reference is None else reference, digits)
    pattern = f"{{:,.{decimals}f}}" if decimals <= _MOST_DECIMALS else f"{{:.{digits - 1}e}}"
    return lambda value: pattern.format(value) if known(value) else MISSING


def number(value: Any, digits: int = 3) -> str:
    """One number by itself; whole numbers stay whole."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return formatter(value if known(value) else None, digits)(value)


def duration(seconds: Any) -> str:
    """Seconds as 4.2 s, 3 min 05 s or 2 h 07 min."""
    if not known(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
