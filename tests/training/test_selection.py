"""Checkpoints chosen on held-out shapes, with a family on point clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.registry import build_source
from shapesys.training import checkpoint, history, run_dir
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.feed import open_data, open_validation
from shapesys.training.loop import train
from shapesys.training.run_dir import write_json

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "model.width": 0.1,
    "train.epochs": 6,
    "train.shapes_per_step": 4,
    "train.points_per_shape": 64,
    "train.log_steps": 1,
    "train.checkpoint_epochs": 100,
    "train.validate_epochs": 2,
    "train.select": "best",
    "train.learning_rate": 3e-3,
}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight mugs and eight bottles, two of each held out for validation and none for the test."""
    folder = str(tmp_path_factory.mktemp("store"))
    asked = {"categories": ("mug", "bottle"), "count": 8, "val_fraction": 0.25, "test_fraction": 0.0}
    settings = PRESETS["tiny"].override({"views": ("cloud",), "cloud.points": 96})
    prepare_locally(build_source("procedural", asked), folder, settings, isolate=False)
    return folder


def made(store: str, root: Path, name: str = "run", **changes: Any) -> tuple[TrainJob, run_dir.RunDirectory]:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    job = resolve("pointnet", "tiny", SETTINGS | {"data.store": store} | named)
    run = run_dir.create(root, name)
    claim(run, job)
    return job, run


def measured(run: run_dir.RunDirectory) -> dict[int, float]:
    """Step -> accuracy on the validation split."""
    records = history.read(run.history)
    return {r["step"]: r["validation"]["statistics/accuracy"] for r in records if "validation" in r}


def test_the_best_checkpoint_on_held_out_shapes_is_kept_and_chosen(clouds: str, tmp_path: Path) -> None:
    job, run = made(clouds, tmp_path, train__keep_checkpoints=1)
    train(job, run, LocalContext(CPU))
    scores = measured(run)
    assert list(scores) == [6, 12, 18]
    best = next(step for step, value in scores.items() if value == max(scores.values()))
    assert checkpoint.chosen_of(run).step == best
    assert checkpoint.newest_of(run).step == 18


def test_without_selection_the_last_checkpoint_stands_for_the_run(clouds: str, tmp_path: Path) -> None:
    job, run = made(clouds, tmp_path, train__select="last")
    train(job, run, LocalContext(CPU))
    assert measured(run) == {}
    assert checkpoint.chosen_of(run).step == 18


def test_an_interrupted_run_ends_like_an_uninterrupted_one(clouds: str, tmp_path: Path) -> None:
    job, whole = made(clouds, tmp_path, "whole")
    train(job, whole, LocalContext(CPU))
    _, cut = made(clouds, tmp_path, "cut")

    def stop(record: dict[str, Any]) -> None:
        if record["step"] == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job, cut, LocalContext(CPU), on_log=stop)
    train(job, cut, LocalContext(CPU))
    assert measured(cut) == measured(whole)
    assert checkpoint.chosen_of(cut).step == checkpoint.chosen_of(whole).step
    states = [checkpoint.restore(checkpoint.newest_of(run))[0].state_dict() for run in (whole, cut)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=0, msg=name)


def test_the_test_split_chooses_nothing(clouds: str) -> None:
    with pytest.raises(UsageError, match="makes its own score better"):
        resolve("pointnet", "tiny", {"data.store": clouds, "data.validation_split": "test"})


def test_a_store_without_held_out_shapes_is_refused_with_a_way_out(clouds: str, tmp_path: Path) -> None:
    job, run = made(clouds, tmp_path, data__validation_split="other")
    with pytest.raises(ShapesysError, match="needs shapes to choose by.*--val-fraction"):
        train(job, run, LocalContext(CPU))


def test_the_checkpoint_knows_what_its_labels_mean(clouds: str, tmp_path: Path) -> None:
    job, run = made(clouds, tmp_path, train__epochs=1)
    train(job, run, LocalContext(CPU))
    vocabulary = checkpoint.newest_of(run).vocabulary()
    assert vocabulary.categories == ("bottle", "mug")
    assert vocabulary.parts_of("mug")


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_every_optimiser_trains(clouds: str, tmp_path: Path, optimiser: str) -> None:
    job, run = made(
        clouds, tmp_path, train__optimiser=optimiser, train__schedule="cosine", train__weight_decay=1e-4,
        train__learning_rate=0.02, train__epochs=10, train__select="last",
    )  # fmt: skip
    train(job, run, LocalContext(CPU))
    losses = [record["loss"]["total"] for record in history.read(run.history)]
    rates = [record["lr"]["network"] for record in history.read(run.history)]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert rates[0] == 0.02
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.001


def test_a_paused_run_chooses_what_an_uninterrupted_one_chooses(clouds: str, tmp_path: Path) -> None:
    job, whole = made(clouds, tmp_path, "whole")
    train(job, whole, LocalContext(CPU))
    _, paused = made(clouds, tmp_path, "paused")
    for epoch in (1, 3, 6):
        train(job, paused, LocalContext(CPU), until_epoch=epoch)
    assert measured(paused) == measured(whole)
    assert checkpoint.chosen_of(paused).step == checkpoint.chosen_of(whole).step


def test_held_out_shapes_of_other_categories_choose_nothing(clouds: str, tmp_path: Path) -> None:
    job, _ = made(clouds, tmp_path)
    reader = replace(open_data(job, registry.load("pointnet"))[0], vocabulary=Vocabulary(("chair", "table")))
    with pytest.raises(ShapesysError, match=r"'val' has none of the categories trained on \(chair, table\)"):
        open_validation(job, registry.load("pointnet"), reader)


def test_other_labels_than_those_trained_on_are_named(clouds: str, tmp_path: Path) -> None:
    job, run = made(clouds, tmp_path, train__epochs=1, train__select="last")
    train(job, run, LocalContext(CPU))
    folder = checkpoint.newest_of(run).path
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"network.head.scores.bias": torch.zeros(3)}, folder / "model.safetensors")
    write_json(folder / "vocabulary.json", Vocabulary(("bottle", "mug", "table")).to_json())
    more = job.override({"train.epochs": 2})
    with pytest.raises(ShapesysError, match="trained on other labels.*bottle, mug, table with 0 parts there"):
        train(more, run, LocalContext(CPU))
