"""Hausdorff distances between all pairs of small point sets, against a loop of SciPy's directed_hausdorff."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import directed_hausdorff

from shapesys.metrics.point_sets import hausdorff_matrix

POINTS = 10
LOOPED = 40
"""Sets whose pairs the loop is timed on."""

PEER = "SciPy, loop over pairs"


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds for one matrix, medians in one process, interleaved; run with one thread."""
    count, repeats = (600, 3) if quick else (2468, 5)
    sets = _sets(count)
    seconds: dict[str, list[float]] = {"ours": [], PEER: []}
    for _ in range(repeats):
        start = time.perf_counter()
        ours = hausdorff_matrix(sets)
        seconds["ours"].append(time.perf_counter() - start)
        start = time.perf_counter()
        theirs = pairwise(sets[:LOOPED])
        pairs = LOOPED * (LOOPED - 1) // 2
        seconds[PEER].append((time.perf_counter() - start) * (count * (count - 1) // 2) / pairs)
        if not np.allclose(ours[:LOOPED, :LOOPED], theirs, rtol=0, atol=1e-6):
            raise RuntimeError("SciPy's distances differ from ours by more than 1e-6")
    medians = {method: float(np.median(times)) for method, times in seconds.items()}
    return [
        {
            "name": "Hausdorff distances between point sets",
            "ours_s": medians.pop("ours"),
            "peers": medians,
            "unit": "s per matrix",
            "note": f"{count} sets of {POINTS} points; the loop, half the matrix too, extrapolated from {LOOPED} sets",
        }
    ]


def pairwise(sets: NDArray[np.float32]) -> NDArray[np.float64]:
    """The symmetric distances of every pair, each measured once, in both directions."""
    wide = sets.astype(np.float64)
    distances = np.zeros((len(wide), len(wide)))
    for i, one in enumerate(wide):
        for j in range(i):
            there, back = directed_hausdorff(one, wide[j])[0], directed_hausdorff(wide[j], one)[0]
            distances[i, j] = distances[j, i] = max(there, back)
    return distances


def _sets(count: int) -> NDArray[np.float32]:
    """Sets on the unit sphere, each around a place of its own."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(count, 1, 3))
    points = centres + 0.5 * rng.normal(size=(count, POINTS, 3))
    return (points / np.linalg.norm(points, axis=2, keepdims=True)).astype(np.float32)
