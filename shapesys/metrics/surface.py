"""Every surface metric of one shape, each with its convention, its record and its floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.surface import SurfaceSample
from shapesys.metrics.conventions import Against, Combine, Convention, convention
from shapesys.metrics.frames import Frames
from shapesys.metrics.pair import chamfer, fscore, hausdorff, normal_consistency
from shapesys.metrics.record import MetricRecord, Scores
from shapesys.metrics.sampled import Counts, Sampled, ScanPoints
from shapesys.metrics.surface_settings import SurfaceSettings, Threshold

__all__ = ["ScanPoints", "SurfaceSettings", "Threshold", "surface_metrics"]

EMPTY_NORMAL_CONSISTENCY = {"onet": -1.0}
"""Occupancy Networks' constant for an empty mesh; the other normal conventions define none."""
_ONE_WAY: dict[str, Combine] = {"recon_to_scan": "accuracy", "scan_to_recon": "completeness"}


def surface_metrics(
    prediction: Mesh,
    truth: Mesh | SurfaceSample | None,
    settings: SurfaceSettings | None = None,
    normalisation: Normalisation | None = None,
    scan: ScanPoints | None = None,
    whole: Mesh | SurfaceSample | None = None,
) -> Scores:
    """Score a predicted surface against the true one, against a scan of it, or both; all in the same coordinates.

    Args:
        truth: a surface, or samples of it where no more was published; None where nobody knows it: then there are
            scores against the scan alone.
        normalisation: how these coordinates came from the file's, for conventions in the object's own unit.
        scan: for conventions against it.
        whole: what the truth is a part of, which gives the units of length; the truth where None.

    Returns:
        Scores named ``chamfer/<convention>``, ``fscore/<threshold>`` with ``precision/`` and ``recall/``,
        ``normal_consistency/<convention>``, ``hausdorff/<frame>`` and, of conventions that print it,
        ``hausdorff/<convention>``. Where one is against the scan, also ``hausdorff/<frame>.recon_to_scan`` and
        ``.scan_to_recon``. Status ``empty`` when the prediction has no surface.

    Raises:
        ShapeRejected: the truth has no surface.
        UsageError: an unknown convention, frame or search.
        ValueError: neither truth nor scan is given.
    """
    settings = settings or SurfaceSettings()
    sampled = Sampled(prediction, truth, scan, settings)
    return _Evaluation(sampled, settings, Frames(sampled.extent(whole), normalisation)).scores()


class _Evaluation:
    """One shape under evaluation: lists the records."""

    def __init__(self, sampled: Sampled, settings: SurfaceSettings, frames: Frames) -> None:
        self.sampled, self.settings, self.frames = sampled, settings, frames

    def scores(self) -> Scores:
        records = [*self.chamfers()]
        if self.sampled.knows("truth"):
            records += [*self.fscores(), *self.normal_consistencies()]
        records += self.hausdorffs()
        reason = self.sampled.empty_reason
        return Scores("empty" if reason else "ok", tuple(records), reason)

    @cached_property
    def conventions(self) -> list[Convention]:
        """Those that have something to measure against."""
        further = () if self.sampled.knows("truth") else self.settings.scan_conventions
        named = [convention(name) for name in dict.fromkeys((*self.settings.conventions, *further))]
        return [chosen for chosen in named if self.sampled.knows(chosen.against)]

    def chamfers(self) -> Iterator[MetricRecord]:
        for chosen in self.conventions:
            counts, unit = self.counts(chosen.against, chosen), self.frames.unit(chosen.frame)
            pair, floor = self.sampled.against(chosen.against, counts)
            value = chamfer(pair, chosen, unit) if pair else self.constant(chosen.value_if_empty)
            bound = chamfer(floor, chosen, unit) if floor else None
            definition = chosen.describe() | self.origin(chosen.against)
            yield self.record(f"chamfer/{chosen.name}", value, bound, definition, counts, chosen.frame)

    def fscores(self) -> Iterator[MetricRecord]:
        counts = self.counts("truth")
        for at in self.settings.thresholds:
            pair, floor = self.sampled.against_truth(counts)
            unit = self.frames.unit(at.frame)
            found = fscore(pair, at.value, strict=at.strict, unit=unit) if pair else (self.constant(0.0),) * 3
            least = fscore(floor, at.value, strict=at.strict, unit=unit) if floor else (None,) * 3
            for kind, value, bound in zip(("fscore", "precision", "recall"), found, least, strict=True):
                yield self.record(f"{kind}/{at.name}", value, bound, asdict(at), counts, at.frame)

    def normal_consistencies(self) -> Iterator[MetricRecord]:
        counts = self.counts("truth")
        for name in self.settings.normals:
            pair, floor = self.sampled.against_truth(counts)
            empty = self.constant(EMPTY_NORMAL_CONSISTENCY.get(name, math.nan))
            value = normal_consistency(pair, name) if pair else empty
            bound = normal_consistency(floor, name) if floor else None
            yield self.record(f"normal_consistency/{name}", value, bound, {"convention": name}, counts, "as_given")

    def hausdorffs(self) -> Iterator[MetricRecord]:
        for frame in self.settings.hausdorff_frames:
            if self.sampled.knows("truth"):
                yield self.hausdorff(frame, frame, "truth", self.counts("truth"))
            if any(chosen.against == "scan" for chosen in self.conventions):
                for way, combine in _ONE_WAY.items():
                    yield self.hausdorff(f"{frame}.{way}", frame, "scan", self.counts("scan"), combine)
        for chosen in self.conventions:
            if chosen.hausdorff:
                counts = self.counts(chosen.against, chosen)
                yield self.hausdorff(chosen.name, chosen.frame, chosen.against, counts, chosen.combine)

    def hausdorff(
        self, name: str, frame: str, against: Against, counts: Counts, combine: Combine = "sum"
    ) -> MetricRecord:
        pair, floor = self.sampled.against(against, counts)
        unit = self.frames.unit(frame)
        value = hausdorff(pair, unit, combine) if pair else math.nan
        bound = hausdorff(floor, unit, combine) if floor else None
        said = combine if combine in _ONE_WAY.values() else "max of both directions"
        definition = {"combine": said, "of": "samples"} | self.origin(against)
        return self.record(f"hausdorff/{name}", value, bound, definition, counts, frame)

    def counts(self, against: Against, chosen: Convention | None = None) -> Counts:
        return self.sampled.counts(self.settings.counts(chosen), against)

    def origin(self, against: Against) -> dict[str, str]:
        """Of which scan a score speaks; nothing where it speaks of none."""
        scan = self.sampled.scan
        return {"against": "scan", "scan": scan.origin} if against == "scan" and scan is not None else {}

    def constant(self, value: float) -> float:
        return value if self.settings.empty == "onet" else math.nan

    def record(
        self, name: str, value: float, floor: float | None, definition: Mapping[str, object], counts: Counts, frame: str
    ) -> MetricRecord:
        definition = dict(definition) | ({"scored_as": self.settings.empty} if self.sampled.empty_reason else {})
        if self.settings.region:
            definition["region"] = self.settings.region.name
        if isinstance(self.sampled.truth, SurfaceSample):
            definition["truth"] = "given samples"
        unit = self.frames.unit(frame)
        sampling, seed = self.settings.sampling, self.settings.seed
        return MetricRecord(name, value, floor, definition, *counts, sampling, seed, frame, unit)
