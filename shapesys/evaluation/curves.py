"""How numbers went while shapes were optimised at test time: one small file per shape, and the median over shapes.

    curves/<shape>.npz    name -> (n,) float32, the number in iterations 0 to n - 1

Legend: S shapes, T iterations of the longest curve.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.geometry.write import write_whole
from shapesys.training.run_dir import EvaluationDirectory

MOST_SHAPES = 2_000
"""Shapes that a median is taken over; of more, as many are read, spread evenly over their ids."""

Curve = NDArray[np.float32]
"""(n,) values by iteration."""


def write_curves(curves: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a shape's curves; the file appears whole, or the old one stays."""
    arrays: dict[str, Any] = {name: np.asarray(values, np.float32) for name, values in curves.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def read_curves(path: Path) -> dict[str, Curve]:
    """The curves of a shape by name.

    Raises:
        ShapesysError: the file is missing, damaged, or holds something else.
    """
    try:
        held = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise ValueError("a single array without a name")
        return {name: _checked(name, held[name]) for name in held.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ShapesysError(f"cannot read the curves in {path} ({error}); delete it: pages do without") from error


def _checked(name: str, values: np.ndarray) -> Curve:
    if values.ndim != 1 or values.dtype != np.float32:
        raise ValueError(f"'{name}' is {values.dtype} of shape {values.shape}, and no (n,) float32")
    return values


@dataclass(frozen=True)
class Spread:
    """One curve of many shapes: quartiles by iteration over the shapes that still ran.

    Attributes:
        lengths: (S,) iterations of each shape.
        firsts, lasts: (S,) values of each shape at its first and at its last iteration.
        lower, median, upper: (T,) quartiles; NaN where no shape has a finite value.
    """

    lengths: NDArray[np.int64]
    firsts: Curve
    lasts: Curve
    lower: Curve
    median: Curve
    upper: Curve

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Spread:
        """Of curves of at least one iteration each."""
        lengths = np.array([len(curve) for curve in curves])
        quartiles = np.full((3, lengths.max()), np.nan, np.float32)
        for at in range(lengths.max()):
            values = np.array([curve[at] for curve in curves if at < len(curve)])
            if (finite := values[np.isfinite(values)]).size:
                quartiles[:, at] = np.percentile(finite, (25, 50, 75))
        firsts, lasts = (np.array([curve[end] for curve in curves]) for end in (0, -1))
        return cls(lengths, firsts, lasts, *quartiles)

    def running(self, iteration: int) -> int:
        """How many shapes got as far as an iteration, from 0."""
        return int((self.lengths > iteration).sum())


@dataclass(frozen=True)
class KeptCurves:
    """What an evaluation kept of its shapes' optimisation.

    Attributes:
        spreads: the curve's name -> its quartiles; the names in the order of the alphabet.
        read: shapes that these are over.
        of: shapes that have curves.
    """

    spreads: Mapping[str, Spread]
    read: int = 0
    of: int = 0


def kept_curves(directory: EvaluationDirectory) -> KeptCurves:
    """The quartiles of all curves that an evaluation kept; damaged files are passed over."""
    files = directory.kept_curves()
    places = np.unique(np.linspace(0, len(files) - 1, min(MOST_SHAPES, len(files))).astype(int))
    found = [curves for curves in (_readable(files[place]) for place in places) if curves]
    names = sorted({name for curves in found for name in curves})
    spreads = {name: Spread.of([curves[name] for curves in found if name in curves]) for name in names}
    return KeptCurves(spreads, len(found), len(files))


def _readable(path: Path) -> dict[str, Curve]:
    try:
        return {name: values for name, values in read_curves(path).items() if len(values)}
    except ShapesysError:
        return {}
