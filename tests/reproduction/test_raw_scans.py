"""Recipes of one network per scan: fitted once, measured, and shown beside the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapesys.evaluation.config import EvaluateConfig
from shapesys.reproduction.finding import value_of
from shapesys.reproduction.raw_scans import DIVERGENCE, FITS, LOSSES, SHAPES
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.trained import TrainedRecipe
from shapesys.reproduction.trained_experiment import TrainedExperiment
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, OccupancyConfig, PrepareConfig, UnsignedConfig
from shapesys.sources.registry import build_source

SMALL = {"model.hidden": 32, "model.layers": 3, "train.epochs": 250, "train.points_per_shape": 128}
COARSE = {"tiny": {"resolution": 24, "samples": 1000, "chamfer": ("onet.chamfer_l1",)}}


@pytest.fixture(scope="module")
def request_of_scans(tmp_path_factory: pytest.TempPathFactory) -> Request:
    folder = tmp_path_factory.mktemp("raw")
    source = build_source("procedural_scans", {"categories": ("bottle", "sofa"), "count": 2, "test_fraction": 0.5})
    few = PrepareConfig(
        views=("meshes", "udf", "cloud", "occupancy"),
        udf=UnsignedConfig(count=4096, chunk=2048, neighbour=4),
        cloud=CloudConfig(points=512),
        occupancy=OccupancyConfig(points=500),
    )
    prepare_locally(source, str(folder / "store"), few, isolate=False)
    return Request("tiny", "tiny", str(folder / "store"), str(folder / "runs"), (0,), SMALL)


def first(recipe_index: int, request: Request) -> TrainedExperiment:
    [found] = replace(FITS, measured=COARSE, variants=FITS.variants[recipe_index : recipe_index + 1]).phases(request)
    assert isinstance(found[0], TrainedExperiment)
    return found[0]


def test_a_variant_is_fitted_measured_and_shown(request_of_scans: Request) -> None:
    experiment = first(0, request_of_scans)
    assert experiment.fits
    assert not experiment.was_done()
    [finding] = experiment.perform()
    assert experiment.was_done()
    chamfer = value_of(finding.summary, FITS.measures[0])
    assert chamfer is not None
    assert 0 < chamfer < 15
    unknown = [measure.title for measure in FITS.measures if value_of(finding.summary, measure) is None]
    assert unknown == ["to the scan x100", "from the scan x100"], "the true surface is known"
    assert [picture.column for picture in finding.pictures] == sorted(picture.column for picture in finding.pictures)
    assert len({picture.column[0] for picture in finding.pictures}) == 2
    for picture in finding.pictures:
        shown = np.asarray(Image.open(picture.path).convert("RGB"))
        assert shown.shape == (176, 352, 3)
        for half in (shown[:, :176], shown[:, 176:]):
            assert (half < 250).mean() > 0.05, "a shape is seen"


def test_again_nothing_is_fitted(request_of_scans: Request) -> None:
    experiment = first(0, request_of_scans)
    experiment.perform()
    networks = sorted((experiment.run.path / "networks").iterdir())
    before = [path.stat().st_mtime_ns for path in networks]
    [finding] = first(0, request_of_scans).perform()
    assert [path.stat().st_mtime_ns for path in networks] == before
    assert len(networks) == 2
    assert Path(finding.run).is_dir()


@pytest.mark.parametrize("recipe", [FITS, LOSSES, SHAPES, DIVERGENCE], ids=lambda recipe: recipe.name)
def test_scans_of_which_nothing_else_is_known_have_columns_too(recipe: TrainedRecipe) -> None:
    asked = {measure.name for measure in recipe.measures}
    for scale in ("tiny", "paper"):
        settings = EvaluateConfig().override(dict(recipe.measured[scale]))
        assert {f"chamfer/{name}" for name in settings.scan_chamfer} <= asked
