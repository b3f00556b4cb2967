"""The samples behind a shape's surface metrics: each pair of samples is drawn and searched once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.metrics.conventions import Against
from shapesys.metrics.pair import Distances, SurfacePair, pair_points, pair_surfaces
from shapesys.metrics.region import Region
from shapesys.metrics.surface_settings import SurfaceSettings

_TRIED = 4096
"""Points of a prediction of which one at least has to lie in the region."""

PREDICTION, TRUTH, SECOND = range(3)
"""What a sample is of, which gives its seed; the second sampling of the truth is for the floor."""

Counts = tuple[int, int]


@dataclass(frozen=True)
class ScanPoints:
    """What was observed of a shape.

    Attributes:
        points: (n, 3), in the coordinates that are evaluated; any prefix stands for the whole.
        origin: where they come from, for the record.
    """

    points: Floats
    origin: str = "as given"


class Sampled:
    """A prediction against the true surface or samples of it, against the scan, or both.

    Raises:
        ValueError: neither is known.
    """

    def __init__(
        self, prediction: Mesh, truth: Mesh | SurfaceSample | None, scan: ScanPoints | None, settings: SurfaceSettings
    ) -> None:
        if truth is None and scan is None:
            raise ValueError("neither the true surface nor a scan is given; there is nothing to measure against")
        self.prediction, self.truth, self.scan, self.settings = prediction, truth, scan, settings
        self._seeds = [int(seed) for seed in np.random.SeedSequence(settings.seed).generate_state(3)]
        self.empty_reason = why_empty(prediction) or self._why_outside()
        self._to_truth: dict[Counts, tuple[SurfacePair | None, SurfacePair | None]] = {}
        self._to_scan: dict[Counts, tuple[Distances | None, Distances | None]] = {}

    def extent(self, whole: Mesh | SurfaceSample | None = None) -> Mesh | Floats:
        """What gives the units of length: the whole that the truth is a part of, else the truth where it is known."""
        known = self.truth if whole is None else whole
        if known is not None:
            return known if isinstance(known, Mesh) else known.points
        assert self.scan is not None
        return self.scan.points

    def knows(self, against: Against) -> bool:
        """Whether there is something to measure against."""
        return (self.truth if against == "truth" else self.scan) is not None

    def counts(self, asked: Counts, against: Against) -> Counts:
        """(predicted, true) samples that there are when these are asked for: a scan has no more points than it has,
        and samples of a surface are no more than were given."""
        if against == "truth" and isinstance(self.truth, SurfaceSample):
            return asked[0], min(asked[1], len(self.truth))
        if against == "truth" or self.scan is None:
            return asked
        held = len(self.scan.points)
        return asked[0], min(asked[1] or held, held)

    def against(self, what: Against, counts: Counts) -> tuple[Distances | None, Distances | None]:
        """(prediction, None where it is empty; floor, None where there is none), measured against truth or scan."""
        return self.against_truth(counts) if what == "truth" else self.against_scan(counts)

    def against_truth(self, counts: Counts) -> tuple[SurfacePair | None, SurfacePair | None]:
        """(prediction against truth, truth against itself)."""
        if counts not in self._to_truth:
            truth = self._sample(TRUTH, counts[1])
            assert truth is not None
            second = self._second(counts[0]) if self._second_is_apart(counts) else None
            pairs = [
                None if sample is None else pair_surfaces(sample, truth, self.settings.search)
                for sample in (self._sample(PREDICTION, counts[0]), second)
            ]
            self._to_truth[counts] = pairs[0], pairs[1]
        return self._to_truth[counts]

    def against_scan(self, counts: Counts) -> tuple[Distances | None, Distances | None]:
        """(prediction against scan, truth against scan)."""
        assert self.scan is not None
        if counts not in self._to_scan:
            scan = self.scan.points[: counts[1]]
            pairs = [
                None if sample is None else pair_points(sample.points, scan, self.settings.search)
                for sample in (self._sample(PREDICTION, counts[0]), self._second(counts[0]))
            ]
            self._to_scan[counts] = pairs[0], pairs[1]
        return self._to_scan[counts]

    def _second_is_apart(self, counts: Counts) -> bool:
        """Whether a second sampling has no point of the first: of given samples, there may be too few."""
        return not isinstance(self.truth, SurfaceSample) or sum(counts) <= len(self.truth)

    def _second(self, count: int) -> SurfaceSample | None:
        return self._sample(SECOND, count) if self.settings.floor else None

    def _sample(self, what: int, count: int) -> SurfaceSample | None:
        """None where there is no surface to draw from."""
        mesh = self.prediction if what == PREDICTION else self.truth
        if mesh is None or (what == PREDICTION and self.empty_reason):
            return None
        if what == PREDICTION and self.settings.region:
            return self._in_region(self.prediction, count, self.settings.region)
        if isinstance(mesh, SurfaceSample):
            return self._of_given(mesh, what, count)
        return sample_surface(mesh, count, self._seeds[what], stratified=self.settings.sampling == "stratified")

    def _of_given(self, given: SurfaceSample, what: int, count: int) -> SurfaceSample:
        """The first of the samples in random order, or for a second sampling the last."""
        order = np.random.default_rng(self._seeds[TRUTH]).permutation(len(given))
        rows = order[:count] if what == TRUTH else order[len(order) - count :]
        return SurfaceSample(given.points[rows], given.normals[rows], given.faces[rows])

    def _in_region(self, mesh: Mesh, count: int, region: Region) -> SurfaceSample:
        drawn = sample_surface(mesh, 2 * count, self._seeds[PREDICTION], stratified=False)
        within = np.flatnonzero(region.holds(drawn.points))
        if not len(within):
            drawn = self._tried
            within = np.flatnonzero(region.holds(drawn.points))
        rng = np.random.default_rng(self._seeds[PREDICTION])
        rows = rng.choice(within, count, replace=len(within) < count)
        return SurfaceSample(drawn.points[rows], drawn.normals[rows], drawn.faces[rows])

    @cached_property
    def _tried(self) -> SurfaceSample:
        """By which it is known whether any of the prediction lies in the region."""
        return sample_surface(self.prediction, _TRIED, self._seeds[PREDICTION], stratified=False)

    def _why_outside(self) -> str:
        """Why nothing of a prediction can be measured in the region; empty where something can."""
        region = self.settings.region
        if region is None or region.holds(self._tried.points).any():
            return ""
        return f"nothing of the prediction lies where it is measured ({region.name})"


def why_empty(mesh: Mesh) -> str:
    """Why no point can be drawn from the mesh; empty when one can."""
    if mesh.is_empty:
        return "the prediction has no faces"
    area = float(mesh.face_areas.sum(dtype=np.float64))
    return "" if np.isfinite(area) and area > 0.0 else f"the prediction's surface area is {area}"
