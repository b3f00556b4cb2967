"""Preparation on a pool of Ray actors, each with an isolated child for the shapes.

An actor that dies has committed its bucket or not; if not, the bucket goes to another one. Samples never leave the
actors; only reports do.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ray

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.on_ray.pool import ActorPool, Outcome
from shapesys.on_ray.runtime import cluster_address, physical_cpus, require_room, runtime, usable_cpus
from shapesys.on_ray.storage import MOUNT_STORE, Witness, marked, own_address, require_on_all_nodes, unseen
from shapesys.samples.commit import sweep
from shapesys.samples.prepare import (
    Bucket,
    BucketReport,
    PrepareReport,
    Progress,
    Tally,
    Work,
    bucket_if_current,
    plan,
    prepare_bucket,
    with_parts,
)
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.base import ShapeRef, Source

SURVEY_SECONDS = 3.0
"""Time to look for work before Ray is started; a store that is up to date is recognised without it."""

CPUS_PER_ACTOR = 1

BUCKET_ATTEMPTS = 4
"""Workers that a bucket may cost by dying."""

LEAST_LIMIT = 1800.0
"""Seconds that a bucket has at least: each shape has its own limit, reading from slow storage has none."""

START_LIMIT = 1800.0
"""Seconds to wait for a first worker on a cluster that has no room yet, or that grows: new machines take a while."""


def prepare(
    source: Source,
    store: str,
    settings: PrepareConfig | None = None,
    progress: Progress | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    retry: bool = False,
) -> PrepareReport:
    """Prepare what the store lacks of a source, on the cluster at `address` or on a private Ray instance.

    Args:
        store: local path or fsspec URL that every node can reach; made if missing.
        workers: actors, of a CPU each; one per CPU where None.
        retry: try shapes again that an earlier run rejected for a limit, a crash or an unexpected error.

    Raises:
        ShapesysError: the store was made with other settings, another process is writing to it, it cannot be written
            to, a node does not see it or the source's files, or workers keep dying.
    """
    work, buckets, notes = plan(source, store, settings or PrepareConfig(), retry)
    tally = Tally(sum(len(bucket.entries) for bucket in buckets), progress)
    with work.folder.exclusive():
        pending = _survey(work, with_parts(work, buckets), tally)
        if pending:
            with (
                runtime(address, num_cpus=workers or physical_cpus()),
                _sight(work, pending) as sight,
            ):
                require_on_all_nodes(_complaint, work, sight)
                _require_a_cpu(may_grow=cluster_address(address) is not None)
                for report in _stream(work, pending, workers, sight):
                    tally.add(report)
        sweep(Store.open(work.folder.url))
    return tally.report(work.folder.url, notes)


def _require_a_cpu(may_grow: bool) -> None:
    """Say that no worker has room anywhere, instead of waiting without a word."""
    has = ray.cluster_resources().get("CPU", 0.0)
    if has < CPUS_PER_ACTOR:
        lack = f"a worker needs {CPUS_PER_ACTOR} CPU, but the cluster has {has:g}"
        require_room(lack, "start a node with CPUs", may_grow, START_LIMIT)


def _survey(work: Work, buckets: Sequence[Bucket], tally: Tally) -> list[Bucket]:
    """The buckets that need work, or that there was no time to look at."""
    end = time.monotonic() + SURVEY_SECONDS
    pending = []
    for bucket in buckets:
        report = bucket_if_current(work, bucket) if time.monotonic() < end else None
        if report is None:
            pending.append(bucket)
        else:
            tally.add(report)
    return pending


@dataclass(frozen=True)
class _Sight:
    """What a node must see as the driver does.

    Attributes:
        witnesses: of the store, where it is a folder.
        shape, digest: one of the source's shapes and the digest of its content; None where it cannot be read.
    """

    witnesses: tuple[Witness, ...]
    shape: ShapeRef | None
    digest: str | None


@contextlib.contextmanager
def _sight(work: Work, buckets: Sequence[Bucket]) -> Iterator[_Sight]:
    shape = next((shape for bucket in buckets for shape in bucket.shapes), None)
    with contextlib.ExitStack() as stack:
        local = work.folder.is_local
        witnesses = (stack.enter_context(marked(Path(work.folder.url), MOUNT_STORE)),) if local else ()
        yield _Sight(witnesses, shape, _digest_here(work.source, shape))


def _digest_here(source: Source, shape: ShapeRef | None) -> str | None:
    try:
        return source.digest(shape) if shape else None
    except ShapeRejected:
        return None


def _complaint(work: Work, sight: _Sight) -> str | None:
    """What is wrong with the node that this runs on. Where it lacked the source's files, every shape would be
    rejected; where it lacked the store, every sample would be lost."""
    if said := unseen(sight.witnesses):
        return said
    if sight.digest is None or _digest_here(work.source, sight.shape) == sight.digest:
        return None
    return (
        f"node {own_address()} does not see the files of the source '{work.source.name}' as the "
        "driver does; put them on storage that all nodes mount at the same path"
    )


class BucketActor:
    """Brings buckets up to date; its child process starts with the first shape that needs it."""

    def __init__(self, work: Work, sight: _Sight) -> None:
        # A node that joined later was not asked before.
        if complaint := _complaint(work, sight):
            raise ShapesysError(complaint)
        self._work = work
        self._prepare = work.prepare_isolated()

    def ping(self) -> bool:
        return True

    def run(self, bucket: Bucket) -> BucketReport | str:
        """The bucket's report, or why the store cannot take it."""
        try:
            return prepare_bucket(self._work, bucket, self._prepare)
        except ShapesysError as error:
            return str(error)


def _stream(work: Work, buckets: Sequence[Bucket], workers: int | None, sight: _Sight) -> Iterator[BucketReport]:
    """Reports in the order that buckets finish.

    Raises:
        ShapesysError: the store cannot be written to, or a bucket's workers die again and again.
    """
    actor = ray.remote(num_cpus=CPUS_PER_ACTOR)(BucketActor)
    pool: ActorPool[Bucket] = ActorPool(
        lambda: actor.remote(work, sight),
        workers or max(1, int(usable_cpus())),
        deadline=lambda bucket: max(LEAST_LIMIT, 2 * len(bucket.entries) * work.settings.limits.seconds),
        attempts=BUCKET_ATTEMPTS,
        start_limit=START_LIMIT,
        patience=math.inf,
        again=lambda bucket: replace(bucket, parts=None),
    )
    for outcome in pool.map(buckets):
        if not outcome.ok:
            raise ShapesysError(_failure(work, outcome))
        if isinstance(outcome.value, str):
            raise ShapesysError(outcome.value)
        yield outcome.value


_WAYS_OUT = {
    "crash": "workers die most often for lack of memory: use fewer --workers",
    "timeout": "shapes have limits of their own, so that it waited for storage: look at that of source and store",
    "error": "the store or the source may be damaged",
}


def _failure(work: Work, outcome: Outcome[Bucket]) -> str:
    """What to know of a bucket that nobody could prepare."""
    entries = outcome.item.entries
    which = f"bucket {outcome.item.number} of {work.folder.url}, {len(entries)} shapes from {entries[0].id} on"
    return f"{which}: {outcome.failure}; {_WAYS_OUT[outcome.stage]}; what is committed stays, the same command goes on"
