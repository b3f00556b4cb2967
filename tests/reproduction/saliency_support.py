"""Recipes about saliency maps that take seconds: networks of a few neurons, trained for an epoch or two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Data, Measure, Request
from shapesys.reproduction.saliency import MapRecipe, MapTable, MapVariant
from shapesys.reproduction.saliency_experiments import MapExperiment, making

R = TypeVar("R", bound=MapRecipe)
CATEGORIES = ("chair", "mug")
POINTS = 64

_TINY = {"tiny": "tiny"}
_FIELD = {
    "model.hidden": 16, "model.layers": 3, "model.skip_at": 1, "model.latent_dim": 4,
    "train.epochs": 2, "train.points_per_shape": 128, "train.shapes_per_step": 4,
    "inference.iterations": 4, "inference.points": 128,
}  # fmt: skip
_CLOUD = {"model.width": 0.05, "train.epochs": 1, "train.points_per_shape": 32, "inference.points": POINTS}

PCA = MapVariant("PCA", key="pca", kind="geometry")
PCSM = MapVariant(
    "PCSM", key="pcsm", kind="classifier", family="pointnet", presets=_TINY, changes=_CLOUD, trained_as="pointnet"
)
ISSN = MapVariant("ISSN", key="issn", kind="fields", family="issn", presets=_TINY, changes=_FIELD)
JUDGE = MapVariant("PointNet", key="pointnet", kind=None, family="pointnet", presets=_TINY, changes=_CLOUD)


def recipe_of(kind: type[R], name: str, variants: tuple[MapVariant, ...], measures: dict[str, str], **more: Any) -> R:
    """A recipe of some kind.

    Args:
        measures: title -> name.
    """
    return kind(
        name=name,
        title="a test",
        published_in="nowhere",
        variants=variants,
        measures=tuple(Measure(title, measured) for title, measured in measures.items()),
        data={"tiny": Data("few", "procedural")},
        shares="test",
        categories={"tiny": CATEGORIES},
        map_settings={"points": POINTS, "neighbours": 5, "observed_queries": 512},
        **more,
    )


def table_of_maps(name: str = "test.maps", variants: tuple[MapVariant, ...] = (PCA, PCSM, ISSN)) -> MapTable:
    """SSR of maps."""
    return recipe_of(MapTable, name, variants, {"Mean": "ssr/min_max"}, pictured=1)


def every_split(request: Request) -> list[MapExperiment]:
    """What makes the maps of all recipes here, of training and of test shapes."""
    return [replace(one, splits=("train", "test")) for one in making(table_of_maps(), request)]


def another_code(run: Path) -> None:
    """Change the last bit of the last number of a run's codes: a checkpoint of the same step, with other weights."""
    [file] = run.glob("checkpoints/*/codes.safetensors")
    held = file.read_bytes()
    file.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))


def asked(store: str, root: str, seeds: tuple[int, ...] = (0,), **changes: Any) -> Request:
    return Request("tiny", "tiny", store, root, seeds, changes)


def performed(experiments: list[Experiment]) -> list[Finding]:
    """All findings of a phase."""
    return [finding for item in experiments for finding in item.perform()]
