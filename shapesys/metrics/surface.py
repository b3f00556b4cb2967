"""Every surface metric of one shape, each with its convention, its record and its floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from shapesys.errors import unknown_name
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.neighbours import Search
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.metrics.conventions import Convention, Frame, convention
from shapesys.metrics.frames import Frames
from shapesys.metrics.pair import (
    SurfacePair,
    chamfer,
    fscore,
    hausdorff,
    normal_consistency,
    pair_surfaces,
)
from shapesys.metrics.record import MetricRecord, Scores

DEFAULT_COUNT = 100_000
EMPTY_NORMAL_CONSISTENCY = {"onet": -1.0}
"""Occupancy Networks' constant for an empty mesh; the other normal conventions define none."""


@dataclass(frozen=True)
class Threshold:
    """An F-score threshold: value in units of ``frame``; ``strict`` leaves out a distance equal to it."""

    value: float
    strict: bool = False
    frame: Frame = "unit_cube"

    @property
    def name(self) -> str:
        """``le0.01:unit_cube`` or ``lt0.01:unit_cube``."""
        return f"{'lt' if self.strict else 'le'}{self.value:g}:{self.frame}"


@dataclass(frozen=True)
class SurfaceSettings:
    """What is measured, and from which samples.

    Attributes:
        conventions: Chamfer conventions by name.
        thresholds: F-score thresholds.
        normals: normal consistency conventions.
        hausdorff_frames: units in which the Hausdorff distance is given.
        samples: points on each surface for all metrics; None takes each convention's own count, 100,000 elsewhere.
        sampling: ``independent`` points, as the named evaluators draw, or ``stratified`` ones: less noise from
            seed to seed, but distances near the floor come out about 10 % lower than published ones.
        seed: draws the samples of prediction, truth and floor.
        floor: measure the truth against a second sampling of itself, beside each score.
        empty: scores of an empty prediction: Occupancy Networks' constants where its evaluator defines them (and an
            F-score of 0, which it omits), NaN elsewhere; or ``nan`` throughout.
        search: neighbour search.
    """

    conventions: tuple[str, ...] = ("onet.chamfer_l1", "onet.chamfer_l2", "deepsdf", "tdgn")
    thresholds: tuple[Threshold, ...] = (Threshold(0.01), Threshold(0.015), Threshold(0.02))
    normals: tuple[str, ...] = ("onet",)
    hausdorff_frames: tuple[Frame, ...] = ("unit_sphere",)
    samples: int | None = None
    sampling: Literal["independent", "stratified"] = "independent"
    seed: int = 0
    floor: bool = True
    empty: Literal["onet", "nan"] = "onet"
    search: Search = "auto"

    def __post_init__(self) -> None:
        if self.sampling not in ("independent", "stratified"):
            raise unknown_name("sampling", self.sampling, ("independent", "stratified"))
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples is {self.samples}; give at least 1, or None for each convention's own count")

    def counts(self, chosen: Convention | None = None) -> tuple[int, int]:
        """(predicted, true) samples for a convention, or for the metrics that have none."""
        if self.samples is not None:
            return self.samples, self.samples
        if chosen is None:
            return DEFAULT_COUNT, DEFAULT_COUNT
        return chosen.count_predicted or DEFAULT_COUNT, chosen.count_true or DEFAULT_COUNT


def surface_metrics(
    prediction: Mesh,
    truth: Mesh,
    settings: SurfaceSettings | None = None,
    normalisation: Normalisation | None = None,
) -> Scores:
    """Score a predicted surface against the true one; both in the same coordinates.

    Args:
        normalisation: how these coordinates came from the file's, for conventions in the object's own unit.

    Returns:
        Scores named ``chamfer/<convention>``, ``fscore/<threshold>`` with ``precision/`` and ``recall/``,
        ``normal_consistency/<convention>`` and ``hausdorff/<frame>``. Status ``empty`` when the prediction has
        no surface.

    Raises:
        ShapeRejected: the truth has no surface.
        UsageError: an unknown convention, frame or search.
    """
    evaluation = _Evaluation(prediction, truth, settings or SurfaceSettings(), Frames(truth, normalisation))
    return evaluation.scores()


class _Evaluation:
    """One shape under evaluation: draws each pair of samples once and lists the records."""

    def __init__(self, prediction: Mesh, truth: Mesh, settings: SurfaceSettings, frames: Frames) -> None:
        self.prediction, self.truth, self.settings, self.frames = prediction, truth, settings, frames
        self.seeds = [int(seed) for seed in np.random.SeedSequence(settings.seed).generate_state(3)]
        self.pairs: dict[tuple[int, int], tuple[SurfacePair | None, SurfacePair | None]] = {}
        self.empty_reason = _why_empty(prediction)

    def scores(self) -> Scores:
        records = (*self.chamfers(), *self.fscores(), *self.normal_consistencies(), *self.hausdorffs())
        return Scores("empty" if self.empty_reason else "ok", records, self.empty_reason)

    def chamfers(self) -> Iterator[MetricRecord]:
        for name in self.settings.conventions:
            chosen = convention(name)
            counts, unit = self.settings.counts(chosen), self.frames.unit(chosen.frame)
            pair, floor = self.measured(counts)
            value = chamfer(pair, chosen, unit) if pair else self.constant(chosen.value_if_empty)
            yield self.record(
                f"chamfer/{name}", value, chamfer(floor, chosen, unit) if floor else None, chosen.describe(), counts,
                chosen.frame,
            )  # fmt: skip

    def fscores(self) -> Iterator[MetricRecord]:
        counts = self.settings.counts()
        for at in self.settings.thresholds:
            pair, floor = self.measured(counts)
            unit = self.frames.unit(at.frame)
            found = fscore(pair, at.value, strict=at.strict, unit=unit) if pair else (self.constant(0.0),) * 3
            least = fscore(floor, at.value, strict=at.strict, unit=unit) if floor else (None,) * 3
            for kind, value, bound in zip(("fscore", "precision", "recall"), found, least, strict=True):
                yield self.record(f"{kind}/{at.name}", value, bound, asdict(at), counts, at.frame)

    def normal_consistencies(self) -> Iterator[MetricRecord]:
        counts = self.settings.counts()
        for name in self.settings.normals:
            pair, floor = self.measured(counts)
            empty = self.constant(EMPTY_NORMAL_CONSISTENCY.get(name, math.nan))
            value = normal_consistency(pair, name) if pair else empty
            bound = normal_consistency(floor, name) if floor else None
            yield self.record(f"normal_consistency/{name}", value, bound, {"convention": name}, counts, "as_given")

    def hausdorffs(self) -> Iterator[MetricRecord]:
        counts = self.settings.counts()
        for frame in self.settings.hausdorff_frames:
            pair, floor = self.measured(counts)
            unit = self.frames.unit(frame)
            value = hausdorff(pair, unit) if pair else math.nan
            bound = hausdorff(floor, unit) if floor else None
            definition = {"combine": "max of both directions", "of": "samples"}
            yield self.record(f"hausdorff/{frame}", value, bound, definition, counts, frame)

    def measured(self, counts: tuple[int, int]) -> tuple[SurfacePair | None, SurfacePair | None]:
        """(prediction against truth or None when empty, truth against itself or None when not wanted)."""
        if counts not in self.pairs:
            truth = self.sample(self.truth, counts[1], 1)
            predicted = None if self.empty_reason else self.sample(self.prediction, counts[0], 0)
            second = self.sample(self.truth, counts[0], 2) if self.settings.floor else None
            self.pairs[counts] = self.pair(predicted, truth), self.pair(second, truth)
        return self.pairs[counts]

    def sample(self, mesh: Mesh, count: int, role: int) -> SurfaceSample:
        return sample_surface(mesh, count, self.seeds[role], stratified=self.settings.sampling == "stratified")

    def pair(self, sample: SurfaceSample | None, truth: SurfaceSample) -> SurfacePair | None:
        return None if sample is None else pair_surfaces(sample, truth, self.settings.search)

    def constant(self, value: float) -> float:
        return value if self.settings.empty == "onet" else math.nan

    def record(
        self, name: str, value: float, floor: float | None, definition: Mapping[str, object], counts: tuple[int, int],
        frame: str,
    ) -> MetricRecord:  # fmt: skip
        definition = dict(definition) | ({"scored_as": self.settings.empty} if self.empty_reason else {})
        unit = self.frames.unit(frame)
        sampling, seed = self.settings.sampling, self.settings.seed
        return MetricRecord(name, value, floor, definition, *counts, sampling, seed, frame, unit)


def _why_empty(mesh: Mesh) -> str:
    """Why no point can be drawn from the mesh; empty when one can."""
    if mesh.is_empty:
        return "the prediction has no faces"
    area = float(mesh.face_areas.sum(dtype=np.float64))
    return "" if np.isfinite(area) and area > 0.0 else f"the prediction's surface area is {area}"
