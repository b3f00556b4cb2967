"""The page on adding a recipe: its example does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shapesys.errors import ShapesysError
from shapesys.reproduction.recipe import Recipe, Request
from shapesys.reproduction.table import shown, table_of
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_recipe.md"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    module = ModuleType("recipe_of_the_page")
    with pytest.MonkeyPatch.context() as patch:
        # Data classes look up the module that they are defined in.
        patch.setitem(sys.modules, module.__name__, module)
        exec(compile(example, str(PAGE), "exec"), module.__dict__)
    found = module.BOXES
    assert isinstance(found, Recipe)
    return found


@pytest.fixture(scope="module")
def store(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> str:
    data, folder = recipe.data["tiny"], str(tmp_path_factory.mktemp("boxes") / "store")
    source = build_source(data.source, dict(data.settings))
    prepare_locally(source, folder, PRESETS[data.sampler].override(dict(data.changes)), isolate=False)
    return folder


def test_the_example_finds_what_the_page_says(recipe: Recipe, store: str, tmp_path: Path) -> None:
    first, second = recipe.phases(Request("tiny", "tiny", store, str(tmp_path), (0,)))
    assert [item.perform() for item in first] == [[]]
    lines = table_of(recipe, [finding for item in second for finding in item.perform()])
    measure = recipe.measures[0]
    assert [shown(line.cells["mean"], measure) for line in lines] == [line.cells["mean"].published for line in lines]


def test_the_second_phase_says_what_it_lacks(recipe: Recipe, store: str, tmp_path: Path) -> None:
    _, second = recipe.phases(Request("tiny", "tiny", store, str(tmp_path), (0,)))
    for item in second:
        with pytest.raises(ShapesysError, match=f"{item.name} needs means, which is not there"):
            item.perform()
