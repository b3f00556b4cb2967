"""Everything but the work, at any number of shapes: planning, commits, opening a store, plans, placing buckets.

    python benchmarks/simulate_metadata.py --shapes 1000000

Every stage runs in a process of its own, so that its peak memory can be told. The store it makes has the commit
records of a real one (source, ids, digests, parts) and no samples: preparing it again is real, and has nothing to do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bench_evaluate_scale import _Watch as Watch

from shapesys.samples import prepare as preparation
from shapesys.samples.commit import Fresh, commit, sweep
from shapesys.samples.parts import COMMIT_VIEW, Part, encode, part_key
from shapesys.samples.prepare import Bucket, Work
from shapesys.samples.settings import PrepareConfig, QueryConfig
from shapesys.samples.store import Store
from shapesys.samples.views import VIEWS
from shapesys.sources.procedural import CATEGORIES, ProceduralSource

SETTINGS = PrepareConfig(views=("meshes", "sdf", "occupancy", "cloud"))
"""The paper's chunks: a part has as many files as a real one."""
COMMITTED_BUCKETS = 24
NO_OP_ITEMS = 20_000
SOME_STEPS = 200
CODE_LENGTH, CODE_STEPS = 256, 5
MOST_CODES = 1_000_000
"""Of the paper's length they take 4 GB with their gradients and Adam's moments."""

Measured = dict[str, float]
_ROW = {
    "source": "procedural", "centre": [0.0, 0.0, 0.0], "scale": 1.0, "faces": 1, "watertight": True,
    "symmetry_plane": [], "sign_method": "winding", "sign_undecided": 0.0, "sign_quality": 1.0, "inside_share": 0.1,
    "parts": [], "sampler": json.dumps(SETTINGS.recorded(), sort_keys=True),
}  # fmt: skip


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, default=10_000, help="shapes in all, at least one of each category")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="what to measure")
    parser.add_argument("--folder", type=Path, help="keep the store here, and use the one that is here")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(options.folder or temporary)
        for name in options.stages:
            _tell(
                {"stage": name, "shapes": options.shapes} | _alone(STAGES[name], options.shapes, folder), options.json
            )
    return 0


def _alone(stage: Callable[[int, str], Measured], shapes: int, folder: str) -> Measured:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(stage, (shapes, folder))


def _tell(measured: dict[str, Any], as_json: bool) -> None:
    if as_json:
        line = json.dumps(measured)
    else:
        facts = (f"{name} {value:,.4g}" for name, value in measured.items() if name != "stage")
        line = f"{measured['stage']:10} " + ", ".join(facts)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def source(shapes: int) -> ProceduralSource:
    """The built-in source with about this many shapes."""
    return ProceduralSource(ProceduralSource.Settings(count=max(1, shapes // len(CATEGORIES))))


def plan(shapes: int, folder: str) -> Measured:
    """Census and plan of a preparation."""
    watch = Watch()
    census = source(shapes).census()
    watch.lap("census s")
    del census
    _, buckets, _ = preparation.plan(source(shapes), f"{folder}/planned", SETTINGS, retry=False)
    watch.lap("census and plan s")
    return watch.measured | {"buckets": len(buckets)}


def commits(shapes: int, folder: str) -> Measured:
    """Commits of whole buckets whose samples are a single query, into a store of their own."""
    few = single_queries(SETTINGS)
    work, buckets, _ = preparation.plan(source(shapes), f"{folder}/committed", few, retry=False)
    watch = Watch()
    chosen = buckets[:COMMITTED_BUCKETS]
    for bucket in chosen:
        outcomes = [_fresh(work, ref) for ref in bucket.shapes]
        commit(work.folder, work.manifest, bucket.number, outcomes)
    watch.lap("seconds")
    rows = sum(len(bucket.shapes) for bucket in chosen)
    return watch.measured | {"rows": rows, "ms per row": 1000 * watch.measured["seconds"] / rows}


def single_queries(settings: PrepareConfig) -> PrepareConfig:
    """As many chunks as before, of one query each."""
    return settings.model_copy(update={"sdf": QueryConfig(count=settings.sdf.chunks, chunk=1)})


def _fresh(work: Work, ref: Any) -> Fresh:
    point = np.zeros((1, 3), np.float32)
    single = {"points": point, "distance": np.zeros(1, np.float32)}
    samples = {
        "sdf": [single] * work.settings.sdf.chunks,
        "meshes": [{"vertices": point, "faces": np.zeros((1, 3), np.int32), "face_labels": np.zeros(1, np.int32)}],
        "cloud": [{"points": point, "normals": point, "colors": point[:0], "labels": np.zeros(1, np.int32)}],
        "occupancy": [{"points": point, "inside": np.zeros(1, bool)}],
    }
    digest = work.digest_of(ref)
    return Fresh(ref.id, digest, _shape_row(ref, digest), None, samples)


def _shape_row(ref: Any, digest: str) -> dict[str, Any]:
    return _ROW | {"shape_id": ref.id, "category": ref.category, "split": ref.split, "digest": digest}


def store(shapes: int, folder: str) -> Measured:
    """Make the commit records of a store of so many shapes; not a stage of a real job."""
    work, buckets, _ = preparation.plan(source(shapes), f"{folder}/store", SETTINGS, retry=False)
    watch = Watch()
    for bucket in buckets:
        _write_records(work, bucket)
    watch.lap("making it s")
    return watch.measured | {"buckets": len(buckets)}


def _write_records(work: Work, bucket: Bucket) -> None:
    import pyarrow as pa

    view = VIEWS[COMMIT_VIEW]
    rows = [_shape_row(ref, work.digest_of(ref)) for ref in bucket.shapes]
    part = Part(bucket.number, part_key((row["shape_id"], row["digest"], "") for row in rows))
    work.folder.write(part.file("rejected"), encode(VIEWS["rejected"], [VIEWS["rejected"].schema.empty_table()]))
    work.folder.write(part.file(COMMIT_VIEW), encode(view, [pa.Table.from_pylist(rows, schema=view.schema)]))


def opened(shapes: int, folder: str) -> Measured:
    """What every driver does with a store: list it, read its shapes, choose those to train on."""
    watch = Watch()
    held = Store.open(f"{folder}/store")
    parts = len(held.parts)
    watch.lap("listing s")
    rows = len(held.shapes(columns=()))
    watch.lap("reading shapes s")
    ids = held.shape_ids("train", views="sdf")
    watch.lap("ids to train on s")
    for shape_id in ids[:: max(1, len(ids) // 1000)]:
        held._home(shape_id)
    watch.lap("finding 1000 s")
    return watch.measured | {"parts": parts, "rows": rows}


def training(shapes: int, folder: str) -> Measured:
    """A rank's plan: its first steps, then one of the next epoch."""
    from shapesys.training.plan import RankPlan, TrainPlan

    watch = Watch()
    whole = TrainPlan(shapes, 48, 16_384, SETTINGS.sdf.chunks, SETTINGS.sdf.chunk_size, seed=0)
    rank = RankPlan(whole, 0, 500 * whole.steps_per_epoch, 0, 2, 1)
    next(iter(rank))
    watch.lap("first step s")
    for _ in islice(rank, SOME_STEPS):
        pass
    watch.lap("steps s")
    next(rank.part(whole.steps_per_epoch, whole.steps_per_epoch + 1))
    watch.lap("next epoch s")
    measured = watch.measured
    return measured | {"ms per step": 1000 * measured.pop("steps s") / SOME_STEPS}


def codes(shapes: int, folder: str) -> Measured:
    """An optimiser's step of 48 codes among those of all shapes, on one core: every code is visited."""
    import torch

    torch.set_num_threads(1)
    held = min(shapes, MOST_CODES)
    watch = Watch()
    embedding = torch.nn.Embedding(held, CODE_LENGTH)
    optimiser = torch.optim.Adam(embedding.parameters(), fused=True)
    for step in range(CODE_STEPS + 1):
        if step == 1:
            watch.lap("first step s")
        optimiser.zero_grad(set_to_none=True)
        embedding(torch.randint(held, (48,))).square().sum().backward()
        optimiser.step()
    watch.lap("steps s")
    measured = watch.measured
    return measured | {"codes": held, "ms per step": 1000 * measured.pop("steps s") / CODE_STEPS}


def sweeping(shapes: int, folder: str) -> Measured:
    """The look for leftovers that ends every preparation."""
    watch = Watch()
    sweep(Store.open(f"{folder}/store"))
    watch.lap("seconds")
    return watch.measured


def again(shapes: int, folder: str) -> Measured:
    """A real preparation on Ray of a store that lacks nothing: placement, digests, reports, and no work."""
    from shapesys.on_ray import prepare as on_ray

    on_ray.SURVEY_SECONDS = 0.0
    beats = _Beats()
    watch = Watch()
    report = on_ray.prepare(source(shapes), f"{folder}/store", SETTINGS, beats, workers=2)
    watch.lap("seconds")
    return watch.measured | {"kept": report.kept, "first report s": beats.first, "shapes per s": beats.rate}


class _Beats:
    """Notes when progress is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seen: list[tuple[float, int]] = []

    def __call__(self, done: int, total: int, prepared: int, rejected: int) -> None:
        self._seen = [*self._seen[:1], (time.perf_counter() - self._began, done)]

    @property
    def first(self) -> float:
        return self._seen[0][0]

    @property
    def rate(self) -> float:
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - start) if end > start else 0.0


def actors(shapes: int, folder: str) -> Measured:
    """Calls that do nothing, through the pool that prepares and evaluates."""
    import ray

    from shapesys.on_ray.pool import ActorPool
    from shapesys.on_ray.runtime import runtime

    class NoOp:
        def ping(self) -> bool:
            return True

        def run(self, item: tuple[str, ...]) -> tuple[str, ...]:
            return item

    count = min(shapes // 8, NO_OP_ITEMS)
    with runtime(num_cpus=2):
        pool: ActorPool[tuple[str, ...]] = ActorPool(lambda: ray.remote(num_cpus=0.5)(NoOp).remote(), 2, lambda _: 60.0)
        outcomes = pool.map(_batches(count))
        next(outcomes)
        started = time.perf_counter()
        done = sum(outcome.ok for outcome in outcomes)
        seconds = time.perf_counter() - started
    return {"calls": done, "calls per s": done / seconds}


def _batches(count: int) -> Iterator[tuple[str, ...]]:
    for number in range(count):
        yield tuple(f"shape/{8 * number + place:08d}" for place in range(8))


STAGES: dict[str, Callable[[int, str], Measured]] = {
    "plan": plan,
    "commits": commits,
    "store": store,
    "opened": opened,
    "training": training,
    "codes": codes,
    "sweep": sweeping,
    "again": again,
    "actors": actors,
}

if __name__ == "__main__":
    # Processes that Ray starts have to find what stands beside this file.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    sys.exit(main())
