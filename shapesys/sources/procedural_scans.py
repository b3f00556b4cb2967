"""The built-in shapes as a scanner sees them, each with the clean shape it shows, endless by seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from shapesys.config.base import setting
from shapesys.geometry.scan import Scan
from shapesys.geometry.scanner import SCANNER_VERSION, scan_mesh
from shapesys.geometry.scanner_settings import CONDITIONS, ScannerSettings
from shapesys.samples.seeds import stable_hash
from shapesys.sources.base import Census, Loaded, Plane, ShapeRef, Source, digest_of
from shapesys.sources.procedural import ProceduralSource

Condition = Literal["clean", "noisy", "sparse", "holes", "outliers"]


class ProceduralScanSettings(ProceduralSource.Settings):
    """Which shapes to generate, and how to scan them. The same shapes and splits as those of the source `procedural`.

    Given by name, a condition decides what the scanner's own settings leave open. The settings that result are what is
    kept and recorded: a copy of them under another condition's name stays the scanner it was.
    """

    condition: Condition = setting(
        "clean",
        help="how difficult scans are: clean, noisy, sparse (1,024 points), holes (4 positions, 8 discs cut out) or "
        "outliers (a tenth of the points); a setting of the scanner that is given itself wins over it",
    )
    scan_seed: int = setting(0, help="changes where the scanner stands and all that it draws, of every shape", ge=0)
    scanner: ScannerSettings = ScannerSettings()

    @model_validator(mode="before")
    @classmethod
    def _under_condition(cls, data: Any) -> Any:
        given = data.get("scanner", {}) if isinstance(data, dict) else None
        if not isinstance(given, dict):
            return data
        # A name that does not exist is for the field's own check to explain.
        usual = CONDITIONS.get(str(data.get("condition", "clean")), {})
        return {**data, "scanner": {**usual, **given}}


class ProceduralScanSource(Source):
    """The built-in categories as scanned point clouds, noisy or with holes as asked for, with their clean shapes."""

    name: ClassVar[str] = "procedural_scans"
    Settings: ClassVar[type[ProceduralScanSettings]] = ProceduralScanSettings
    gives: ClassVar[type[Loaded]] = Scan

    def __init__(self, settings: ProceduralScanSettings) -> None:
        self.settings = settings
        self._shapes = ProceduralSource(settings)

    def census(self) -> Census:
        """That of the source `procedural`: `count` shapes of every category."""
        found = self._shapes.census()
        return replace(found, shapes=tuple(replace(ref, source=self.name) for ref in found.shapes))

    def load(self, ref: ShapeRef) -> Scan:
        """Generate the shape, in metres, and scan it."""
        truth = self._shapes.load(ref)
        return Scan(scan_mesh(truth, self.settings.scanner, self._seed(ref)), truth)

    def digest(self, ref: ShapeRef) -> str:
        """Over the shape, and the scanner's version, settings and seed, which determine the scan."""
        settings = self.settings.scanner.model_dump_json()
        return digest_of(self.name, self._shapes.digest(ref), str(SCANNER_VERSION), settings, str(self._seed(ref)))

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        """Of the clean shape: x = 0, for every category."""
        return self._shapes.symmetry_plane(ref)

    def part_names(self, category: str) -> tuple[str, ...]:
        """What the face labels of the clean shapes mean; points of scans have no labels."""
        return self._shapes.part_names(category)

    def _seed(self, ref: ShapeRef) -> int:
        """Another one for each shape: scans that share their noise would teach it."""
        return stable_hash(f"{self.settings.scan_seed}:{ref.id}")
