"""From a source to a store: what is missing is prepared bucket by bucket; each bucket is committed as a whole.

`prepare_locally` runs the buckets here, one isolated child process doing the shapes; `shapesys.on_ray.prepare` runs
the same buckets on a cluster. Shapes that the store holds and the source no longer lists stay in the store.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shapesys.config.base import Config, diff, parse
from shapesys.errors import ShapeRejected, UsageError
from shapesys.samples.commit import (
    Fresh,
    Kept,
    Outcome,
    all_committed_parts,
    commit,
    committed_parts,
    kept_outcomes,
    sweep,
)
from shapesys.samples.filesystem import Folder
from shapesys.samples.isolation import IsolatedWorker
from shapesys.samples.manifest import MANIFEST, Manifest
from shapesys.samples.parts import Part, bucket_count, bucket_of
from shapesys.samples.settings import PRESETS, PrepareConfig
from shapesys.samples.shape import ShapeSamples, prepare_shape, warm_up
from shapesys.samples.shape_digest import shape_digest
from shapesys.samples.store import Store
from shapesys.sources.base import ShapeRef, Skipped, Source, digest_of

__all__ = ["PRESETS", "PrepareConfig", "PrepareReport", "Progress", "prepare_locally"]

Progress = Callable[[int, int, int, int], None]
"""Called with (done, total, prepared, rejected) after each bucket."""

Prepare = Callable[[ShapeRef], ShapeSamples]

RETRIED_STAGES = frozenset({"timeout", "memory", "crash", "error"})
"""Rejections that another try, larger limits or another machine may turn into samples."""


@dataclass(frozen=True)
class Work:
    """What every bucket needs to know. Picklable.

    Attributes:
        source: where shapes come from.
        settings: how they are prepared.
        folder, manifest: of the store.
        retry: whether shapes that failed by a limit or a crash are tried again.
    """

    source: Source
    settings: PrepareConfig
    folder: Folder
    manifest: Manifest
    retry: bool = False

    def digest_of(self, ref: ShapeRef) -> str:
        """Of all that a shape's rows depend on.

        Raises:
            ShapeRejected: the shape's files cannot be read.
        """
        return shape_digest(self.source, ref, self.settings, self.manifest.settings_digest)

    def prepare_isolated(self) -> IsolatedWorker[ShapeRef, ShapeSamples]:
        """A worker that prepares shapes in a child process of its own."""
        function = partial(prepare_shape, self.source, settings=self.settings)
        return IsolatedWorker(function, self.settings.limits.as_limits(), warm_up)


@dataclass(frozen=True)
class Bucket:
    """The source's entries that fall into one bucket.

    Attributes:
        parts: what the store holds of it; None where that has to be looked up.
    """

    number: int
    shapes: tuple[ShapeRef, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    parts: tuple[Part, ...] | None = None

    @property
    def entries(self) -> tuple[ShapeRef | Skipped, ...]:
        return (*self.shapes, *self.skipped)


@dataclass(frozen=True)
class BucketReport:
    """What became of the source's entries of one bucket.

    Attributes:
        prepared: shapes given samples in this run.
        rejected: entries rejected as a whole in this run.
        kept: entries that were up to date.
        rejections: rows of `rejected` of all its entries, earlier runs' included.
    """

    prepared: int = 0
    rejected: int = 0
    kept: int = 0
    rejections: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class PrepareReport:
    """How a run of `prepare` ended: total = prepared + rejected + kept.

    Attributes:
        store: where the samples are.
        total: entries of the source, those its census had to skip included.
        prepared, rejected, kept: as in `BucketReport`, summed.
        rejections: rows of `rejected` for the source's entries, sorted by id.
        notes: the source's remarks.
        seconds: wall-clock time.
    """

    store: str
    total: int
    prepared: int
    rejected: int
    kept: int
    rejections: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def partial(self) -> int:
        """Shapes that some, but not all, views could be made of."""
        return sum(bool(row["views"]) for row in self.rejections)

    def stages(self) -> dict[str, int]:
        """Number of rejections by stage, the most frequent first."""
        return dict(Counter(row["stage"] for row in self.rejections).most_common())


@dataclass
class Tally:
    """Sums bucket reports and tells `progress` about each."""

    total: int
    progress: Progress | None = None
    started: float = field(default_factory=time.monotonic)
    prepared: int = 0
    rejected: int = 0
    kept: int = 0
    rejections: list[dict[str, Any]] = field(default_factory=list)

    def add(self, report: BucketReport) -> None:
        self.prepared += report.prepared
        self.rejected += report.rejected
        self.kept += report.kept
        self.rejections += report.rejections
        if self.progress is not None:
            self.progress(self.prepared + self.rejected + self.kept, self.total, self.prepared, self.rejected)

    def report(self, store: str, notes: Sequence[str]) -> PrepareReport:
        rejections = tuple(sorted(self.rejections, key=lambda row: row["shape_id"]))
        seconds = time.monotonic() - self.started
        return PrepareReport(
            store, self.total, self.prepared, self.rejected, self.kept, rejections, tuple(notes), seconds
        )


def prepare_locally(
    source: Source,
    store: str,
    settings: PrepareConfig | None = None,
    progress: Progress | None = None,
    *,
    isolate: bool = True,
    retry: bool = False,
) -> PrepareReport:
    """Prepare what the store lacks of a source, in this process and one child.

    Args:
        store: local path or fsspec URL; made if missing.
        isolate: prepare shapes in a child process, so that one that hangs or crashes is only rejected.
        retry: try shapes again that an earlier run rejected for a limit, a crash or an unexpected error.

    Raises:
        ShapesysError: the store was made with other settings, another process is writing to it, or it cannot be
            written to.
    """
    work, buckets, notes = plan(source, store, settings or PrepareConfig(), retry)
    tally = Tally(sum(len(bucket.entries) for bucket in buckets), progress)
    with work.folder.exclusive():
        buckets = with_parts(work, buckets)
        if isolate:
            with work.prepare_isolated() as worker:
                _prepare_all(work, buckets, worker, tally)
        else:
            _prepare_all(work, buckets, partial(prepare_shape, source, settings=work.settings), tally)
        sweep(Store.open(work.folder.url))
    return tally.report(work.folder.url, notes)


def _prepare_all(work: Work, buckets: Iterable[Bucket], prepare: Prepare, tally: Tally) -> None:
    for bucket in buckets:
        tally.add(prepare_bucket(work, bucket, prepare))


def plan(source: Source, store: str, settings: PrepareConfig, retry: bool) -> tuple[Work, list[Bucket], Sequence[str]]:
    """Take the source's census, open or make the store, and spread the entries over its buckets.

    Raises:
        ShapesysError: the source is empty, the store was made with other settings, or a view cannot be made.
    """
    settings = settings.of_what(source.gives, source.gives_images)
    census = source.census()
    folder = Folder(store)
    manifest = open_or_create(folder, source, settings, len(census.shapes) + len(census.skipped))
    shapes: defaultdict[int, list[ShapeRef]] = defaultdict(list)
    skipped: defaultdict[int, list[Skipped]] = defaultdict(list)
    for ref in census.shapes:
        shapes[bucket_of(ref.id, manifest.buckets)].append(ref)
    for entry in census.skipped:
        skipped[bucket_of(entry.id, manifest.buckets)].append(entry)
    numbers = sorted(shapes.keys() | skipped.keys())
    buckets = [Bucket(number, tuple(shapes[number]), tuple(skipped[number])) for number in numbers]
    return Work(source, settings, folder, manifest, retry), buckets, census.notes


def with_parts(work: Work, buckets: Iterable[Bucket]) -> list[Bucket]:
    """The same buckets with what the store holds of them, by one look at its folder.

    A look for each bucket would make the cost of a store that lacks nothing grow with the square of its size. To be
    called when no other process may write, and to be forgotten by a bucket whose preparation broke off.
    """
    parts = all_committed_parts(work.folder)
    return [replace(bucket, parts=tuple(parts.get(bucket.number, ()))) for bucket in buckets]


def open_or_create(folder: Folder, source: Source, settings: PrepareConfig, entries: int) -> Manifest:
    """The manifest of the store, written if there is none yet.

    Raises:
        UsageError: the store was made with other settings; lists them.
    """
    if folder.exists(MANIFEST):
        manifest = Manifest.load(folder)
        _check_same(folder, manifest, settings)
        return manifest
    described = getattr(source, "settings", None)
    manifest = Manifest(
        settings=settings.recorded(),
        views=settings.views,
        chunks=settings.chunking(),
        buckets=bucket_count(entries),
        source={"name": source.name}
        | ({"settings": described.model_dump(mode="json")} if isinstance(described, Config) else {}),
    )
    manifest.save(folder)
    return manifest


def _check_same(folder: Folder, manifest: Manifest, settings: PrepareConfig) -> None:
    if manifest.settings == settings.recorded():
        return
    stored = parse(PrepareConfig, manifest.settings | {"limits": settings.limits.model_dump()})
    changes = "\n".join(f"  {path}: {old!r} in the store, {new!r} now" for path, old, new in diff(stored, settings))
    raise UsageError(
        f"the store {folder.url} was made with other settings:\n{changes}\n"
        "use these settings again, or give another --store"
    )


def prepare_bucket(work: Work, bucket: Bucket, prepare: Prepare) -> BucketReport:
    """Bring one bucket up to date and commit it; what it holds already is copied or left alone.

    Raises:
        ShapesysError: the store cannot be written to.
    """
    parts = _parts(work, bucket)
    held = _held(work, parts)
    found: dict[str, Outcome] = {}
    fresh: list[Outcome] = []
    for entry in bucket.entries:
        outcome, is_new = _up_to_date(work, entry, held.pop(entry.id, {}), prepare)
        found[entry.id] = outcome
        if is_new:
            fresh.append(outcome)
    if fresh or len(parts) > 1:
        others = [next(reversed(outcomes.values())) for outcomes in held.values()]
        commit(work.folder, work.manifest, bucket.number, [*found.values(), *others])
    rejected = sum(outcome.shape is None for outcome in fresh)
    return _report(found.values(), prepared=len(fresh) - rejected, rejected=rejected)


def bucket_if_current(work: Work, bucket: Bucket) -> BucketReport | None:
    """The report of a bucket that needs no work, without doing any; None if it does."""
    parts = _parts(work, bucket)
    if len(parts) != 1:
        return None
    held = _held(work, parts)
    try:
        found = [_up_to_date(work, entry, held.get(entry.id, {}), _refuse)[0] for entry in bucket.entries]
    except _NeedsWorkError:
        return None
    return _report(found, prepared=0, rejected=0) if all(isinstance(one, Kept) for one in found) else None


def _parts(work: Work, bucket: Bucket) -> Sequence[Part]:
    return committed_parts(work.folder, bucket.number) if bucket.parts is None else bucket.parts


class _NeedsWorkError(Exception):
    """A shape would have to be prepared."""


def _refuse(ref: ShapeRef) -> ShapeSamples:
    raise _NeedsWorkError(ref.id)


def _held(work: Work, parts: Iterable[Part]) -> dict[str, dict[str, Outcome]]:
    """Id -> content digest -> what the committed parts hold."""
    held: defaultdict[str, dict[str, Outcome]] = defaultdict(dict)
    for part in parts:
        for outcome in kept_outcomes(work.folder, part):
            held[outcome.id][outcome.digest] = outcome
    return held


def _report(found: Collection[Outcome], prepared: int, rejected: int) -> BucketReport:
    rejections = tuple(outcome.rejection for outcome in found if outcome.rejection is not None)
    return BucketReport(prepared, rejected, len(found) - prepared - rejected, rejections)


def _up_to_date(
    work: Work, entry: ShapeRef | Skipped, held: dict[str, Outcome], prepare: Prepare
) -> tuple[Outcome, bool]:
    """The entry's outcome, and whether it is new."""
    if isinstance(entry, Skipped):
        digest = digest_of("skipped", entry.stage, entry.reason)
        skipped = ShapeRejected(entry.stage, entry.reason)
        return held.get(digest) or _rejected(entry, digest, skipped), digest not in held
    try:
        digest = work.digest_of(entry)
    except ShapeRejected as error:
        digest = digest_of("unreadable", error.stage, error.reason)
        return held.get(digest) or _rejected(entry, digest, error), digest not in held
    before = held.get(digest)
    if before is not None and not (work.retry and _may_succeed_now(before)):
        return before, False
    return _prepared(entry, digest, prepare), True


def _prepared(ref: ShapeRef, digest: str, prepare: Prepare) -> Fresh:
    try:
        made = prepare(ref)
    except ShapeRejected as error:
        return _rejected(ref, digest, error)
    shape = made.shape | {"digest": digest}
    rejection = _rejection(ref, digest, made.reason, made.missing) if made.reason else None
    return Fresh(ref.id, digest, shape, rejection, made.samples)


def _rejected(entry: ShapeRef | Skipped, digest: str, error: ShapeRejected) -> Fresh:
    return Fresh(entry.id, digest, None, _rejection(entry, digest, error))


def _rejection(
    entry: ShapeRef | Skipped, digest: str, error: ShapeRejected, views: Sequence[str] = ()
) -> dict[str, Any]:
    """A row of `rejected`; no views means all of them."""
    category, split = (
        (entry.category, entry.split) if isinstance(entry, ShapeRef) else (entry.id.rpartition("/")[0], "")
    )
    return {
        "shape_id": entry.id,
        "category": category,
        "split": split,
        "digest": digest,
        "views": list(views),
        "stage": error.stage,
        "reason": error.reason,
    }


def _may_succeed_now(outcome: Outcome) -> bool:
    return outcome.rejection is not None and outcome.rejection["stage"] in RETRIED_STAGES
