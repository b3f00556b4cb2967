"""The data of contrasting families, from the store to the loop, with two categories of analytic spheres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from support import AnalyticStore

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.samples.store import Store
from shapesys.training import checkpoint, loop
from shapesys.training.config import TrainJob, claim, of_category, resolve
from shapesys.training.context import LocalContext
from shapesys.training.contrast_plan import ContrastPlan
from shapesys.training.feed import open_data
from shapesys.training.run_dir import create

SMALL = {
    "model.latent_dim": 4, "model.hidden": 32, "model.layers": 3, "model.skip_at": 2, "model.contrast_width": 0.1,
    "train.epochs": 2, "train.shapes_per_step": 4, "train.points_per_shape": 32,
}  # fmt: skip
FAMILY = registry.load("issn_csl")


class TwoCategories(AnalyticStore):
    """Even spheres are balls, odd ones bubbles."""

    def shapes(self, *args: Any, **options: Any) -> pa.Table:
        table = super().shapes(*args, **options)
        ids = table["shape_id"].to_pylist()
        names = ["ball" if int(name.split("/")[1]) % 2 == 0 else "bubble" for name in ids]
        renamed = [f"{name}/{shape_id.split('/')[1]}" for name, shape_id in zip(names, ids, strict=True)]
        table = table.set_column(0, "shape_id", pa.array(renamed)).set_column(1, "category", pa.array(names))
        return table.sort_by("shape_id")


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "open", classmethod(lambda cls, url: TwoCategories()))


def job(family: str = "issn_csl", **changes: Any) -> TrainJob:
    settings = SMALL if family == "issn_csl" else {k: v for k, v in SMALL.items() if k != "model.contrast_width"}
    return resolve(family, "tiny", {"data.store": "analytic", **settings, **changes})


def test_a_contrasting_family_reads_halves_of_its_category_of_interest() -> None:
    reader, plan = open_data(job(**{"data.interest": "bubble"}), FAMILY)
    assert isinstance(plan, ContrastPlan)
    assert plan.batch == 4
    for step in range(plan.steps_per_epoch):
        [part] = plan.micro_batches(step, 0, 1, 1)
        read = reader.read(part)
        assert read["category_index"].tolist() == [1, 1, 0, 0]


def test_it_trains_and_its_checkpoint_infers(tmp_path: Path) -> None:
    made = job(**{"data.interest": "bubble"})
    run = create(tmp_path, "bubble")
    claim(run, made)
    result = loop.train(made, run, LocalContext(torch.device("cpu")))
    assert result.final["statistics"]["of_interest"] == pytest.approx(0.5)
    restored, restored_job, _ = checkpoint.restore(checkpoint.newest_of(run))
    assert restored_job.data.evaluated == ("bubble",)
    assert restored.interest == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({}, UsageError, "name it with --interest, one of: ball, bubble"),
        ({"data.interest": "bable"}, UsageError, "did you mean"),
    ],
)
def test_a_missing_category_of_interest_is_told(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_data(job(**changes), FAMILY)


def test_no_negatives_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "open", classmethod(lambda cls, url: AnalyticStore()))
    with pytest.raises(ShapesysError, match="nothing to tell 'sphere' from"):
        open_data(job(**{"data.interest": "sphere"}), FAMILY)


def test_interest_means_nothing_to_other_families() -> None:
    with pytest.raises(UsageError, match="--interest ball changes nothing: family 'issn' does not contrast"):
        open_data(job("issn", **{"data.interest": "ball"}), registry.load("issn"))


def test_the_training_of_one_category() -> None:
    alone = of_category(job("issn"), "ball")
    assert (alone.data.categories, alone.data.interest) == (("ball",), "")
    told_apart = of_category(job(**{"data.categories": ("ball", "bubble")}), "ball")
    assert (told_apart.data.categories, told_apart.data.interest) == (("ball", "bubble"), "ball")
    assert alone.data.evaluated == told_apart.data.evaluated == ("ball",)
