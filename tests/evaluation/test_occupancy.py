"""Networks that classify space, from a store to numbers and to files of one's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from shapesys.cli.reconstruct import too_coarse
from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally, usual_scale
from shapesys.evaluation.reconstruct import reconstruct
from shapesys.families.convonet.config import SCHEDULES
from shapesys.geometry.placement import Placement
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.write import write_mesh, write_points
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.procedural import generate
from shapesys.sources.registry import build_source
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import claim, load_job, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train
from shapesys.training.run_dir import RunDirectory, create

FEW = {"inside.count": 2048, "inside.chunk": 512, "inside.surface": 512, "cloud.points": 600, "occupancy.points": 2000}
SHAPES = {"categories": ("mug", "table"), "count": 6, "val_fraction": 0.0, "test_fraction": 0.34}
SETTINGS = EvaluateConfig(resolution=24, samples=500)
SCALE = EvaluateScale(batch_shapes=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Mugs and tables in the unit cube."""
    folder = str(tmp_path_factory.mktemp("solids") / "store")
    settings = PRESETS["tiny_onet"].override(FEW)
    prepare_locally(build_source("procedural", SHAPES), folder, settings, isolate=False)
    return folder


def trained(store: str, folder: Path, family: str, preset: str, **changes: Any) -> RunDirectory:
    few = {"train.epochs": 30, "train.shapes_per_step": 4, "train.points_per_shape": 512, "model.side": 1.1}
    job = resolve(family, preset, {"data.store": store, **few, **changes})
    run = create(folder, f"{family}-{preset}")
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    return run


@pytest.fixture(scope="module")
def run(store: str, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(store, tmp_path_factory.mktemp("runs"), "convonet", "tiny")


@pytest.fixture(scope="module")
def of_windows(store: str, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    windows = {"model.side": 0.6, "model.core": 0.3, "train.points_per_shape": 2048}
    return trained(store, tmp_path_factory.mktemp("windows"), "convonet", "tiny_windows", **windows)


def rows_of(run: RunDirectory) -> dict[str, dict[str, Any]]:
    return {row["shape_id"]: row for row in pq.read_table(run.evaluation("test").rows).to_pylist()}


def test_an_evaluation_optimises_each_shape_and_says_how(run: RunDirectory) -> None:
    inference = {"schedule": "tiny", "iterations": 6, "surface": 64, "off_surface": 64, "batches": 1}
    summary = evaluate_locally(run, SETTINGS.override({"inference": inference}), SCALE)
    assert sum(summary["counts"].values()) == summary["counts"]["ok"] + summary["counts"]["empty"] > 0
    for shape_id, row in rows_of(run).items():
        assert row["fact/level"] == 0.5
        assert row["fact/iterations"] == 6
        assert row["fact/loss_floor"] == pytest.approx(0.5 * np.log(2.0))
        assert run.evaluation("test").curves(shape_id).is_file()


def test_results_of_a_schedule_that_has_become_another_are_not_kept(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.override({"inference": {"schedule": "tiny", "iterations": 1, "batches": 1}})
    evaluate_locally(run, settings, SCALE)
    monkeypatch.setitem(SCHEDULES, "tiny", replace(SCHEDULES["tiny"], level=0.35))
    assert EvaluationPlan.open(run, settings).waiting
    evaluate_locally(run, settings, SCALE)
    assert {row["fact/level"] for row in rows_of(run).values()} == {0.35}
    assert not EvaluationPlan.open(run, settings).waiting


def test_without_a_schedule_the_surface_is_where_the_release_has_it(run: RunDirectory) -> None:
    evaluate_locally(run, SETTINGS, SCALE)
    assert {row["fact/level"] for row in rows_of(run).values()} == {0.2}
    assert all("fact/iterations" not in row for row in rows_of(run).values())


def test_its_field_lies_in_its_own_cube(run: RunDirectory, store: str) -> None:
    """And not in a box about the points that were seen, as where nobody knows better."""
    path = run.path.parent / "mug.obj"
    write_mesh(generate("mug", 3), path)
    made = reconstruct(run, path, 24)
    assert made.field.traits.box.low == (-0.55, -0.55, -0.55)
    assert Store.open(store).framing.name == "unit_cube"


def test_a_cloud_of_ones_own_needs_no_normals(run: RunDirectory, tmp_path: Path) -> None:
    points = sample_surface(generate("table", 5), 800, 0).points + 3.0
    write_points(points, {}, tmp_path / "table.ply")
    made = reconstruct(run, tmp_path / "table.ply", 32, {"schedule": "tiny", "iterations": 2, "level": 0.2})
    assert made.observed == "cloud"
    assert made.facts["iterations"] == 2
    np.testing.assert_allclose(made.mesh.vertices.mean(axis=0), points.mean(axis=0), atol=0.5)


def test_a_setting_that_does_nothing_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    write_mesh(generate("mug", 3), tmp_path / "mug.obj")
    with pytest.raises(UsageError, match="'iterations' does nothing where 'schedule' is None"):
        reconstruct(run, tmp_path / "mug.obj", 24, {"iterations": 5})
    with pytest.raises(UsageError, match="'std' does nothing"):
        evaluate_locally(run, SETTINGS.override({"inference": {"std": 0.1}}), SCALE)


def test_a_cloud_far_outside_of_what_was_learned_is_refused(store: str, tmp_path: Path) -> None:
    """A run on shapes as their files have them, in metres, in a cube of 20 centimetres."""
    small = trained(store, tmp_path, "convonet", "tiny", **{"train.epochs": 1, "model.side": 0.2})
    write_mesh(generate("table", 5), tmp_path / "table.obj")
    with pytest.raises(ShapesysError, match="lie outside the cube of side 0.2"):
        reconstruct(small, tmp_path / "table.obj", 24)


def test_windows_are_trained_evaluated_and_reconstructed(of_windows: RunDirectory, tmp_path: Path) -> None:
    summary = evaluate_locally(of_windows, SETTINGS, SCALE)
    assert summary["counts"]["failed"] == 0
    for row in rows_of(of_windows).values():
        assert row["fact/windows"] > row["fact/windows_skipped"] >= 0
        assert row["fact/window_features_mib"] == pytest.approx(16**3 * 16 * 4 / 2**20)
    write_mesh(generate("mug", 3), tmp_path / "mug.obj")
    made = reconstruct(
        of_windows, tmp_path / "mug.obj", 32, {"schedule": "tiny", "iterations": 2, "batches": 2, "level": 0.2}
    )
    assert not made.mesh.is_empty
    assert made.facts["feature_cell"] == pytest.approx(0.6 / 16)
    assert too_coarse(made, 100) == ""
    side = made.field.traits.box.longest_side
    assert too_coarse(made, 8).endswith(
        f"--resolution {math.ceil(side / made.facts['feature_cell'])} shows all that it knows"
    )


def test_occupancy_networks_run_alike(store: str, tmp_path: Path) -> None:
    run = trained(store, tmp_path, "onet", "tiny", **{"train.epochs": 4})
    summary = evaluate_locally(run, SETTINGS, SCALE)
    assert summary["counts"]["failed"] == 0
    assert {row["fact/level"] for row in rows_of(run).values()} == {0.2}


def test_a_scene_that_lies_on_its_side_in_another_unit_comes_back_as_it_was(
    of_windows: RunDirectory, tmp_path: Path
) -> None:
    """Two mugs in millimetres, z up, further apart than what was learned is wide."""
    mug = sample_surface(generate("mug", 3), 600, 0).points
    mug = 1000.0 * np.concatenate([mug, mug + [0.4, 0.0, 0.0]])[:, [0, 2, 1]] * [1, -1, 1] + [5e3, 0.0, 20.0]
    write_points(mug.astype(np.float32), {}, tmp_path / "mugs.ply")
    placement = Placement("z", 800.0)
    made = reconstruct(of_windows, tmp_path / "mugs.ply", 48, {"level": 0.2}, placement=placement)
    low, high = made.mesh.vertices.min(axis=0), made.mesh.vertices.max(axis=0)
    assert (low > mug.min(axis=0) - 240.0).all()
    assert (high < mug.max(axis=0) + 240.0).all()
    assert made.facts["windows"] > 30


def test_clean_clouds_can_be_shown_with_noise(run: RunDirectory, store: str) -> None:
    shape_id = Store.open(store).shape_ids("test")[0]

    def seen(noise: float, seed: int = 0) -> np.ndarray:
        settings = SETTINGS.override({"input_noise": noise, "seed": seed})
        return Evaluator.open(chosen_of(run), store, settings, None)._observe(shape_id).columns["points"]

    clean, noisy = seen(0.0), seen(0.01)
    assert (noisy - clean).std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_array_equal(noisy, seen(0.01))
    assert not np.array_equal(noisy, seen(0.01, seed=1))


def test_what_takes_long_goes_shape_by_shape(run: RunDirectory) -> None:
    job = load_job(run.config)
    assert usual_scale(job, SETTINGS).batch_shapes == EvaluateScale().batch_shapes
    slow = usual_scale(job, SETTINGS.override({"inference": {"schedule": "tiny"}}))
    if not torch.cuda.is_available():
        assert slow.batch_shapes == 1
        assert slow.shape_limit_s > 3600
    with pytest.raises(UsageError, match="schedul"):
        usual_scale(job, SETTINGS.override({"inference": {"schedules": "tiny"}}))
