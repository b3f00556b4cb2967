"""Settings of saliency maps and of what is measured on them."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from shapesys.config.base import Config, setting
from shapesys.evaluation.config import PLANES_HELP, PlaneSearch, SymmetryPlane
from shapesys.metrics.saliency import SaliencySettings, Scaling


class MapSources(Config):
    """Whose maps are made, of which clouds."""

    store: str = setting(..., help="sample store whose clouds the maps are of")
    networks: tuple[str, ...] = setting(
        (),
        help="runs that predict saliency, each for the categories it is about, or sets of one network per category",
    )
    classifier: tuple[str, ...] = setting(
        (), help="runs that classify clouds; what each would lose with a point is the point's saliency (PCSM)"
    )
    categories: tuple[str, ...] = setting((), help="categories of the clouds; all where empty")
    pca: bool = setting(True, help="also maps by geometry alone: the surface variation of each point's neighbourhood")


class MapSettings(Config):
    """What maps are made of."""

    points: int = setting(1024, help="points of each shape: a prefix of the stored cloud", ge=2)
    neighbours: int = setting(20, help="PCA: others in a point's neighbourhood", ge=1)
    alpha: float = setting(1.0, help="PCSM: exponent of the radius; 1 and 6 are published", ge=0)
    observed_queries: int = setting(100_000, help="queries shown to test-time optimisation of a code", ge=100)
    inference: dict[str, Any] = setting({}, help="changes to a field family's inference settings, by name")
    seed: int = setting(0, help="seed of initial codes", ge=0)


class MapMetrics(Config):
    """How maps are measured."""

    split: str = setting("test", help="split that is measured")
    scaling: tuple[Scaling, ...] = setting(
        ("rank", "min_max"), help="rescalings of each map, by each of which it is measured", min_length=1
    )
    symmetric_within: float = setting(0.1, help="largest gap to the mirror image of a symmetric shape", gt=0)
    symmetry_plane: SymmetryPlane = setting("auto", help=PLANES_HELP)

    @field_validator("scaling")
    @classmethod
    def _each_once(cls, scaling: tuple[Scaling, ...]) -> tuple[Scaling, ...]:
        return tuple(dict.fromkeys(scaling))

    def saliency_settings(self) -> tuple[SaliencySettings, ...]:
        """The settings of the metrics, for each rescaling."""
        return tuple(SaliencySettings(scaling, self.symmetric_within) for scaling in self.scaling)

    def planes(self) -> PlaneSearch:
        """How mirror planes are known."""
        return PlaneSearch(self.symmetry_plane, self.symmetric_within)
