"""A run that classifies by the most salient points: the maps that its evaluation reads, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.evaluation.predict import Predictor
from shapesys.families.base import Observation
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.settings import CloudConfig, PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source
from shapesys.training import run_dir
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train
from shapesys.training.run_dir import RunDirectory

POINTS, MAPPED = 96, 64
SCALE = EvaluateScale(save_meshes=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = build_source("procedural", {"categories": ("bottle", "mug"), "count": 6, "test_fraction": 0.5})
    folder = tmp_path_factory.mktemp("clouds") / "store"
    settings = PrepareConfig(views=("cloud",), cloud=CloudConfig(points=POINTS))
    prepare_locally(source, str(folder), settings, isolate=False)
    return folder


def write_maps(store: Path, path: Path, sign: float = 1.0, splits: tuple[str, ...] = ("train", "test")) -> Path:
    """High points are salient, or low ones."""
    opened = Store.open(str(store))
    ids = [shape_id for split in splits for shape_id in opened.shape_ids(split, ())]
    clouds = opened.read("cloud", ids, ["points"])["points"]
    values = {name: np.asarray(sign * cloud[:MAPPED, 1], np.float32) for name, cloud in zip(ids, clouds, strict=True)}
    SaliencyMaps("height", opened.digest(), values).write(path)
    return path


@pytest.fixture(scope="module")
def maps(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_maps(store, tmp_path_factory.mktemp("maps") / "high.parquet")


def trained(store: Path, root: Path, name: str, **changes: Any) -> RunDirectory:
    small = {"model.k": 5, "model.width": 0.1, "train.epochs": 2, "train.points_per_shape": 64, "inference.points": 64}
    named = {key.replace("__", "."): value for key, value in changes.items()}
    job = resolve("dgcnn", "tiny", {"data.store": str(store), **small, **named})
    run = run_dir.create(root, name)
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    return run


@pytest.fixture
def run(store: Path, maps: Path, tmp_path: Path) -> RunDirectory:
    return trained(store, tmp_path, "salient", data__saliency=str(maps), model__salient_points=20)


def probabilities(run: RunDirectory) -> dict[str, float]:
    table = pq.read_table(run.evaluation("test").rows)
    return dict(zip(table["shape_id"].to_pylist(), table["fact/probability"].to_pylist(), strict=True))


def test_the_maps_of_the_run_serve_its_evaluation(run: RunDirectory, store: Path, maps: Path) -> None:
    summary = evaluate_locally(run, EvaluateConfig(), SCALE)
    assert summary["counts"]["ok"] == 6
    evaluator = Evaluator.open(chosen_of(run), str(store), EvaluateConfig(), None)
    for shape_id, probability in probabilities(run).items():
        points = Store.open(str(store)).read("cloud", [shape_id], ["points"])["points"][0]
        seen = {"points": points, "saliency": np.asarray(points[:MAPPED, 1], np.float32)}
        [found] = evaluator.family.infer(evaluator.objective, [Observation(shape_id, seen)], evaluator.job.inference, 0)
        assert np.exp(found.class_scores.max()) == pytest.approx(probability, rel=1e-5)


def test_other_maps_give_other_numbers_and_are_kept_apart(run: RunDirectory, store: Path, tmp_path: Path) -> None:
    low = write_maps(store, tmp_path / "low.parquet", -1.0)
    evaluate_locally(run, EvaluateConfig(), SCALE)
    own = probabilities(run)
    evaluate_locally(run, EvaluateConfig(saliency=str(low)), SCALE)
    other = probabilities(run)
    assert own.keys() == other.keys()
    assert max(abs(own[name] - other[name]) for name in own) > 1e-4
    settings = json.loads(run.evaluation("test").settings.read_text())["settings"]
    assert settings["saliency"]["method"] == "height"
    moved = low.rename(tmp_path / "moved.parquet")
    assert EvaluationPlan.open(run, EvaluateConfig(saliency=str(moved))).waiting == [], "the same maps elsewhere"
    write_maps(store, moved, -2.0)
    assert len(EvaluationPlan.open(run, EvaluateConfig(saliency=str(moved))).waiting) == 6, "other maps in their place"


def test_maps_that_lack_shapes_are_refused_before_anything_is_evaluated(
    run: RunDirectory, store: Path, tmp_path: Path
) -> None:
    some = write_maps(store, tmp_path / "train.parquet", splits=("train",))
    evaluate_locally(run, EvaluateConfig(), SCALE)
    with pytest.raises(ShapesysError, match="no saliency map of 6 of 6 shapes"):
        EvaluationPlan.open(run, EvaluateConfig(saliency=str(some)))
    assert len(probabilities(run)) == 6, "what is there stays"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert EvaluateConfig(saliency="maps.parquet").saliency == str(tmp_path / "maps.parquet")


def test_files_of_ones_own_have_no_maps(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="a file of your own has no map of saliency; evaluate prepared shapes"):
        Predictor.open(run)


def test_weighted_gradients_need_no_maps_at_evaluation(store: Path, tmp_path: Path) -> None:
    some = write_maps(store, tmp_path / "train.parquet", splits=("train",))
    run = trained(store, tmp_path, "weighted", data__saliency=str(some), model__saliency_gradient=True)
    some.unlink()
    assert evaluate_locally(run, EvaluateConfig(), SCALE)["counts"]["ok"] == 6
    settings = json.loads(run.evaluation("test").settings.read_text())["settings"]
    assert "saliency" not in settings
    with pytest.raises(UsageError, match="does not choose points by saliency; leave it out"):
        EvaluationPlan.open(run, EvaluateConfig(saliency=str(some)))
