"""How far an inference that takes iterations has come, told to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OnStep = Callable[[int, int], None]
"""Called with (iterations done, iterations in all)."""

_HEARER: ContextVar[OnStep | None] = ContextVar("hearer of inference's steps", default=None)


@contextmanager
def heard_by(on_step: OnStep | None) -> Iterator[None]:
    """While this lasts, inference in this thread tells its steps to `on_step`."""
    token = _HEARER.set(on_step)
    try:
        yield
    finally:
        _HEARER.reset(token)


def tell(done: int, total: int) -> None:
    """Iterations done of all, to whoever waits; nobody may."""
    hearer = _HEARER.get()
    if hearer is not None:
        hearer(done, total)
