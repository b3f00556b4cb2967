"""Space cut into windows that overlap, and one field made of what each of them says.

Windows are cubes on a regular lattice. Each answers for its core, and a little beyond: there its share falls smoothly
from 1 to 0 while its neighbour's rises, so that the shares at any point sum to 1 and the blended field, and its slope,
are continuous. One field means one extraction: there is nothing to stitch, no seam to close, and nothing done twice.

Legend: n queries, W windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.fields.field import Box, FieldTraits
from shapesys.geometry.mesh import Floats, Ints

Index = tuple[int, int, int]

MOST_WINDOWS = 1 << 20
"""A hundred metres by a hundred, in steps of ten centimetres; more are a mistake of the unit."""


MOST_QUERIES = 1 << 21
"""Whose shares are found at once: some 270 bytes of each."""


@dataclass(frozen=True)
class Asked:
    """What one window is asked.

    Attributes:
        window: which, as (i, j, k) on the lattice.
        points: (m, 3) in the frame of its centre.
    """

    window: Index
    points: Floats


class _Shares(NamedTuple):
    """Of every pair of a query and a window that has a say there: (p,) each."""

    query: Ints
    number: Ints
    share: Floats


@dataclass(frozen=True)
class WindowLattice:
    """Windows over a box.

    Attributes:
        low: corner of the first window's core.
        core: side of the cube that a window answers for.
        blend: width over which neighbours share, half of it on either side of the border between cores.
        counts: windows along x, y and z.

    Raises:
        ShapesysError: more windows than anybody would want.
    """

    low: tuple[float, float, float]
    core: float
    blend: float
    counts: Index

    def __post_init__(self) -> None:
        if int(np.prod([float(count) for count in self.counts])) > MOST_WINDOWS:
            raise ShapesysError(
                f"{' x '.join(map(str, self.counts))} windows of core {self.core:g} are too many; are the network's "
                "windows in another unit than the scene?"
            )

    @classmethod
    def over(cls, box: Box, core: float, blend: float) -> WindowLattice:
        """As few windows as cover the box, about its centre."""
        sides = np.subtract(box.high, box.low)
        counts = np.maximum(np.ceil(sides / core - 1e-9), 1).astype(np.int64)
        low = 0.5 * np.add(box.low, box.high) - 0.5 * core * counts
        return cls(tuple(low.tolist()), core, blend, tuple(counts.tolist()))

    @property
    def count(self) -> int:
        """W."""
        return int(np.prod(self.counts))

    def centre(self, window: Index) -> Floats:
        """(3,) of a window."""
        return np.asarray(self.low) + self.core * (np.asarray(window) + 0.5)

    def seeing(self, points: Floats, side: float) -> list[Index]:
        """The windows about whose centres a cube of this side holds any of the points (n, 3); in order."""
        place = (np.asarray(points, np.float64) - np.asarray(self.low)) / self.core - 0.5
        reach = 0.5 * side / self.core
        counts = np.asarray(self.counts)
        first = np.maximum(np.ceil(place - reach).astype(np.int64), 0)
        last = np.minimum(np.floor(place + reach).astype(np.int64), counts - 1)
        held = np.all(first <= last, axis=1)
        # Of millions of points, few are held by different ranges of windows.
        ranges = np.unique(np.concatenate([first[held], last[held]], axis=1), axis=0)
        first, last = ranges[:, :3], ranges[:, 3:]
        numbers: list[NDArray[np.int64]] = []
        for step in np.ndindex(*(np.max(last - first, axis=0, initial=0) + 1)):
            index = first + step
            numbers.append(np.ravel_multi_index(tuple(index[np.all(index <= last, axis=1)].T), self.counts))
        return [self.window(int(number)) for number in np.unique(np.concatenate(numbers))]

    def owners(self, points: Floats) -> Ints:
        """(n,) numbers of the windows whose cores the points (n, 3) lie in; the nearest of those beyond."""
        place = (np.asarray(points, np.float64) - np.asarray(self.low)) / self.core
        index = np.clip(np.floor(place).astype(np.int64), 0, np.asarray(self.counts) - 1)
        return np.ravel_multi_index(tuple(index.T), self.counts)

    def number(self, window: Index) -> int:
        """Of a window, from 0."""
        return int(np.ravel_multi_index(window, self.counts))

    def window(self, number: int) -> Index:
        """The window of this number."""
        i, j, k = np.unravel_index(number, self.counts)
        return int(i), int(j), int(k)

    def shares(self, points: Floats) -> _Shares:
        """Which windows have a say at the points (n, 3), and how large a share; those of a point sum to 1 where all of
        its windows are on the lattice."""
        place = (np.asarray(points, np.float64) - np.asarray(self.low)) / self.core
        own = np.floor(place).astype(np.int64)
        offset = place - own - 0.5
        width = self.blend / self.core
        # How far a point is into the zone shared with its nearest neighbour along each axis: from 0 to one half.
        into = np.clip((np.abs(offset) - 0.5) / width + 0.5, 0.0, 1.0) if width else np.zeros_like(offset)
        other = into * into * (3.0 - 2.0 * into)
        step = np.where(offset < 0, -1, 1)
        rows, numbers, shares = [], [], []
        for corner in np.ndindex(2, 2, 2):
            share = np.where(np.asarray(corner) == 1, other, 1.0 - other).prod(axis=1)
            index = own + np.asarray(corner) * step
            kept = (share > 0) & np.all((index >= 0) & (index < np.asarray(self.counts)), axis=1)
            rows.append(np.flatnonzero(kept))
            numbers.append(np.ravel_multi_index(tuple(index[kept].T), self.counts))
            shares.append(share[kept])
        return _Shares(np.concatenate(rows), np.concatenate(numbers), np.concatenate(shares))


Answer = Callable[[Sequence[Asked]], Sequence[Floats]]
"""What windows say at their points: values (m,) of each."""


@dataclass(frozen=True)
class BlendedField:
    """One field of many windows.

    Attributes:
        lattice: of the windows.
        windows: numbers of those that see anything, ascending; the others say `elsewhere`.
        answer: what windows say.
        elsewhere: value where no window sees anything.
        traits: of the field.
        seen: (m, 3) points of the scene.
    """

    lattice: WindowLattice
    windows: Ints
    answer: Answer
    elsewhere: float
    traits: FieldTraits
    seen: Floats

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) -> (n,); every window is asked once for all of its points, where these are not more than many."""
        if len(points) <= MOST_QUERIES:
            return self._values(points)
        # Those of a window together, so that each run asks few of them.
        order = np.argsort(self.lattice.owners(points), kind="stable")
        found = np.empty(len(points), np.float32)
        for start in range(0, len(points), MOST_QUERIES):
            rows = order[start : start + MOST_QUERIES]
            found[rows] = self._values(points[rows])
        return found

    def _values(self, points: Floats) -> Floats:
        shares = self.lattice.shares(points)
        seeing = np.isin(shares.number, self.windows)
        query, number, share = (column[seeing] for column in shares)
        order = np.argsort(number, kind="stable")
        query, number, share = query[order], number[order], share[order]
        present, first = np.unique(number, return_index=True)
        groups = np.split(query, first[1:])
        asked = [self._asked(int(one), points[rows]) for one, rows in zip(present, groups, strict=False)]
        said = np.concatenate(self.answer(asked)) if asked else np.empty(0)
        total = np.bincount(query, share * said, minlength=len(points))
        told = np.bincount(query, share, minlength=len(points))
        found: Floats = (total + (1.0 - told) * self.elsewhere).astype(np.float32)
        return found

    def attributes(self, points: Floats) -> dict[str, Floats]:
        """None."""
        return {}

    def _asked(self, number: int, points: Floats) -> Asked:
        window = self.lattice.window(number)
        return Asked(window, (points - self.lattice.centre(window)).astype(np.float32))
