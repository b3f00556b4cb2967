"""The errors users meet: each names the thing, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ShapesysError(Exception):
    """Something the user can act on. The command line prints the message alone and exits 1."""


class UsageError(ShapesysError):
    """A wrong flag, name or value. The command line prints the message alone and exits 2."""


class ShapeRejected(ShapesysError):
    """One shape cannot be used; the job goes on and records `stage` and `reason` in the rejected table."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason

    def __reduce__(self) -> tuple[type[ShapeRejected], tuple[str, str]]:
        return type(self), (self.stage, self.reason)


class MissingExtra(ShapesysError):
    """What was asked for needs an optional dependency that is not installed."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """A `UsageError` for a misspelt name, with the nearest known names first."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UsageError(f"unknown {kind} '{name}'; {hint}")


def in_words(error: BaseException) -> str:
    """An error for a person: our own as it is, any other with its class."""
    return str(error) if isinstance(error, ShapesysError) else f"{type(error).__name__}: {error}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text; its class where it has none."""
    return _first_line_or(type(error).__name__, error)


def class_and_line(error: BaseException) -> str:
    """The class and the first line of a foreign error's text, without its full stop."""
    return f"{type(error).__name__}: {_first_line_or('no message', error).rstrip('.')}"


def _first_line_or(otherwise: str, error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else otherwise


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """The error for an optional dependency that is not installed."""
    way_out = f"pip install 'shapesys[{extra}]'"
    return MissingExtra(f"{purpose} needs '{package}', which is not installed; install it with: {way_out}")
