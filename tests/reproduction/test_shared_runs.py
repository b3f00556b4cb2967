"""Recipes of one paper train each network once, whichever of them asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from shapesys.reproduction import registry, trained_experiment
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.issn import NOTES, PCSM, TRUE_CATEGORY
from shapesys.reproduction.issn_applications import FIGURE6, TABLE5, TABLE6
from shapesys.reproduction.recipe import Request, Scale
from shapesys.reproduction.saliency import MapRecipe, MapTable
from shapesys.reproduction.saliency_experiments import TrainedMapExperiment
from shapesys.reproduction.saliency_points import TopPointsExperiment
from shapesys.reproduction.trained import TrainedRecipe
from shapesys.reproduction.trained_experiment import TrainedExperiment
from shapesys.training.config import TrainJob


@pytest.fixture(scope="module")
def recipes() -> list[MapRecipe]:
    loaded = [registry.load(name) for name in registry.names()]
    return [recipe for recipe in loaded if isinstance(recipe, MapRecipe) and recipe.shares == "issn"]


def asked(scale: Scale, data: str) -> Request:
    return Request(scale, data, "store", "root", (0, 1))


def trainings(items: list[Experiment]) -> Iterator[tuple[str, TrainJob]]:
    """Name of the run and job of everything that is trained."""
    for item in items:
        if isinstance(item, TrainedMapExperiment | TopPointsExperiment):
            yield item.trained, item.job
        elif isinstance(item, TrainedExperiment):
            yield item.name, item.job


@pytest.mark.parametrize(("scale", "data"), [("tiny", "tiny"), ("paper", "paper"), ("tiny", "ikea_manual")])
def test_equal_trainings_have_one_run_and_others_another(recipes: list[MapRecipe], scale: Scale, data: str) -> None:
    jobs: dict[tuple[str, str], set[str]] = defaultdict(set)
    runs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for recipe in recipes:
        folder = recipe.data[data].name
        for phase in recipe.phases(asked(scale, data)):
            for name, job in trainings(phase):
                settings = job.model_dump_json()
                jobs[folder, name].add(settings)
                runs[folder, settings].add(name)
    assert len(jobs) > 20
    assert {where: len(held) for where, held in jobs.items() if len(held) > 1} == {}
    assert [names for names in runs.values() if len(names) > 1] == []


@pytest.mark.parametrize(("scale", "shared"), [("tiny", {"dgcnn-s0"}), ("paper", {"dgcnn-s0", "top1024-all-s0"})])
def test_one_dgcnn_makes_maps_and_stands_in_tables(scale: Scale, shared: set[str]) -> None:
    request = asked(scale, scale)
    plain = [item for item in TABLE5.phases(request)[2] if isinstance(item, TrainedExperiment)]
    making, _, classifying = TABLE6.phases(request)
    users = {item.name: item for item in (*making, *classifying) if getattr(item, "trained", "") == "dgcnn-s0"}
    assert set(users) == {"pcsm-s0", *shared - {"dgcnn-s0"}}
    assert {item.job for item in users.values()} == {one.job for one in plain if one.name == "dgcnn-s0"}  # type: ignore[attr-defined]


def test_recipes_say_what_maps_know_of_test_shapes(recipes: list[MapRecipe]) -> None:
    tables = [recipe for recipe in recipes if isinstance(recipe, MapTable)]
    assert len(tables) == 7
    assert all(TRUE_CATEGORY in recipe.notes for recipe in (*tables, FIGURE6))
    assert TRUE_CATEGORY in NOTES
    assert PCSM.label in TRUE_CATEGORY


def test_a_run_that_another_recipe_measured_is_not_done_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train_once", "evaluate_locally", "pictures_of_surfaces"):
        monkeypatch.setattr(trained_experiment, name, lambda *_: ())
    monkeypatch.setattr(trained_experiment, "finished_result", lambda run: {} if run.path.exists() else None)
    request = Request("tiny", "tiny", "store", str(tmp_path), (0,))
    first, second = (
        trained_experiment.experiments(cast(TrainedRecipe, registry.load(name)), request)[0]
        for name in ("saconvonet.objects", "saconvonet.iterations")
    )
    assert first.name == second.name
    assert not first.was_done()
    first.perform()
    assert first.was_done()
    assert not second.was_done()
