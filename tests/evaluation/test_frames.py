"""Shapes outside the unit sphere, from the store to the measured surface and back to the frame of a user's file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import trimesh
from untrained import run_of_a_ball

from shapesys.errors import ShapeRejected, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.evaluation.reconstruct import reconstruct
from shapesys.families import registry
from shapesys.families.base import FieldPrediction, Observation
from shapesys.fields.analytic import Sphere
from shapesys.fields.field import UNIT_BOX
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import FRAMES, FrameName, Framing
from shapesys.geometry.write import write_mesh
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import preset
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.registry import build_source
from shapesys.training import run_dir
from shapesys.training.checkpoint import Checkpoint, chosen_of, save
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.fitting import fresh_network
from shapesys.training.loop import make_optimiser, train

RADIUS, PLACE = 1.5, np.array([4.0, -1.0, 7.0])
"""Of balls in metres that no unit box holds, and where they stand."""
SETTINGS = EvaluateConfig(resolution=32, samples=20_000, observed_queries=512, inference={"iterations": 2})
FEW = {"udf.count": 1024, "udf.chunk": 512, "udf.neighbour": 4, "cloud.points": 300}


def ball(seed: int = 0, count: int = 600) -> np.ndarray:
    """Points, and those opposite, so that the ball's centre is their mean and that of their box."""
    half = np.random.default_rng(seed).normal(size=(count // 2, 3))
    directions = np.concatenate([half, -half])
    return np.asarray(PLACE + RADIUS * directions / np.linalg.norm(directions, axis=1, keepdims=True))


@pytest.fixture
def knows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sphere], None]:
    """Replaces inference: the family has learned this ball of its frame, and all else is real."""

    def know(sphere: Sphere) -> None:
        def infer(objective: Any, observations: Sequence[Observation], *_: Any) -> list[FieldPrediction]:
            for item in observations:
                away = item.columns["points"].mean(axis=0) - sphere.centre
                assert np.linalg.norm(away) < 0.3 * sphere.radius, "seen in another frame"
            return [FieldPrediction(item.shape_id, sphere) for item in observations]

        family = replace(registry.load("sal"), infer=infer)
        monkeypatch.setattr("shapesys.families.registry.load", lambda name: family)

    return know


def prepared(root: Path, frame: FrameName, split: str = "test") -> Path:
    """Scans of balls in a frame."""
    (root / "scans" / "ball" / split).mkdir(parents=True, exist_ok=True)
    for seed in range(2):
        np.savetxt(root / "scans" / "ball" / split / f"{seed}.xyz", ball(seed))
    source = build_source("cloud_folder", {"root": str(root / "scans")})
    settings = preset("sal", source.gives).override({**FEW, "frame": frame})
    prepare_locally(source, str(root / frame), settings, isolate=False)
    return root / frame


@pytest.fixture(scope="module")
def in_metres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("metres"), "mean")


def test_a_surface_that_the_unit_box_would_cut_is_measured_whole(
    in_metres: Path, tmp_path: Path, knows: Callable[[Sphere], None]
) -> None:
    run = run_of_a_ball(tmp_path, 0.8, str(in_metres), "mean")
    knows(Sphere(RADIUS))
    summary = evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=2))
    assert summary["counts"]["ok"] == 2
    rows = pq.read_table(run.evaluation("test").rows).to_pylist()
    assert [row["reason"] for row in rows] == ["", ""], "no side of a box cuts it"
    assert [row["fact/components"] for row in rows] == [1, 1]
    to_ball = summary["overall"]["metrics"]["chamfer/sald.scan_to_recon"]["mean"]
    assert to_ball < 0.02 * RADIUS, "in metres"


def test_the_field_is_looked_for_about_what_was_seen_and_in_its_own_box_in_the_unit_sphere(
    in_metres: Path, tmp_path: Path
) -> None:
    stores: dict[FrameName, Path] = {"mean": in_metres, "unit_sphere": prepared(tmp_path, "unit_sphere")}
    boxes = {}
    for frame, store in stores.items():
        run = run_of_a_ball(tmp_path / frame, 0.8, str(store), frame)
        [prediction] = Evaluator.open(chosen_of(run), str(store), SETTINGS, None).predict(["ball/0"])
        assert isinstance(prediction, FieldPrediction)
        boxes[frame] = prediction.field.traits.box
    assert boxes["unit_sphere"] == UNIT_BOX
    sides = [boxes["mean"].low, boxes["mean"].high]
    np.testing.assert_allclose(sides, np.outer([-1.2, 1.2], 3 * [RADIUS]), atol=0.03)


def test_so_are_the_fields_of_networks_that_are_one_shape_each(in_metres: Path, tmp_path: Path) -> None:
    small = {"model.hidden": 16, "model.layers": 3, "train.epochs": 3, "train.points_per_shape": 64}
    job = resolve("sal", "single", {"data.store": str(in_metres), **small})
    run = run_dir.create(tmp_path, "fits")
    claim(run, job)
    nothing = fresh_network(job, "")
    optimiser = make_optimiser(nothing, job.train)
    held = save(run.checkpoints, 0, job, nothing, (), optimiser, Vocabulary(), framing=Framing("mean"))
    [prediction] = Evaluator.open(held, str(in_metres), SETTINGS, None).predict(["ball/0"])
    assert isinstance(prediction, FieldPrediction)
    assert prediction.field.traits.box.longest_side == pytest.approx(2 * 1.2 * RADIUS, abs=0.03)


def test_shapes_in_another_frame_than_those_trained_on_are_refused(in_metres: Path, tmp_path: Path) -> None:
    run = run_of_a_ball(tmp_path, 0.8, str(in_metres))
    with pytest.raises(UsageError, match="in the frame unit_sphere, but those of .* are in mean;.*--frame unit_sphere"):
        EvaluationPlan.open(run, SETTINGS)


def test_a_run_remembers_where_its_shapes_lay_and_goes_on_with_no_others(tmp_path: Path) -> None:
    store = prepared(tmp_path, "mean", "train")
    small = {"model.hidden": 16, "model.latent_dim": 4, "model.layers": 3, "model.skip_at": 2}
    steps = {"train.epochs": 1, "train.points_per_shape": 256}
    job = resolve("sal", "tiny", {"data.store": str(store), **small, **steps})
    run = run_dir.create(tmp_path / "runs", "balls")
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    held = chosen_of(run)
    assert held.framing() == Framing("mean")
    shutil.rmtree(store)
    assert Checkpoint(held.path).framing() == Framing("mean"), "whatever becomes of the store"
    prepared(tmp_path, "as_given", "train").rename(store)
    with pytest.raises(UsageError, match="in the frame mean, but those of .* are in as_given"):
        train(job, run, LocalContext(torch.device("cpu")))


@pytest.mark.parametrize("kind", ["mesh", "cloud"])
@pytest.mark.parametrize("frame", FRAMES)
def test_a_file_comes_back_where_it_was_and_as_large(
    frame: FrameName, kind: str, tmp_path: Path, knows: Callable[[Sphere], None]
) -> None:
    run = run_of_a_ball(tmp_path, 0.8, frame=frame)
    solid = trimesh.creation.icosphere(4, RADIUS)
    mesh = Mesh(np.asarray(solid.vertices) + PLACE, np.asarray(solid.faces))
    path = tmp_path / ("ball.ply" if kind == "mesh" else "ball.npy")
    if kind == "mesh":
        write_mesh(mesh, path)
    else:
        np.save(path, ball())
    place = Framing(frame).of_mesh(mesh) if kind == "mesh" else Framing(frame).of_points(ball())
    x, y, z = place.apply(PLACE[None])[0].tolist()
    knows(Sphere(RADIUS / place.scale, (x, y, z)))
    found = reconstruct(run, path, resolution=64, queries=2000)
    assert found.observed == kind
    assert found.report.cut is None
    np.testing.assert_allclose(np.linalg.norm(found.mesh.vertices - PLACE, axis=1), RADIUS, atol=0.01)
    assert found.mesh.face_areas.sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.02)


def test_a_cloud_of_no_surface_is_refused_before_inference(tmp_path: Path) -> None:
    run = run_of_a_ball(tmp_path, 0.8)
    np.savetxt(tmp_path / "line.xyz", np.outer(np.arange(40.0), [1, 2, 3]))
    np.savetxt(tmp_path / "few.xyz", ball()[:9])
    with pytest.raises(ShapeRejected, match="all 40 points lie on one line"):
        reconstruct(run, tmp_path / "line.xyz")
    with pytest.raises(ShapeRejected, match="9 points; at least 16 needed"):
        reconstruct(run, tmp_path / "few.xyz")


def test_pictures_of_a_shape_in_millimetres_stay_small(tmp_path: Path) -> None:
    """What is coloured at vertices is divided by the size of the shape, not of a millimetre."""
    root = tmp_path / "meshes" / "ball" / "test"
    root.mkdir(parents=True)
    sphere = trimesh.creation.icosphere(1, 1000.0)
    write_mesh(Mesh(np.asarray(sphere.vertices), np.asarray(sphere.faces)), root / "a.ply")
    source = build_source("folder", {"root": str(tmp_path / "meshes")})
    settings = preset("sal", source.gives).override({**FEW, "udf.global_std": 200.0})
    prepare_locally(source, str(tmp_path / "store"), settings, isolate=False)
    run = run_of_a_ball(tmp_path, 1.0, str(tmp_path / "store"), "mean")
    evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=1))
    [row] = pq.read_table(run.evaluation("test").rows).to_pylist()
    assert row["status"] in ("ok", "empty"), row["reason"]
    assert run.evaluation("test").truth_mesh("ball/a").stat().st_size < 1_000_000
    assert json.loads(run.evaluation("test").summary.read_text())["counts"]["failed"] == 0
