"""What is measured of a surface, and from which samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shapesys.errors import unknown_name
from shapesys.geometry.neighbours import Search
from shapesys.metrics.conventions import Convention, Frame
from shapesys.metrics.region import Region

DEFAULT_COUNT = 100_000


@dataclass(frozen=True)
class Threshold:
    """An F-score threshold: value in units of ``frame``; ``strict`` leaves out a distance equal to it.

    One far above the distance between samples tells how much area is wrong: 1 - precision is the share of the
    prediction that is nowhere near the truth (spurious sheets, floaters), 1 - recall the share of the truth that is
    missing.
    """

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
        conventions: Chamfer conventions; those against what a shape lacks are left out.
        scan_conventions: further ones, of shapes of which nothing is known but a scan.
        thresholds: F-score thresholds.
        normals: normal consistency conventions.
        hausdorff_frames: units in which the Hausdorff distance is given.
        samples: points on each surface for all metrics; None takes each convention's own count, 100,000 elsewhere.
            Of a scan, as many of its points, all of them where it has fewer.
        sampling: ``independent`` points, as the named evaluators draw, or ``stratified`` ones: less noise from
            seed to seed, but distances near the floor come out about 10 % lower than published ones.
        seed: draws the samples of prediction, truth and floor.
        floor: measure the truth against a second sampling of itself, beside each score; against a scan, measure what
            the true surface scores.
        empty: scores of an empty prediction: Occupancy Networks' constants where its evaluator defines them (and an
            F-score of 0, which it omits), NaN elsewhere; or ``nan`` throughout.
        search: neighbour search.
        region: where predictions are measured; None for everywhere. Twice as many samples are drawn as are needed, and
            those in it drawn from again, as ConvONet does.
    """

    conventions: tuple[str, ...] = ("onet.chamfer_l1", "onet.chamfer_l2", "deepsdf", "tdgn")
    scan_conventions: tuple[str, ...] = ("sald.recon_to_scan", "sald.scan_to_recon")
    thresholds: tuple[Threshold, ...] = (Threshold(0.01), Threshold(0.015), Threshold(0.02))
    normals: tuple[str, ...] = ("onet",)
    hausdorff_frames: tuple[Frame, ...] = ("unit_sphere",)
    samples: int | None = None
    sampling: Literal["independent", "stratified"] = "independent"
    seed: int = 0
    floor: bool = True
    empty: Literal["onet", "nan"] = "onet"
    search: Search = "auto"
    region: Region | None = None

    def __post_init__(self) -> None:
        if self.sampling not in ("independent", "stratified"):
            raise unknown_name("sampling", self.sampling, ("independent", "stratified"))
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples is {self.samples}; give at least 1, or None for each convention's own count")

    def counts(self, chosen: Convention | None = None) -> tuple[int, int]:
        """(predicted, true) samples for a convention, or for the metrics that have none; 0 for all points of a scan."""
        if self.samples is not None:
            return self.samples, self.samples
        if chosen is None:
            return DEFAULT_COUNT, DEFAULT_COUNT
        all_of_it = 0 if chosen.against == "scan" else DEFAULT_COUNT
        return chosen.count_predicted or DEFAULT_COUNT, chosen.count_true or all_of_it
