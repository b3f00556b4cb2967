"""Farthest point sampling against the loop that point-cloud repositories use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from interleaved import interleaved_medians
from numpy.typing import NDArray
from torch import Tensor

from shapesys.geometry.fps import farthest_points

START = 5


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds for one cloud, medians in one process, interleaved; run with one thread."""
    size, count, repeats = (20_000, 256, 3) if quick else (100_000, 1024, 7)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_row(order, points, count, repeats) for order, points in _clouds(size).items()]
    finally:
        torch.set_num_threads(threads)


def _row(order: str, points: NDArray[np.float32], count: int, repeats: int) -> dict[str, Any]:
    tensor = torch.from_numpy(points)
    methods: dict[str, Callable[[], Any]] = {
        "ours": lambda: farthest_points(points, count, START),
        "torch loop": lambda: torch_loop(tensor, count, START).numpy(),
        "our numpy path": lambda: farthest_points(points, count, START, "numpy"),
    }
    answers = {name: call() for name, call in methods.items()}
    for name, answer in answers.items():
        if not np.array_equal(answer, answers["ours"]):
            raise RuntimeError(f"{name} returns other indices than ours")
    medians = interleaved_medians(methods, repeats)
    return {
        "name": f"farthest point sampling, {order}",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": "s per cloud",
        "note": f"{count} of {len(points)} points, start {START}; identical indices",
    }


def torch_loop(points: Tensor, count: int, farthest: int) -> Tensor:
    """The loop of the PointNet++ ports in torch, for one cloud, with its start given."""
    chosen = torch.zeros(count, dtype=torch.long)
    distance = torch.full((len(points),), 1e10)
    for step in range(count):
        chosen[step] = farthest
        squared = torch.sum((points - points[farthest]) ** 2, -1)
        closer = squared < distance
        distance[closer] = squared[closer]
        farthest = int(torch.max(distance, -1)[1])
    return chosen


def _clouds(size: int) -> dict[str, NDArray[np.float32]]:
    """A bumpy surface, shuffled and in scan order."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(size, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = (directions * (1 + 0.1 * np.sin(7 * directions[:, :1]))).astype(np.float32)
    return {"shuffled points": points, "ordered points": points[np.argsort(points[:, 2])]}
