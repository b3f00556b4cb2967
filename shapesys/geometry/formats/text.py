"""Rows of numbers in text, parsed at once: the shared ground of the OFF, OBJ, PLY and XYZ readers."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Possessive quantifiers: a hostile token of millions of digits must not cost its square.
_NOT_A_NUMBER = re.compile(
    rb"(?<!\S)(?![+-]?(?:\d++\.?+\d*+|\.\d++)(?:e[+-]?\d++)?+(?!\S)|[+-]?(?:nan|inf)(?!\S))\S{1,40}", re.IGNORECASE
)
_SPACE = 32
_NEWLINE = 10


@dataclass(frozen=True)
class Rows:
    """The numbers of a text by line; blank lines leave no row.

    Attributes:
        values: (n,) float64, all numbers in reading order.
        starts: (r,) index into `values` of each row's first number.
        lengths: (r,) how many numbers each row has.
    """

    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: slice) -> Rows:
        return Rows(self.values, self.starts[rows], self.lengths[rows])

    def columns(self, count: int, what: str) -> NDArray[np.float64]:
        """(r, count): the first numbers of each row.

        Raises:
            ValueError: a row is shorter; `what` names the rows.
        """
        short = np.flatnonzero(self.lengths < count)
        if len(short):
            found = int(self.lengths[short[0]])
            raise ValueError(f"{what} {int(short[0])} has {found} numbers, expected at least {count}")
        return self.values[self.starts[:, None] + np.arange(count)]


def number_rows(text: bytes) -> Rows:
    """Parse whitespace-separated numbers, keeping the line structure.

    Raises:
        ValueError: something is not a number; the message quotes it.
    """
    letters = np.frombuffer(text.replace(b"\r", b"\n") if b"\r" in text else text, dtype=np.uint8)
    blank = letters <= _SPACE
    begins = ~blank
    begins[1:] &= blank[:-1]
    ends_of_line = np.append(np.flatnonzero(letters == _NEWLINE), len(letters) - 1) if len(letters) else [0]
    seen = np.cumsum(begins)[ends_of_line] if len(letters) else np.zeros(1, dtype=np.int64)
    lengths = np.diff(seen, prepend=0).astype(np.int64)
    lengths = lengths[lengths > 0]
    values = _numbers(text, int(lengths.sum()), begins)
    return Rows(values, np.cumsum(lengths) - lengths, lengths)


def _numbers(text: bytes, expected: int, begins: NDArray[np.bool_]) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = np.fromstring(text, dtype=np.float64, sep=" ") if expected else np.empty(0)
        except (DeprecationWarning, ValueError):
            values = np.empty(0)
    if len(values) != expected:
        raise ValueError(f"'{_first_non_number(text)}' is not a number")
    return values


def _first_non_number(text: bytes) -> str:
    found = _NOT_A_NUMBER.search(text)
    return (found.group() if found else text)[:40].decode("ascii", "replace")


def without_comments(text: bytes) -> bytes:
    """Drop everything from ``#`` to the end of each line."""
    return re.sub(rb"#[^\r\n]*", b"", text) if b"#" in text else text


def gather(values: NDArray[np.float64], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Concatenate the runs ``values[start : start + size]``."""
    offsets = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return values[offsets + np.arange(len(offsets))]


def whole_numbers(values: NDArray[np.float64], what: str) -> NDArray[np.int64]:
    """Cast to int64.

    Raises:
        ValueError: a value is not a whole number that fits in 53 bits; `what` names it.
    """
    wrong = ~(np.abs(values) < 2.0**53) | (values != np.floor(values))
    if wrong.any():
        raise ValueError(f"{what} {values[wrong][0]:g} is not a whole number")
    return values.astype(np.int64)
