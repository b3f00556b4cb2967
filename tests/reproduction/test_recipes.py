from __future__ import annotations

from pathlib import Path

import pytest

from shapesys.errors import UsageError
from shapesys.reproduction import registry
from shapesys.reproduction.experiment import experiments
from shapesys.reproduction.recipe import Recipe
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import source_class


@pytest.fixture(params=registry.names())
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return registry.load(request.param)


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_every_recipe_names_settings_that_exist(recipe: Recipe, scale: str, tmp_path: Path) -> None:
    data = recipe.data[scale]  # type: ignore[index]
    assert set(data.settings) <= set(source_class(data.source).Settings.model_fields)
    assert PRESETS[data.sampler].override(dict(data.changes))
    items = experiments(recipe, scale, str(tmp_path / "store"), str(tmp_path), range(recipe.seeds), {})  # type: ignore[arg-type]
    assert len({item.name for item in items}) == len(items)
    assert {label for item in items for label in item.variants} == {variant.label for variant in recipe.variants}
    for item in items:
        for changes in item.variants.values():
            item.job.inference.override(dict(changes))


def test_every_recipe_says_what_it_compares_with(recipe: Recipe) -> None:
    labels = [variant.label for variant in recipe.variants]
    assert len(set(labels)) == len(labels)
    assert not recipe.baseline or recipe.baseline in labels
    titles = {measure.title for measure in recipe.measures}
    assert all(set(variant.published) <= titles for variant in recipe.variants)
    assert recipe.data["tiny"].brought == ""


def test_variants_that_differ_in_inference_alone_share_a_run(tmp_path: Path) -> None:
    items = experiments(registry.load("ssn.asa"), "tiny", "store", str(tmp_path), [0, 1], {"train.epochs": 3})
    assert [len(item.variants) for item in items] == [3, 3]
    assert [item.job.train.seed for item in items] == [0, 1]
    assert all(item.job.train.epochs == 3 for item in items)


def test_a_misspelt_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'dpgnet.tabel2'; did you mean dpgnet.table2"):
        registry.load("dpgnet.tabel2")
