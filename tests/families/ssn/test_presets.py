from __future__ import annotations

import pytest

from shapesys.families.ssn import FAMILY
from shapesys.families.ssn.patch import patch_side
from shapesys.training.config import resolve
from shapesys.training.plan import TrainPlan

IMAGES = 200
"""Of BSDS500's training split."""


@pytest.mark.parametrize("name", FAMILY.presets)
def test_patches_are_squares_with_like_sized_superpixels(name: str) -> None:
    job = resolve("ssn", name, {"data.store": "unused"})
    side = patch_side(job.train.points_per_shape)
    assert side * side / job.model.superpixels == pytest.approx(404, rel=0.02)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "steps"), [("paper", 500_000), ("dpgnet", 15_000)])
def test_the_published_numbers_of_steps(name: str, steps: int) -> None:
    train = resolve("ssn", name, {"data.store": "unused"}).train
    plan = TrainPlan(IMAGES, train.shapes_per_step, train.points_per_shape, 1, train.points_per_shape, 0)
    assert 0 <= train.epochs * plan.steps_per_epoch - steps < plan.steps_per_epoch


def test_presets_of_papers_differ_in_length_alone() -> None:
    paper, other = FAMILY.presets["paper"].settings, FAMILY.presets["dpgnet"].settings
    assert {path for path in paper if paper[path] != other[path]} == {"train.epochs", "train.checkpoint_epochs"}
