"""Networks that see one picture of a shape, from a store to numbers, and to photographs of one's own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shapesys.errors import ShapeRejected, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.interpolate import interpolate
from shapesys.evaluation.plan import evaluate_locally
from shapesys.evaluation.reconstruct import reconstruct
from shapesys.geometry.placement import Placement
from shapesys.samples.image_views import view_tensors
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train
from shapesys.training.run_dir import RunDirectory, create

VIEWS = 2
SETTINGS = EvaluateConfig(resolution=24, samples=300)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Mugs in the unit cube, in two small pictures each."""
    folder = str(tmp_path_factory.mktemp("pictured") / "store")
    few = {"inside.count": 512, "inside.chunk": 256, "inside.surface": 64, "cloud.points": 200}
    pictures = {"images.views": VIEWS, "images.size": 32, "images.supersample": 1, "occupancy.points": 500}
    views = ("meshes", "cloud", "inside", "occupancy", "images")
    settings = PRESETS["tiny_onet"].override({"views": views, **few, **pictures})
    source = build_source("procedural", {"categories": ("mug",), "count": 6, "val_fraction": 0.0, "test_fraction": 0.3})
    prepare_locally(source, folder, settings, isolate=False)
    return folder


@pytest.fixture(scope="module", params=["onet-tiny_image", "tdgn-tiny"])
def run(request: pytest.FixtureRequest, store: str, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    family, preset = request.param.split("-")
    if family == "tdgn":
        pytest.importorskip("numba")
    small = {"model.side": 1.1, "model.image_size": 32, "model.image_width": 4, "model.code_dim": 16}
    few = {"train.epochs": 4, "train.shapes_per_step": 2, "train.points_per_shape": 128}
    job = resolve(family, preset, {"data.store": store, **small, **few})
    made = create(tmp_path_factory.mktemp("runs"), family)
    claim(made, job)
    train(job, made, LocalContext(torch.device("cpu")))
    return made


def photograph(store: str, path: Path, number: int = 0) -> Path:
    """A picture of an unseen shape as a file, its background transparent."""
    opened = Store.open(store)
    [shape_id, *_] = opened.shape_ids("test")
    path.write_bytes(bytes(opened.read_chunk("images", number, [shape_id], ("image",))["image"][0]))
    return path


def test_held_out_shapes_are_measured(run: RunDirectory, store: str) -> None:
    summary = evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=2))
    counts = summary["overall"]["counts"]
    assert counts["ok"] + counts["empty"] == len(Store.open(store).shape_ids("test"))


def test_the_network_sees_the_picture_that_is_named(run: RunDirectory, store: str) -> None:
    [shape_id, *_] = Store.open(store).shape_ids("test")
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 3)).astype(np.float32)
    values = []
    for view in range(VIEWS):
        settings = SETTINGS.override({"image_view": view})
        evaluator = Evaluator.open(chosen_of(run), store, settings, None, torch.device("cpu"))
        [prediction] = evaluator.predict([shape_id])
        observed = evaluator._observe(shape_id).columns
        assert set(observed) == {"picture"}
        np.testing.assert_array_equal(observed["picture"], view_tensors(Store.open(store), view, [shape_id], 32)[0])
        values.append(prediction.field.values(points))  # type: ignore[union-attr]
    assert not np.array_equal(*values)


def test_a_picture_that_no_shape_has_is_refused(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"--image-view 2 is beyond the 2 pictures .* give at most 1"):
        evaluate_locally(run, SETTINGS.override({"image_view": VIEWS}), EvaluateScale())


def test_a_photograph_becomes_a_mesh(run: RunDirectory, store: str, tmp_path: Path) -> None:
    # A network that has hardly learned says little: its surface is taken amid all that it says.
    evaluator = Evaluator.open(chosen_of(run), store, SETTINGS, None, torch.device("cpu"))
    [prediction] = evaluator.predict(Store.open(store).shape_ids("test")[:1])
    said = prediction.field.values(np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3)).astype(np.float32))  # type: ignore[union-attr]
    level = 1.0 / (1.0 + float(np.exp(-np.median(said))))
    made = reconstruct(run, photograph(store, tmp_path / "mug.png"), 24, {"level": level})
    assert made.observed == "picture"
    assert len(made.mesh.faces) > 0
    assert float(np.abs(made.mesh.vertices).max()) <= 0.56


def test_other_files_and_placements_are_refused(run: RunDirectory, store: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scan\.ply is no picture, which is what the run sees"):
        reconstruct(run, tmp_path / "scan.ply", 24)
    with pytest.raises(UsageError, match="--up and --unit are of meshes and clouds"):
        reconstruct(run, photograph(store, tmp_path / "mug.png"), 24, placement=Placement("z"))
    with pytest.raises(ShapeRejected, match="cannot read .*gone.png"):
        reconstruct(run, tmp_path / "gone.png", 24)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    (tmp_path / "noise.png").write_bytes(buffer.getvalue())
    with pytest.raises(ShapeRejected, match="the background is not plain"):
        reconstruct(run, tmp_path / "noise.png", 24)


def test_shapes_between_two_pictures(run: RunDirectory, store: str, tmp_path: Path) -> None:
    if run.name != "tdgn":
        pytest.skip("its codes have no names")
    first, second = (photograph(store, tmp_path / f"view{number}.png", number) for number in range(VIEWS))
    found = interpolate(run, str(first), str(second), 1, settings=SETTINGS)
    assert len(found.steps) == 3
