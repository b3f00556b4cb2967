"""The kinds of saliency maps, and the settings that each depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    # Recipes are listed without loading what a network needs.
    from shapesys.saliency.config import MapSettings

Kind = Literal["geometry", "fields", "classifier"]
"""By nothing but geometry (PCA), by networks of fields, or by a classifier's gradients (PCSM)."""

_USED: Mapping[Kind, tuple[str, ...]] = {
    "geometry": ("points", "neighbours"),
    "fields": ("points", "observed_queries", "inference", "seed"),
    "classifier": ("points", "alpha"),
}


SALIENT = "issn, issn_csl, and sal with --preset tiny_saliency or --model.saliency-weight above 0 predict it"
"""Which networks `fields` are, for people."""


def used_by(kind: Kind, settings: MapSettings) -> dict[str, Any]:
    """The settings that maps of a kind depend on, as plain data."""
    plain = settings.model_dump(mode="json")
    return {name: plain[name] for name in _USED[kind]}
