"""What presets of point families must not contradict in themselves."""

from __future__ import annotations

from typing import cast

import pytest

from shapesys.families import registry
from shapesys.families.points.config import PointConfig, PointInference
from shapesys.training.config import resolve
from shapesys.training.plan import TrainPlan

PRESETS = [
    (name, preset) for name in ("dgcnn", "dpgnet", "pointnet", "pointnet2") for preset in registry.load(name).presets
]


@pytest.mark.parametrize(("family", "preset"), PRESETS)
def test_votes_turn_only_what_training_turned(family: str, preset: str) -> None:
    job = resolve(family, preset, {"data.store": "unused"})
    model, inference = cast(PointConfig, job.model), cast(PointInference, job.inference)
    if inference.votes > 1 and inference.vote_by == "rotation":
        assert model.augment.rotation != "none"


@pytest.mark.parametrize(
    ("preset", "shapes", "samples"), [("paper", 9_840, 200_000), ("paper_parts", 12_137, 20 * 16_881)]
)
def test_rates_fall_after_as_many_samples_as_published(preset: str, shapes: int, samples: int) -> None:
    train = resolve("pointnet2", preset, {"data.store": "unused"}).train
    plan = TrainPlan(shapes, train.shapes_per_step, train.points_per_shape, 1, train.points_per_shape, 0)
    epoch = plan.steps_per_epoch * plan.batch
    assert abs(train.lr_step_epochs * epoch - samples) < epoch
