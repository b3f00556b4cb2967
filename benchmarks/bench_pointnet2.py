"""PointNet++ against its usual form in PyTorch, ball query against a sort and SciPy, sampling against fpsample."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from interleaved import interleaved_medians
from plain_pointnet2 import PlainClassifier, dense_ball_query, gradients_of_ours, gradients_of_plain
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.geometry.fps import farthest_points
from shapesys.nets.ball_query import ball_groups, ball_query
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.pointnet2 import CLASSIFIER_MSG, CLASSIFIER_SSG, PointNet2Classifier, PointNet2Spec

POINTS, CLASSES, MEASURED_SHAPES, MEMORY_SHAPES = 1024, 40, 4, 32
TOLERANCE = 1e-5


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Medians of the thread's CPU seconds, system calls included, in one process, interleaved, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    batch, repeats = (2, 1) if quick else (16, 5)
    try:
        rows = [
            _training("SSG, closed surface", CLASSIFIER_SSG, bumpy_spheres(batch), repeats),
            _training("SSG, chairs", CLASSIFIER_SSG, chairs(batch), repeats),
        ]
        if not quick:
            rows.append(_training("MSG, closed surface", CLASSIFIER_MSG, bumpy_spheres(8), 3))
        rows += [_ball_query(bumpy_spheres(batch), repeats), *_sampling(quick)]
        with freed_memory_kept():
            for name, points in (("closed surface", bumpy_spheres(batch)), ("chairs", chairs(batch))):
                rows.append(_training(f"SSG, {name}, freed memory kept", CLASSIFIER_SSG, points, repeats))
        return rows
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Have glibc keep freed memory for the next request instead of returning it; without glibc, no change.

    As it comes, every tensor above 32 MiB is fresh memory that the kernel zeroes page by page. In the usual form of a
    step that takes longer than the arithmetic, so a ratio without it says less about the arithmetic.
    """
    most_maps, trim_above = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        yield
        return
    mallopt(most_maps, 0)
    mallopt(trim_above, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(most_maps, 65_536)
        mallopt(trim_above, 128 * 1024)


def _training(name: str, spec: PointNet2Spec, points: Tensor, repeats: int) -> dict[str, Any]:
    """One row: forward and backward of a step, dropout off, centroids given."""
    order = farthest_points(points, 512, 0)
    torch.manual_seed(0)
    ours = PointNet2Classifier(spec, 0, CLASSES, dropout=(0.0, 0.0))
    plain = PlainClassifier(ours)
    differs = deviation(ours, plain, points[:MEASURED_SHAPES], order[:MEASURED_SHAPES])
    steps = {
        "ours": partial(_step, ours, partial(ours, PointBatch(points, order=order)), len(points)),
        "plain PyTorch": partial(_step, plain, partial(plain, points, None, order), len(points)),
    }
    medians = interleaved_medians(steps, repeats, time.thread_time)
    return {
        "name": f"PointNet++ training step, {name}",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": f"CPU s per step of {len(points)} x {POINTS} points",
        "note": f"same weights; outputs and gradients differ by {differs:.0e} in float64; "
        + _memory(ours, plain, points[:MEASURED_SHAPES], order[:MEASURED_SHAPES])
        + f"; the first balls hold {_ball_points(points, order, spec):.0f} points of {spec.levels[0].counts}",
    }


def _memory(ours: PointNet2Classifier, plain: PlainClassifier, points: Tensor, order: Tensor) -> str:
    """What autograd keeps in either form, scaled from few shapes: it grows with the shapes alone."""
    calls = partial(ours, PointBatch(points, order=order)), partial(plain, points, None, order)
    kept = [saved_bytes(call) / len(points) * MEMORY_SHAPES / 2**20 for call in calls]
    return (
        f"storages that autograd keeps for {MEMORY_SHAPES} shapes, each counted once and scaled from {len(points)}: "
        f"{kept[0]:.0f} MiB against {kept[1]:.0f} MiB"
    )


def _ball_points(points: Tensor, order: Tensor, spec: PointNet2Spec) -> float:
    """Mean points in a ball of the first level, copies not counted, all scales together."""
    level = spec.levels[0]
    found = ball_groups(points, gather_points(points, order[:, : level.npoint]), level.radii, level.counts)
    return sum(float(groups.sizes.double().mean()) for groups in found)


def _step(network: nn.Module, forward: Callable[[], Tensor], shapes: int) -> Tensor:
    network.zero_grad(set_to_none=True)
    logits = forward()
    F.cross_entropy(logits, torch.arange(shapes) % CLASSES).backward()
    return logits.detach()


def deviation(ours: PointNet2Classifier, plain: PlainClassifier, points: Tensor, order: Tensor) -> float:
    """Greatest difference of logits and gradients, the latter relative to each tensor's largest, in float64.

    In float32 both forms round differently, and a maximum or a relu that flips moves a gradient by far more than that.
    """
    ours, plain = ours.double(), plain.double()
    wide = points.double()
    logits = _step(ours, partial(ours, PointBatch(wide, order=order)), len(points))
    expected = _step(plain, partial(plain, wide, None, order), len(points))
    found = [float((logits - expected).abs().max())]
    for got, wanted in zip(gradients_of_ours(ours), gradients_of_plain(plain), strict=True):
        found.append(float((got - wanted).abs().max() / wanted.abs().max().clamp_min(TOLERANCE)))
    ours.float()
    plain.float()
    if max(found) > TOLERANCE:
        raise RuntimeError(f"plain PyTorch differs from ours by {max(found):.1e}")
    return max(found)


def saved_bytes(forward: Callable[[], Tensor]) -> int:
    """Bytes of the distinct storages that a forward pass keeps for the backward pass."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(storages.values())


def _ball_query(points: Tensor, repeats: int) -> dict[str, Any]:
    centroids = gather_points(points, farthest_points(points, 512, 0))
    radius, count = 0.2, 32

    def scipy(points: Tensor, centroids: Tensor) -> list[Any]:
        pairs = zip(points.numpy(), centroids.numpy(), strict=True)
        return [cKDTree(cloud).query_ball_point(at, radius, return_sorted=True) for cloud, at in pairs]

    wide, at = points.double(), centroids.double()  # float32 rounds points on the very radius either way
    table, valid = ball_query(wide, at, radius, count)
    if not torch.equal(table, dense_ball_query(wide, at, radius, count)):
        raise RuntimeError("the dense sort finds other balls than ours")
    for shape, balls in enumerate(scipy(wide, at)):
        for row, ball in enumerate(balls):
            if table[shape, row, : valid[shape, row]].tolist() != ball[:count]:
                raise RuntimeError("SciPy finds other balls than ours")
    medians = interleaved_medians(
        {
            "ours": partial(ball_query, points, centroids, radius, count),
            "dense sort": partial(dense_ball_query, points, centroids, radius, count),
            "scipy": partial(scipy, points, centroids),
        },
        repeats,
        time.thread_time,
    )
    return {
        "name": "ball query",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": f"CPU s for {len(points)} x 512 balls among {POINTS} points",
        "note": f"radius {radius}, at most {count}; identical balls; SciPy returns lists, the others padded tables",
    }


def _sampling(quick: bool) -> list[dict[str, Any]]:
    """fpsample's exact methods; its bucket methods start where they like, so ours starts there, too."""
    size, count, repeats = (20_000, 256, 3) if quick else (100_000, 1024, 7)
    try:
        import fpsample
    except ImportError:
        return []  # an optional peer; `pip install fpsample` adds the row
    points = bumpy_spheres(1, size)[0].numpy()
    peers: dict[str, Callable[[], Any]] = {
        "fpsample kdline": lambda: fpsample.bucket_fps_kdline_sampling(points, count, h=7),
        "fpsample": lambda: fpsample.fps_sampling(points, count, start_idx=0),
    }
    for name, call in peers.items():
        answer = np.asarray(call()).astype(np.int64)
        if not np.array_equal(answer, farthest_points(points, count, int(answer[0]))):
            raise RuntimeError(f"{name} returns other indices than ours from the same start")
    methods = {"ours": lambda: farthest_points(points, count, 0)} | peers
    medians = interleaved_medians(methods, repeats, time.thread_time)
    return [
        {
            "name": "farthest point sampling, fpsample",
            "ours_s": medians.pop("ours"),
            "peers": medians,
            "unit": "CPU s per cloud",
            "note": f"{count} of {size} points; identical indices from each method's own start",
        }
    ]


def bumpy_spheres(shapes: int, size: int = POINTS) -> Tensor:
    """(shapes, size, 3) closed surfaces in the unit sphere: the fewest neighbours a cloud can have."""
    directions = F.normalize(torch.randn(shapes, size, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    return _in_unit_sphere(directions * (1 + 0.1 * torch.sin(7 * directions[..., :1])))


def chairs(shapes: int, size: int = POINTS) -> Tensor:
    """(shapes, size, 3) surfaces of a seat, a back and four legs, each a box: thin, with many neighbours."""
    rng = np.random.default_rng(0)
    boxes = np.array(
        [[0, 0, 0, 0.5, 0.05, 0.5], [0, 0.5, -0.45, 0.5, 0.45, 0.05]]
        + [[x, -0.4, z, 0.05, 0.4, 0.05] for x in (-0.45, 0.45) for z in (-0.45, 0.45)]
    )
    areas = 2 * (boxes[:, 3] * boxes[:, 4] + boxes[:, 4] * boxes[:, 5] + boxes[:, 3] * boxes[:, 5])
    clouds = np.empty((shapes, size, 3), np.float32)
    for cloud in clouds:
        box = boxes[rng.choice(len(boxes), size, p=areas / areas.sum())]
        half = box[:, 3:]
        faces = half.prod(axis=1, keepdims=True) / half
        side = np.array([rng.choice(3, p=face / face.sum()) for face in faces])
        offsets = rng.uniform(-1, 1, (size, 3))
        offsets[np.arange(size), side] = rng.choice([-1.0, 1.0], size)
        cloud[:] = box[:, :3] + offsets * half
    return _in_unit_sphere(torch.from_numpy(clouds))


def _in_unit_sphere(points: Tensor) -> Tensor:
    points = points - points.mean(dim=1, keepdim=True)
    return points / points.norm(dim=-1).amax(dim=1)[:, None, None]
