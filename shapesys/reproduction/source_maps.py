"""Maps of one category by networks that are trained already, or by geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shapesys.reproduction.kept import Kept, check_kept
from shapesys.reproduction.saliency_experiments import MapExperiment
from shapesys.reproduction.saliency_files import maps_file
from shapesys.saliency.config import MapSettings
from shapesys.saliency.makers import MapMaker
from shapesys.samples.saliency_maps import SaliencyMaps, merged, read_saliency_maps
from shapesys.samples.store import Store
from shapesys.training.run_dir import RunDirectory

_EVERY = (None,)
"""Maps of all splits in one file."""


@dataclass(frozen=True)
class SourceMaps(MapExperiment):
    """Makes maps with what is there.

    Attributes:
        source: the trained run; None where none is needed.
    """

    source: RunDirectory | None

    @property
    def network(self) -> RunDirectory | None:
        return self.source

    @property
    def file(self) -> Path:
        """Where the maps lie."""
        return self.run.path / maps_file(None)

    def is_made(self, store: Store) -> bool:
        """Whether there is nothing to make; leaves no folder behind."""
        file = Path(self.root) / self.name / maps_file(None)
        return Kept(file).is_current(self.facts(store) | {"split": None})


def pieces_of(maker: MapMaker, root: Path, store: str, settings: MapSettings) -> list[SourceMaps]:
    """One experiment for each category, so that they run side by side and each is made again only where it must be."""
    common = (str(root), maker.method, maker.kind, store)
    return [
        SourceMaps(f"{maker.key}-{category}", *common, (category,), settings, _EVERY, run)
        for category, run in maker.runs.items()
    ]


def gathered(maker: MapMaker, pieces: Sequence[SourceMaps], store: Store) -> SaliencyMaps:
    """The maps of some categories as one; none where there are no pieces.

    Raises:
        ShapesysError: one is missing, damaged, or of an earlier experiment than one that failed.
    """
    check_kept([piece.file for piece in pieces], f"maps by {maker.method}")
    read = [replace(read_saliency_maps(piece.file), method=maker.method) for piece in pieces]
    whole = merged(read) if read else SaliencyMaps(maker.method, store.digest(), {})
    facts = {piece.categories[0]: dict(one.facts) for piece, one in zip(pieces, read, strict=True)}
    return replace(whole, facts={"kind": maker.kind, "made_of": facts})
