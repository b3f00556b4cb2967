"""PCA saliency and the smoothness of a map (SSR) against SciPy, point by point and vectorised."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shapesys.geometry.surface_variation import surface_variation
from shapesys.metrics.saliency import smoothness

K = 20
LOOPED = 2000
"""Points that the loops are timed on."""

Measured = Callable[[], tuple[float, NDArray[np.float64]]]
"""-> (seconds for the whole cloud, what came out, or came out for the first points)."""


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds for one cloud, medians in one process, interleaved; run with one thread."""
    count, repeats = (20_000, 3) if quick else (100_000, 7)
    points = _bumpy_surface(count)
    saliency = surface_variation(points, K)
    variation: dict[str, Measured] = {
        "ours": _timed(lambda: surface_variation(points, K)),
        "SciPy, loop over points": lambda: _variation_in_a_loop(points),
        "SciPy, vectorised": _timed(lambda: _variation_at_once(points)),
    }
    if find_spec("open3d"):
        variation["Open3D"] = _timed(lambda: _variation_by_open3d(points))
    smooth: dict[str, Measured] = {
        "ours": _timed(lambda: np.array([smoothness(points, saliency, "none")])),
        "SciPy, loop over points": lambda: _smoothness_in_a_loop(points, saliency),
        "SciPy, vectorised": _timed(lambda: np.array([_smoothness_at_once(points, saliency)])),
    }
    note = f"{count} points, loops extrapolated from {LOOPED}; "
    return [
        _row("PCA saliency", variation, repeats, f"{note}the point and {K} others, agreement checked to 1e-4"),
        _row("smoothness of a saliency map", smooth, repeats, f"{note}SciPy's vectorised answer agrees"),
    ]


def _row(name: str, methods: dict[str, Measured], repeats: int, note: str) -> dict[str, Any]:
    """Interleave the methods, so that a noisy machine is noisy for all, and check that they agree."""
    ours = methods["ours"]()[1]
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for _ in range(repeats):
        for method, call in methods.items():
            taken, answer = call()
            seconds[method].append(taken)
            if not np.allclose(answer, ours[: len(answer)], rtol=1e-4, atol=1e-4):
                raise RuntimeError(f"{name}: {method} disagrees with ours")
    medians = {method: float(np.median(times)) for method, times in seconds.items()}
    return {"name": name, "ours_s": medians.pop("ours"), "peers": medians, "unit": "s per cloud", "note": note}


def _timed(call: Callable[[], Any]) -> Measured:
    def measured() -> tuple[float, NDArray[np.float64]]:
        start = time.perf_counter()
        answer = call()
        return time.perf_counter() - start, answer

    return measured


def _variation_in_a_loop(points: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
    """One query for all, then a covariance and its eigenvalues for each; the loop is extrapolated, the query is not."""
    start = time.perf_counter()
    rows = cKDTree(points).query(points, k=K + 1)[1]
    queried = time.perf_counter() - start
    start = time.perf_counter()
    variation = np.zeros(LOOPED)
    for i in range(LOOPED):
        values = np.linalg.eigvalsh(np.cov(points[rows[i]].T))
        variation[i] = values[0] / values.sum()
    return queried + (time.perf_counter() - start) * len(points) / LOOPED, variation


def _variation_at_once(points: NDArray[np.float32]) -> NDArray[np.float64]:
    neighbours = points[cKDTree(points).query(points, k=K + 1)[1]].astype(np.float64)
    offsets = neighbours - neighbours.mean(axis=1, keepdims=True)
    return _shares(offsets.transpose(0, 2, 1) @ offsets)


def _shares(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.linalg.eigvalsh(covariances)
    return values[:, 0] / values.sum(axis=1)


def _variation_by_open3d(points: NDArray[np.float32]) -> NDArray[np.float64]:
    import open3d

    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    cloud.estimate_covariances(open3d.geometry.KDTreeSearchParamKNN(K + 1))
    return _shares(np.asarray(cloud.covariances))


def _smoothness_in_a_loop(
    points: NDArray[np.float32], saliency: NDArray[np.float32]
) -> tuple[float, NDArray[np.float64]]:
    """A query for each point, extrapolated; no answer, since the mean of the first points is not that of all."""
    start = time.perf_counter()
    tree = cKDTree(points)
    built = time.perf_counter() - start
    start = time.perf_counter()
    total = 0.0
    for i in range(LOOPED):
        total += abs(float(saliency[i]) - float(saliency[tree.query(points[i], k=2)[1][1]]))
    return built + (time.perf_counter() - start) * len(points) / LOOPED, np.empty(0)


def _smoothness_at_once(points: NDArray[np.float32], saliency: NDArray[np.float32]) -> float:
    other = cKDTree(points).query(points, k=2)[1][:, 1]
    return float(np.abs(saliency - saliency[other]).mean())


def _bumpy_surface(count: int) -> NDArray[np.float32]:
    directions = np.random.default_rng(0).normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * (1 + 0.1 * np.sin(7 * directions[:, :1]))).astype(np.float32)
