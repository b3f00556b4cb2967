"""Preparation on Ray Data: buckets stream through a pool of actors, each with an isolated child for the shapes.

An actor that dies has committed its bucket or not; if not, Ray Data hands the bucket to another one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.on_ray.quiet import actor_pool_starts
from shapesys.on_ray.runtime import physical_cpus, runtime, usable_cpus
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
)
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.base import ShapeRef, Skipped, Source

CPUS_PER_ACTOR = 0.5
"""Half a CPU each, one actor per CPU: the other half is left for Ray Data's own tasks, even on one CPU."""

SURVEY_SECONDS = 3.0
"""Time to look for work before Ray is started; a store that is up to date is recognised without it."""

BUCKET_ATTEMPTS = 4

MOST_BLOCKS = 1000
"""Blocks that a stream holds: Ray Data takes minutes to set out with tens of thousands."""

POOLS = 4
"""Pools of actors that a call may use up by losing nodes."""

_log = logging.getLogger(__name__)


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
        workers: actors; one per CPU where None.
        retry: try shapes again that an earlier run rejected for a limit, a crash or an unexpected error.

    Raises:
        ShapesysError: the store was made with other settings, another process is writing to it, it cannot be written
            to, a node does not see it or the source's files, or workers keep dying.
    """
    work, buckets, notes = plan(source, store, settings or PrepareConfig(), retry)
    tally = Tally(sum(len(bucket.entries) for bucket in buckets), progress)
    with work.folder.exclusive():
        pending = _survey(work, buckets, tally)
        if pending:
            with (
                runtime(address, num_cpus=CPUS_PER_ACTOR * (workers or physical_cpus())),
                _sight(work, pending) as sight,
            ):
                require_on_all_nodes(_complaint, work, sight)
                for report in _stream(work, pending, workers, sight):
                    tally.add(report)
        sweep(Store.open(work.folder.url))
    return tally.report(work.folder.url, notes)


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
        self._work = work
        # A node that joined later was not asked before.
        self._complaint = _complaint(work, sight)
        self._prepare = work.prepare_isolated()

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[str]]:
        return {"report": [self._report(text) for text in batch["bucket"]]}

    def _report(self, text: str) -> str:
        if self._complaint:
            return json.dumps({"failure": self._complaint})
        bucket = _bucket_from_json(text)
        try:
            report = prepare_bucket(self._work, bucket, self._prepare)
        except ShapesysError as error:
            # An exception would reach the driver wrapped in Ray's own, after retries that cannot help.
            return json.dumps({"failure": str(error)})
        return json.dumps(asdict(report) | {"bucket": bucket.number})


def _stream(work: Work, buckets: Sequence[Bucket], workers: int | None, sight: _Sight) -> Iterator[BucketReport]:
    """Reports in the order that buckets finish.

    Until Ray knows that a node is lost, every try on its actors fails at once: tries run out within a second. That is
    no bucket's fault, so what is left goes to a new pool.
    """
    left = {bucket.number: bucket for bucket in buckets}
    try:
        for number, report in _through_lost_nodes(work, left, workers, sight):
            del left[number]
            yield report
    except (ray.exceptions.RayActorError, ray.exceptions.RaySystemError) as error:
        raise ShapesysError(
            f"a worker died {BUCKET_ATTEMPTS} times over one bucket ({str(error).splitlines()[0]}); what is committed "
            "stays, the same command continues; workers die most often for lack of memory: use fewer --workers"
        ) from error


def _through_lost_nodes(
    work: Work, left: dict[int, Bucket], workers: int | None, sight: _Sight
) -> Iterator[tuple[int, BucketReport]]:
    """(bucket, report) of all that is left, which the caller removes from as reports come."""
    for pools_to_come in reversed(range(POOLS)):
        try:
            yield from _one_pool(work, list(left.values()), workers, sight)
            return
        except ray.exceptions.ActorUnavailableError:
            if not left:
                return
            if not pools_to_come:
                raise
            _log.warning("a node was lost; its work is taken up again")


def _one_pool(
    work: Work, buckets: Sequence[Bucket], workers: int | None, sight: _Sight
) -> Iterator[tuple[int, BucketReport]]:
    context = ray.data.DataContext.get_current()
    context.print_on_execution_start = False
    longest = max(len(bucket.entries) for bucket in buckets) * work.settings.limits.seconds
    longest *= -(-len(buckets) // MOST_BLOCKS)
    context.execution_no_progress_timeout_s = max(1800, round(2 * longest))
    size = min(len(buckets), workers or max(1, int(usable_cpus())))
    rows = iter(_reports(work, buckets, size, sight).iter_rows())
    with actor_pool_starts():
        first = next(rows)
    for row in itertools.chain([first], rows):
        yield _report_from_json(row["report"])


def _reports(work: Work, buckets: Sequence[Bucket], actors: int, sight: _Sight) -> ray.data.Dataset:
    """Blocks of a bucket each, or of several where they would be too many; one row per bucket out.

    A block that is tried again finds the buckets that it had committed.
    """
    blocks = min(len(buckets), MOST_BLOCKS)
    items = ray.data.from_items([{"bucket": _bucket_to_json(b)} for b in buckets], override_num_blocks=blocks)
    with warnings.catch_warnings():
        # Ray plans to name this option; without it, a bucket that kills its actor is retried for ever.
        warnings.filterwarnings("ignore", message=".*ray_remote_args.*", category=DeprecationWarning)
        return items.map_batches(
            BucketActor,
            fn_constructor_kwargs={"work": work, "sight": sight},
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=CPUS_PER_ACTOR,
            max_task_retries=BUCKET_ATTEMPTS - 1,
        )


def _bucket_to_json(bucket: Bucket) -> str:
    return json.dumps(asdict(bucket))


def _bucket_from_json(text: str) -> Bucket:
    data: dict[str, Any] = json.loads(text)
    return Bucket(
        data["number"],
        tuple(ShapeRef(**entry) for entry in data["shapes"]),
        tuple(Skipped(**entry) for entry in data["skipped"]),
    )


def _report_from_json(text: str) -> tuple[int, BucketReport]:
    data: dict[str, Any] = json.loads(text)
    if "failure" in data:
        raise ShapesysError(data["failure"])
    return data.pop("bucket"), BucketReport(**data | {"rejections": tuple(data["rejections"])})
