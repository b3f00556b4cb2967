"""What a virtual scanner is told: where it stands, how densely it measures, and what it gets wrong."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from shapesys.config.base import Config, setting


class ScannerSettings(Config):
    """Every choice of a scan. Lengths are radii of the shape: distances of its farthest vertex from its box's centre.

    Stores keep shapes in a sphere of about that radius, so noise here reads as noise there. y is up.
    """

    points: int = setting(32_768, help="points of a scan, exactly", ge=1, le=20_000_000)
    positions: int = setting(8, help="places that the scanner measures from, evenly around the shape", ge=1, le=1024)
    distance: float = setting(2.5, help="from the shape's centre to these, in radii of the shape", ge=1.05, le=1e3)
    lowest: float = setting(-30.0, help="least elevation of these above the centre, in degrees", ge=-90, le=90)
    highest: float = setting(60.0, help="greatest elevation, in degrees", ge=-90, le=90)
    falloff: float = setting(
        1.0, help="density goes with this power of cos(incidence) / distance^2; 0 is even where seen", ge=0, le=4
    )
    range_std: float = setting(0.0, help="standard deviation of the noise along the view, in radii", ge=0, le=1)
    isotropic_std: float = setting(
        0.0, help="standard deviation of the noise along each axis, in radii, in addition", ge=0, le=1
    )
    holes: int = setting(0, help="discs cut out of what is seen", ge=0, le=10_000)
    hole_radius: float = setting(0.15, help="of these discs, in radii of the shape", gt=0, le=2)
    outliers: float = setting(0.0, help="share of the points that are anywhere in the padded box", ge=0, lt=1)
    padding: float = setting(
        0.1, help="margin of that box around the shape's, as a share of its longest side", ge=0, le=10
    )
    duplicates: float = setting(0.0, help="share of the points that repeat another one exactly", ge=0, lt=1)
    normals: bool = setting(True, help="give normals, each on the side that the scanner saw the point from")

    @model_validator(mode="after")
    def _possible(self) -> ScannerSettings:
        if self.lowest > self.highest:
            raise ValueError(f"lowest {self.lowest:g} is above highest {self.highest:g}; swap them")
        if self.measured < 1:
            raise ValueError(
                f"outliers {self.outliers:g} and duplicates {self.duplicates:g} leave none of {self.points} points "
                "to measure; lower one of them"
            )
        return self

    @property
    def strays(self) -> int:
        """How many points are outliers."""
        return round(self.outliers * self.points)

    @property
    def repeats(self) -> int:
        """How many points are duplicates."""
        return round(self.duplicates * self.points)

    @property
    def measured(self) -> int:
        """How many points are of the shape, each once."""
        return self.points - self.strays - self.repeats


CONDITIONS: dict[str, dict[str, Any]] = {
    "clean": {},
    "noisy": {"range_std": 0.01, "isotropic_std": 0.0025},
    "sparse": {"points": 1024},
    "holes": {"positions": 4, "holes": 8, "hole_radius": 0.12},
    "outliers": {"outliers": 0.1, "duplicates": 0.02},
}
"""Named ways of being difficult, one at a time: name -> settings that differ from the defaults."""
