"""Reading a training step from the sample store, against reading whole DeepSDF-style npz files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.samples.commit import Fresh, commit
from shapesys.samples.filesystem import Folder
from shapesys.samples.manifest import Manifest
from shapesys.samples.parts import bucket_of
from shapesys.samples.store import Store

QUERIES = 250_000
CHUNK = 16_384
CHUNKS = -(-QUERIES // CHUNK)
BUCKETS = 4

Samples = NDArray[np.float32]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds per step, medians in one process, files in the page cache, other shapes and chunks at every step."""
    shapes, steps = (6, 4) if quick else (24, 16)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ids = [f"shape/{number:04d}" for number in range(shapes)]
        samples = {shape_id: _samples(index) for index, shape_id in enumerate(ids)}
        store = _write_store(root / "store", samples)
        _write_npz(root, samples)
        return [_row(store, root, ids, batch, steps) for batch in (4, 48)]


def _row(store: Store, root: Path, ids: list[str], batch: int, steps: int) -> dict[str, Any]:
    rng = np.random.default_rng(batch)
    plan = [(step % CHUNKS, [ids[i] for i in rng.integers(len(ids), size=batch)]) for step in range(steps)]
    names = [f"{number:04d}" for number in range(len(ids))]
    methods: dict[str, Callable[[int, list[str]], Any]] = {
        "ours": lambda chunk, chosen: store.read_chunk("sdf", chunk, chosen),
        "whole npz files": lambda chunk, chosen: [_deepsdf(root, shape_id, rng) for shape_id in chosen],
        "memory copy": lambda chunk, chosen: _copy(batch),
    }
    for chunk in range(CHUNKS):
        store.read_chunk("sdf", chunk, ids)
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for chunk, chosen in plan:
        for name, read in methods.items():
            start = time.perf_counter()
            read(chunk, chosen)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    return {
        "name": f"feed, {batch} shapes x {CHUNK} queries",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": "s per step",
        "note": f"{QUERIES} queries per shape, {len(names)} shapes; the copy of the same bytes in memory is the floor",
    }


def _samples(seed: int) -> Samples:
    """(QUERIES, 4) points and distances of a ball."""
    points = np.random.default_rng(seed).uniform(-1, 1, (QUERIES, 3)).astype(np.float32)
    return np.concatenate([points, np.linalg.norm(points, axis=1, keepdims=True) - np.float32(0.5)], axis=1)


def _write_store(root: Path, samples: dict[str, Samples]) -> Store:
    manifest = Manifest({}, ("sdf",), {"sdf": (CHUNKS, CHUNK)}, BUCKETS)
    folder = Folder(str(root))
    manifest.save(folder)
    for bucket in range(BUCKETS):
        held = [shape_id for shape_id in samples if bucket_of(shape_id, BUCKETS) == bucket]
        commit(folder, manifest, bucket, [_outcome(shape_id, samples[shape_id]) for shape_id in held])
    return Store.open(str(root))


def _outcome(shape_id: str, samples: Samples) -> Fresh:
    order = np.resize(np.arange(QUERIES), (CHUNKS, CHUNK))
    rows = [{"points": samples[chunk, :3], "distance": samples[chunk, 3]} for chunk in order]
    shape = {
        "shape_id": shape_id, "category": "shape", "split": "train", "source": "", "digest": shape_id,
        "centre": [0.0, 0.0, 0.0], "scale": 1.0, "faces": 0, "watertight": True, "symmetry_plane": [],
        "sign_method": "", "sign_undecided": 0.0, "sign_quality": 1.0, "inside_share": 0.0, "parts": [],
        "sampler": "{}",
    }  # fmt: skip
    return Fresh(shape_id, shape_id, shape, None, {"sdf": rows})


def _write_npz(root: Path, samples: dict[str, Samples]) -> None:
    for shape_id, rows in samples.items():
        inside = rows[:, 3] <= 0
        np.savez(root / f"{shape_id.replace('/', '_')}.npz", pos=rows[~inside], neg=rows[inside])


def _deepsdf(root: Path, shape_id: str, rng: np.random.Generator) -> Samples:
    """DeepSDF's `unpack_sdf_samples`: the whole file, then half the queries from outside and half from inside."""
    with np.load(root / f"{shape_id.replace('/', '_')}.npz") as file:
        halves = [file["pos"], file["neg"]]
    return np.concatenate([half[rng.integers(len(half), size=CHUNK // 2)] for half in halves])


def _copy(batch: int) -> Samples:
    return np.ones((batch, CHUNK, 4), dtype=np.float32).copy()
