"""Maps of one category by networks that are trained already, or by geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapesys.reproduction.saliency_experiments import MAPS, MapExperiment
from shapesys.saliency.config import MapSettings
from shapesys.saliency.kinds import Kind, used_by
from shapesys.saliency.makers import MapMaker
from shapesys.saliency.maps import Maps, field_maps, gradient_maps
from shapesys.samples.saliency_maps import SaliencyMaps, merged, read_saliency_maps
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.context import pick_device
from shapesys.training.run_dir import RunDirectory


@dataclass(frozen=True)
class SourceMaps(MapExperiment):
    """Makes maps with what is there.

    Attributes:
        kind: of the maker.
        network: the trained run; None where none is needed.
    """

    kind: Kind
    network: RunDirectory | None

    def facts(self) -> dict[str, Any]:
        network = {} if self.network is None else {"network": chosen_of(self.network).digest()}
        used = used_by(self.kind, self.settings)
        return {"kind": self.kind, "settings": used, "categories": list(self.categories), **network}

    def make(self, store: Store, shape_ids: list[str]) -> Maps:
        if self.network is None:
            return super().make(store, shape_ids)
        maps = field_maps if self.kind == "fields" else gradient_maps
        return maps(self.network, store, shape_ids, self.settings, pick_device("auto"))


def pieces_of(maker: MapMaker, root: Path, store: str, settings: MapSettings) -> list[SourceMaps]:
    """One experiment for each category, so that they run side by side and each is made again only where it must be."""
    return [
        SourceMaps(f"{maker.key}-{category}", str(root), maker.method, store, (category,), settings, maker.kind, run)
        for category, run in maker.runs.items()
    ]


def gathered(maker: MapMaker, pieces: Sequence[SourceMaps], store: Store) -> SaliencyMaps:
    """The maps of some categories as one; none where there are no pieces.

    Raises:
        ShapesysError: one is missing or damaged.
    """
    read = [replace(read_saliency_maps(piece.run.path / MAPS), method=maker.method) for piece in pieces]
    whole = merged(read) if read else SaliencyMaps(maker.method, store.digest(), {})
    facts = {piece.categories[0]: dict(one.facts) for piece, one in zip(pieces, read, strict=True)}
    return replace(whole, facts={"kind": maker.kind, "made_of": facts})
