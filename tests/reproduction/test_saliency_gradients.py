"""Classifiers trained with gradients that saliency weighs, beside the same trained as usual."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from saliency_support import ISSN, JUDGE, asked, performed, recipe_of

from shapesys.errors import ShapesysError
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import WeighedGradients
from shapesys.reproduction.table import table_of
from shapesys.samples.saliency_maps import read_saliency_maps
from shapesys.samples.store import Store


def weighed_gradients() -> WeighedGradients:
    weighed = dataclasses.replace(
        JUDGE,
        label="weighed",
        key="weighed",
        over=JUDGE.label,
        changes={**JUDGE.changes, "model.saliency_gradient": True},
    )
    measures = {"Overall": "oa/class", "Avg. class": "macc/class"}
    return recipe_of(WeighedGradients, "test.gradients", (JUDGE, weighed), measures, weights=ISSN)


def test_only_the_maps_that_weigh_are_made_and_only_who_weighs_gets_them() -> None:
    making, collecting, classifying = weighed_gradients().phases(asked("store", "root", (0, 1)))
    assert [one.name for one in making] == [f"issn-{name}-s{seed}" for seed in (0, 1) for name in ("chair", "mug")]
    assert [one.name for one in collecting] == ["training-issn-s0", "training-issn-s1"]
    assert [one.name for one in classifying] == ["pointnet-s0", "weighed-s0", "pointnet-s1", "weighed-s1"]
    jobs: list[Any] = [one.job for one in classifying]  # type: ignore[attr-defined]
    assert [Path(job.data.saliency).parent.name for job in jobs] == ["", "training-issn-s0", "", "training-issn-s1"]
    plain, weighed = (job.model_dump() | {"data": None} for job in jobs[:2])
    plain["model"]["saliency_gradient"] = True
    assert plain == weighed


def test_training_sees_no_map_of_a_test_shape(made: Request) -> None:
    performed([*weighed_gradients().phases(made)[1]])
    maps = read_saliency_maps(Path(made.root) / "training-issn-s0" / "maps-train.parquet")
    assert sorted(maps.values) == Store.open(made.store).shape_ids("train")


def test_both_are_measured_and_compared_seed_by_seed(made: Request) -> None:
    recipe = weighed_gradients()
    _, collecting, classifying = recipe.phases(made)
    performed([*collecting])
    plain, weighed = table_of(recipe, performed([*classifying]))
    for title in ("Overall", "Avg. class"):
        before, after = plain.cells[title], weighed.cells[title]
        assert before.mean is not None
        assert before.gain is None
        assert after.gain == after.values[0] - before.values[0]


def test_without_maps_the_plain_network_is_trained_all_the_same(made: Request) -> None:
    (Path(made.root) / "issn-chair-s0" / "maps-train.parquet").unlink()
    _, [collecting], [plain, weighed] = weighed_gradients().phases(made)
    with pytest.raises(ShapesysError, match="no maps by ISSN of issn-chair-s0"):
        collecting.perform()
    with pytest.raises(ShapesysError, match="no maps to train by of training-issn-s0, whose experiment failed"):
        weighed.perform()
    assert plain.perform()


def test_maps_of_an_earlier_experiment_train_nothing_where_collecting_failed(made: Request) -> None:
    _, [collecting], [_, weighed] = weighed_gradients().phases(made)
    collecting.perform()
    (Path(made.root) / "issn-chair-s0" / "maps-train.parquet").unlink()
    with pytest.raises(ShapesysError, match="no maps by ISSN of issn-chair-s0"):
        collecting.perform()
    with pytest.raises(ShapesysError, match="no maps to train by of training-issn-s0, whose experiment failed"):
        weighed.perform()


def test_maps_are_collected_once(made: Request) -> None:
    [collecting] = weighed_gradients().phases(made)[1]
    collecting.perform()
    file = Path(made.root) / "training-issn-s0" / "maps-train.parquet"
    before = file.stat().st_mtime_ns
    collecting.perform()
    assert file.stat().st_mtime_ns == before
