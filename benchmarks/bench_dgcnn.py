"""DGCNN's classifier and its neighbour search against the usual implementation, which keeps all edges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import interleaved_medians
from plain_dgcnn import PlainClassifier, plain_neighbours, weights_of
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.dgcnn import DGCNNClassifier
from shapesys.nets.neighbours import k_nearest_rows
from shapesys.nets.point_batch import PointBatch

POINTS, K, CLASSES = 1024, 20, 40
MEMORY_BATCH = 32
STATUS = Path("/proc/self/status")


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds of a training step and of neighbour searches, medians in one process, interleaved; one thread."""
    batch, repeats = (4, 3) if quick else (16, 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_step_row(batch, repeats, quick), *(_search_row(channels, batch, repeats) for channels in (3, 64))]
    finally:
        torch.set_num_threads(threads)


def _step_row(batch: int, repeats: int, quick: bool) -> dict[str, Any]:
    clouds, labels = _clouds(batch)
    _require_equal(clouds[:2].double(), labels[:2])
    ours, peers = _networks(torch.float32)
    steps = {"ours": lambda: _step(ours, PointBatch(clouds), labels)}
    steps |= {name: lambda net=net: _step(net, clouds, labels) for name, net in peers.items()}
    seconds = interleaved_medians(steps, repeats)
    return {
        "name": "DGCNN training step",
        "ours_s": seconds.pop("ours") / batch,
        "peers": {name: value / batch for name, value in seconds.items()},
        "unit": "s per cloud",
        "note": f"{batch} clouds of {POINTS} points, k {K}, forward and backward, float32; equal outputs and gradients "
        f"to 1e-9 in float64{'' if quick else '; ' + _memory_note()}",
    }


def _search_row(channels: int, batch: int, repeats: int) -> dict[str, Any]:
    clouds = _clouds(batch)[0] if channels == 3 else _smooth_features(batch, channels)
    searches: dict[str, Callable[[], Any]] = {
        "ours": lambda: k_nearest_rows(clouds, K),
        "scipy cKDTree": lambda: [cKDTree(cloud).query(cloud, K)[1] for cloud in clouds.numpy()],
        "dense distances, topk": lambda: plain_neighbours(clouds.transpose(1, 2), K, "topk"),
        "dense distances, sort": lambda: plain_neighbours(clouds.transpose(1, 2), K, "sort"),
    }
    found, expected = (torch.as_tensor(np.stack(searches[name]())) for name in ("ours", "scipy cKDTree"))
    _require_close(_distances(clouds, found), _distances(clouds, expected), 1e-5, "neighbours of ours and scipy")
    seconds = interleaved_medians(searches, repeats)
    return {
        "name": f"nearest {K} of {POINTS}, {channels} channels",
        "ours_s": seconds.pop("ours") / batch,
        "peers": {name: value / batch for name, value in seconds.items()},
        "unit": "s per cloud",
        "note": f"{batch} clouds; distances of the neighbours within 1e-5 of scipy's",
    }


def _networks(dtype: torch.dtype) -> tuple[DGCNNClassifier, dict[str, PlainClassifier]]:
    """Ours, and peers with the same weights; without dropout, whose masks differ."""
    torch.manual_seed(0)
    ours = DGCNNClassifier(0, CLASSES, K, dropout=(0.0, 0.0)).to(dtype)
    return ours, {
        "plain, topk": PlainClassifier(ours, "topk"),
        "plain, full sort": PlainClassifier(ours, "sort"),
    }


def _step(network: torch.nn.Module, clouds: Any, labels: Tensor) -> Tensor:
    network.zero_grad(set_to_none=True)
    logits: Tensor = network(clouds)
    F.cross_entropy(logits, labels).backward()
    return logits.detach()


def _require_equal(clouds: Tensor, labels: Tensor) -> None:
    """Compare outputs and gradients of all weights in float64, where no two distances round to the other order."""
    ours, peers = _networks(torch.float64)
    logits = _step(ours, PointBatch(clouds), labels)
    for name, peer in peers.items():
        _require_close(logits, _step(peer, clouds, labels), 1e-9, f"outputs of ours and {name}")
        for mine, theirs in zip(weights_of(ours), peer.gradients(), strict=True):
            assert mine.grad is not None
            _require_close(mine.grad, theirs, 1e-9, f"gradients of ours and {name}")


def _require_close(found: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    error = float((found - expected).abs().max() / expected.abs().max())
    if not error <= tolerance:
        raise RuntimeError(f"{what} differ by {error:.1e} of the largest")


def _clouds(batch: int) -> tuple[Tensor, Tensor]:
    """Bumpy spheres and boxes, (batch, POINTS, 3), and labels."""
    generator = torch.Generator().manual_seed(1)
    directions = F.normalize(torch.randn(batch, POINTS, 3, generator=generator), dim=2)
    directions[::2] /= directions[::2].abs().amax(dim=2, keepdim=True)
    bumps = 1 + 0.1 * torch.sin(7 * directions[..., :1])
    return directions * bumps, torch.randint(0, CLASSES, (batch,), generator=generator)


def _smooth_features(batch: int, channels: int) -> Tensor:
    """What a layer makes of positions: (batch, POINTS, channels)."""
    generator = torch.Generator().manual_seed(2)
    return F.leaky_relu(_clouds(batch)[0] @ torch.randn(3, channels, generator=generator), 0.2)


def _distances(clouds: Tensor, neighbours: Tensor) -> Tensor:
    """(B, N, k) from each point to its neighbours, ascending."""
    near = torch.stack([cloud[rows] for cloud, rows in zip(clouds.double(), neighbours, strict=True)])
    return (near - clouds.double().unsqueeze(2)).norm(dim=3).sort(dim=2).values


def _memory_note() -> str:
    """Peak memory of one step of each, in processes of their own."""
    if not STATUS.exists():
        return "peak memory is measured on Linux only"
    words = [sys.executable, str(Path(__file__).resolve())]
    grown = {
        name: float(subprocess.run([*words, name], capture_output=True, text=True, check=True).stdout)
        for name in ("ours", "plain, topk")
    }
    said = ", ".join(f"{name} {size:.2f} GiB" for name, size in grown.items())
    return f"peak memory of a step at batch {MEMORY_BATCH} (by how much VmHWM of a fresh process grows): {said}"


def _memory_of(name: str) -> float:
    """GiB by which one step raises this process's largest resident set, after a small one that loads what is needed."""
    torch.set_num_threads(1)
    ours, peers = _networks(torch.float32)
    clouds, labels = _clouds(MEMORY_BATCH)
    peaks = []
    for count in (2, MEMORY_BATCH):
        points, wanted = clouds[:count], labels[:count]
        _step(ours, PointBatch(points), wanted) if name == "ours" else _step(peers[name], points, wanted)
        peaks.append(_peak())
    return peaks[1] - peaks[0]


def _peak() -> float:
    """GiB of the largest resident set so far. getrusage would count that of the process which started this one."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    sys.stdout.write(str(_memory_of(sys.argv[1])))
