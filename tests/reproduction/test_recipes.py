from __future__ import annotations

from importlib.util import find_spec

import pytest

from shapesys.config.base import changed
from shapesys.errors import UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.reproduction import registry
from shapesys.reproduction.recipe import Recipe, Request, Scale
from shapesys.reproduction.trained import TrainedRecipe
from shapesys.reproduction.trained_experiment import experiments
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import source_class


@pytest.fixture(params=registry.names())
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return registry.load(request.param)


def asked(scale: Scale, data: str, seeds: int = 2, **changes: object) -> Request:
    return Request(scale, data, "store", "root", tuple(range(seeds)), changes)


def test_every_data_names_settings_that_exist(recipe: Recipe) -> None:
    assert set(recipe.data) >= {"tiny", "paper"}
    for data in recipe.data.values():
        assert set(data.settings) <= set(source_class(data.source).Settings.model_fields)
        assert PRESETS[data.sampler].override(dict(data.changes))


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_every_recipe_has_experiments_that_travel(recipe: Recipe, scale: Scale) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    for data in recipe.data:
        items = [item for phase in recipe.phases(asked(scale, data)) for item in phase]
        assert len({item.name for item in items}) == len(items) > 0
        # All at once: the classes of settings, which are made as they are asked for, then travel once.
        arrived = cloudpickle.loads(cloudpickle.dumps(items))
        assert [(item.name, item.describe()) for item in arrived] == [(item.name, item.describe()) for item in items]
        assert all(item.describe() for item in items)


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_every_trained_variant_is_measured_with_settings_that_exist(recipe: Recipe, scale: Scale) -> None:
    if not isinstance(recipe, TrainedRecipe):
        pytest.skip("trains in ways of its own")
    items = experiments(recipe, asked(scale, scale))
    able = [variant.label for variant in recipe.variants if not variant.requires or find_spec(variant.requires)]
    assert {label for item in items for label in item.variants} == set(able)
    for item in items:
        for changes in item.variants.values():
            settings = EvaluateConfig().override({**item.measured, **changes})
            changed(item.job.inference, settings.inference)


def test_every_recipe_says_what_it_compares_with(recipe: Recipe) -> None:
    labels = [variant.label for variant in recipe.variants]
    assert len(set(labels)) == len(labels)
    assert set(recipe.baselines()) <= set(labels)
    titles = {measure.title for measure in recipe.measures}
    assert all(set(variant.published) <= titles for variant in recipe.variants)
    assert recipe.data["tiny"].brought == ""


def test_variants_that_differ_in_inference_alone_share_a_run() -> None:
    recipe = registry.load("ssn.asa")
    assert isinstance(recipe, TrainedRecipe)
    items = experiments(recipe, asked("tiny", "tiny", **{"train.epochs": 3}))
    assert [len(item.variants) for item in items] == [3, 3]
    assert [item.job.train.seed for item in items] == [0, 1]
    assert all(item.job.train.epochs == 3 for item in items)


def test_a_misspelt_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'dpgnet.tabel2'; did you mean dpgnet.table2"):
        registry.load("dpgnet.tabel2")
