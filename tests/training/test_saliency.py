"""Saliency maps on their way to a network in training: what is refused before it starts, and what arrives."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source
from shapesys.training import checkpoint, history, run_dir
from shapesys.training.config import TrainJob, claim, load_job, resolve
from shapesys.training.context import LocalContext
from shapesys.training.feed import open_data, open_validation
from shapesys.training.loop import train
from shapesys.training.plan import StepPlan, Window
from shapesys.training.saliency import open_maps

CLOUD, MAPPED = 96, 80
FAMILY = registry.load("dgcnn")
SETTINGS: dict[str, Any] = {
    "model.width": 0.1,
    "model.k": 5,
    "model.augment.jitter": 0.0,
    "train.epochs": 2,
    "train.shapes_per_step": 4,
    "train.points_per_shape": 64,
    "train.log_steps": 1,
}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight mugs and eight bottles: six of each to train on, two held out."""
    folder = str(tmp_path_factory.mktemp("store"))
    asked = {"categories": ("mug", "bottle"), "count": 8, "val_fraction": 0.25, "test_fraction": 0.0}
    settings = PRESETS["tiny"].override({"views": ("cloud",), "cloud.points": CLOUD})
    prepare_locally(build_source("procedural", asked), folder, settings, isolate=False)
    return folder


def heights(store: str, *splits: str, digest: str = "") -> SaliencyMaps:
    """Every point is as salient as it is high."""
    opened = Store.open(store)
    ids = [shape_id for split in splits for shape_id in opened.shape_ids(split, ())]
    points = opened.read("cloud", ids, ["points"])["points"]
    values = {name: np.asarray(cloud[:MAPPED, 1], np.float32) for name, cloud in zip(ids, points, strict=True)}
    return SaliencyMaps("height", digest or opened.digest(), values)


@pytest.fixture(scope="module")
def maps(clouds: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("maps") / "height.parquet"
    heights(clouds, "train", "val").write(path)
    return str(path)


def made(store: str, **changes: Any) -> TrainJob:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return resolve("dgcnn", "tiny", SETTINGS | {"data.store": store} | named)


def test_the_most_salient_points_of_every_shape_arrive(clouds: str, maps: str) -> None:
    job = made(clouds, data__saliency=maps, model__salient_points=20, model__augment__scale_low=1.0,
               model__augment__scale_high=1.0, model__augment__rotation="up")  # fmt: skip
    reader, plan = open_data(job, FAMILY)
    assert plan.points_per_shape == 20
    batch = reader.read(plan.micro_batches(0, 0, 1, 1)[0])
    assert batch["points"].shape == (4, 20, 3)
    for row, index in enumerate(batch["shape_index"]):
        stored = Store.open(clouds).read("cloud", [reader.shape_ids[index]], ["points"])["points"][0]
        highest = np.sort(stored[:MAPPED, 1])[-20:]
        np.testing.assert_allclose(np.sort(batch["points"][row, :, 1]), highest, atol=1e-6)


def test_weights_arrive_where_gradients_are_weighted_and_not_at_validation(clouds: str, maps: str) -> None:
    job = made(clouds, data__saliency=maps, model__saliency_gradient=True)
    reader, plan = open_data(job, FAMILY)
    assert plan.points_per_shape == 64
    batch = reader.read(plan.micro_batches(0, 0, 1, 1)[0])
    assert batch["saliency"].shape == (4, 64)
    assert batch["saliency"].min() >= 0
    assert batch["saliency"].max() <= 1
    held_out = open_validation(job, FAMILY, reader)
    assert held_out.saliency == ""
    assert "saliency" not in held_out.read(StepPlan(0, 0, (0, 1), (Window(0, 0, 64),)))


def test_a_reader_sends_the_path_and_not_the_maps(clouds: str, maps: str) -> None:
    with_maps, _ = open_data(made(clouds, data__saliency=maps, model__salient_points=20), FAMILY)
    without, plan = open_data(made(clouds), FAMILY)
    with_maps.read(StepPlan(0, 0, (0,), (Window(0, 0, 20),)))
    sent = pickle.dumps(with_maps)
    assert len(sent) < len(pickle.dumps(without)) + len(maps) + 100
    again = pickle.loads(sent).read(plan.micro_batches(0, 0, 1, 1)[0])
    np.testing.assert_array_equal(again["points"], with_maps.read(plan.micro_batches(0, 0, 1, 1)[0])["points"])


def test_a_process_reads_a_file_once_and_again_when_it_changed(clouds: str, tmp_path: Path) -> None:
    path = tmp_path / "maps.parquet"
    first = heights(clouds, "train")
    first.write(path)
    assert open_maps(str(path)) is open_maps(str(path))
    heights(clouds, "train", "val").write(path)
    assert len(open_maps(str(path)).values) > len(first.values)
    path.unlink()
    with pytest.raises(ShapesysError, match="there is no file of saliency maps"):
        open_maps(str(path))


def test_the_path_is_kept_as_seen_from_anywhere(clouds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = made(clouds, data__saliency="maps.parquet")
    assert job.data.saliency == str(tmp_path / "maps.parquet")
    claim(run_dir.create(tmp_path, "run"), job)
    monkeypatch.chdir("/")
    assert load_job(tmp_path / "run" / "config.json").data.saliency == str(tmp_path / "maps.parquet")


def test_maps_without_use_and_use_without_maps_are_refused(clouds: str, maps: str) -> None:
    with pytest.raises(UsageError, match="changes nothing: no setting of the model uses maps"):
        open_data(made(clouds, data__saliency=maps), FAMILY)
    for uses in ({"model__salient_points": 20}, {"model__saliency_gradient": True}):
        with pytest.raises(UsageError, match="name their file with --saliency FILE"):
            open_data(made(clouds, **uses), FAMILY)
    fields = resolve("issn", "tiny", {"data.store": clouds, "data.saliency": maps})
    with pytest.raises(UsageError, match="family 'issn' takes no maps; leave it out"):
        open_data(fields, registry.load("issn"))


def test_maps_of_other_shapes_are_refused(clouds: str, tmp_path: Path) -> None:
    other, few = tmp_path / "other.parquet", tmp_path / "few.parquet"
    heights(clouds, "train", digest="another").write(other)
    heights(clouds, "val").write(few)
    with pytest.raises(ShapesysError, match="made for another store"):
        open_data(made(clouds, data__saliency=str(other), model__salient_points=20), FAMILY)
    with pytest.raises(ShapesysError, match="no saliency map of 12 of 12 shapes, such as 'bottle/"):
        open_data(made(clouds, data__saliency=str(few), model__salient_points=20), FAMILY)
    with pytest.raises(ShapesysError, match="there is no file of saliency maps at .*gone"):
        open_data(made(clouds, data__saliency=str(tmp_path / "gone"), model__salient_points=20), FAMILY)


def test_held_out_shapes_need_maps_where_these_choose_points(clouds: str, tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    heights(clouds, "train").write(path)
    job = made(clouds, data__saliency=str(path), model__salient_points=20)
    reader, _ = open_data(job, FAMILY)
    with pytest.raises(ShapesysError, match="no saliency map of 4 of 4 shapes"):
        open_validation(job, FAMILY, reader)


def test_a_run_trains_validates_and_resumes_with_maps(clouds: str, maps: str, tmp_path: Path) -> None:
    job = made(
        clouds, data__saliency=maps, model__salient_points=20, model__saliency_gradient=True, train__select="best",
        train__validate_epochs=1,
    )  # fmt: skip
    states = []
    for name, pauses in (("whole", (2,)), ("paused", (1, 2))):
        run = run_dir.create(tmp_path, name)
        claim(run, job)
        for epoch in pauses:
            train(job, run, LocalContext(torch.device("cpu")), until_epoch=epoch)
        assert [record["step"] for record in history.read(run.history) if "validation" in record] == [3, 6]
        states.append(checkpoint.restore(checkpoint.newest_of(run))[0].state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_a_run_never_goes_on_by_maps_that_changed(clouds: str, tmp_path: Path) -> None:
    path = tmp_path / "maps.parquet"
    made_first, changed = heights(clouds, "train"), heights(clouds, "train", "val")
    job = made(clouds, data__saliency=str(path), model__salient_points=20)
    run, context = run_dir.create(tmp_path, "run"), LocalContext(torch.device("cpu"))
    changed.write(path)
    claim(run, job)
    made_first.write(path)
    assert claim(run, job), "maps may change until the first checkpoint"
    train(job, run, context, until_epoch=1)
    changed.write(path)
    with pytest.raises(ShapesysError, match=r"maps\.parquet has changed since run 'run' was trained by it"):
        claim(run, job)
    with pytest.raises(ShapesysError, match="has changed since"):
        train(job, run, context)
    made_first.write(path)
    claim(run, job)
    train(job, run, context)


def test_maps_that_change_between_claim_and_training_are_refused(clouds: str, tmp_path: Path) -> None:
    path = tmp_path / "maps.parquet"
    heights(clouds, "train").write(path)
    job, run = made(clouds, data__saliency=str(path), model__salient_points=20), run_dir.create(tmp_path, "run")
    claim(run, job)
    heights(clouds, "train", "val").write(path)
    with pytest.raises(ShapesysError, match="has changed since"):
        train(job, run, LocalContext(torch.device("cpu")))
    path.unlink()
    with pytest.raises(ShapesysError, match="there is no file of saliency maps"):
        train(job, run, LocalContext(torch.device("cpu")))
