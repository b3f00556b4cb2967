"""Recipe names and where they live; nothing is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from shapesys.errors import unknown_name
from shapesys.reproduction.recipe import Recipe

ENTRY_POINT_GROUP = "shapesys.recipes"

_BUILT_IN = {
    "dpgnet.table1": "shapesys.reproduction.dpgnet:TABLE1",
    "dpgnet.table2": "shapesys.reproduction.dpgnet:TABLE2",
    "ssn.asa": "shapesys.reproduction.ssn:ASA",
    "ssn.toy": "shapesys.reproduction.ssn:TOY",
}


def names() -> list[str]:
    """Every known recipe: built-in ones and those that installed packages announce."""
    return sorted(_locations())


def load(name: str) -> Recipe:
    """Import a recipe.

    Raises:
        UsageError: no recipe of that name; names the nearest ones.
    """
    locations = _locations()
    if name not in locations:
        raise unknown_name("recipe", name, locations)
    module, attribute = locations[name].split(":")
    recipe = getattr(import_module(module), attribute)
    assert isinstance(recipe, Recipe), f"{locations[name]} is not a Recipe"
    return recipe


def _locations() -> dict[str, str]:
    announced = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return announced | _BUILT_IN
