"""Recipe names and where they live; nothing is imported before it is asked for."""

from __future__ import annotations

from shapesys.config.plugins import Plugins
from shapesys.reproduction.recipe import Recipe

_RECIPES = Plugins(
    "recipe",
    "shapesys.recipes",
    {
        "dpgnet.table1": "shapesys.reproduction.dpgnet:TABLE1",
        "dpgnet.table2": "shapesys.reproduction.dpgnet:TABLE2",
        "issn.table1": "shapesys.reproduction.issn:TABLE1",
        "issn.table2": "shapesys.reproduction.issn:TABLE2",
        "issn.table3": "shapesys.reproduction.issn:TABLE3",
        "issn.table4": "shapesys.reproduction.issn:TABLE4",
        "issn.table5": "shapesys.reproduction.issn_applications:TABLE5",
        "issn.table6": "shapesys.reproduction.issn_applications:TABLE6",
        "issn.table7": "shapesys.reproduction.issn:TABLE7",
        "issn.table8": "shapesys.reproduction.issn:TABLE8",
        "issn.figure5": "shapesys.reproduction.issn_applications:FIGURE5",
        "issn.figure6": "shapesys.reproduction.issn_applications:FIGURE6",
        "issn.sweeps": "shapesys.reproduction.issn:SWEEPS",
        "digs.fits": "shapesys.reproduction.raw_scans:DIVERGENCE",
        "saconvonet.ablation": "shapesys.reproduction.occupancy:ABLATION",
        "saconvonet.iterations": "shapesys.reproduction.occupancy:ITERATIONS",
        "saconvonet.objects": "shapesys.reproduction.occupancy:TABLE",
        "saconvonet.rooms": "shapesys.reproduction.occupancy:ROOMS",
        "sal.losses": "shapesys.reproduction.raw_scans:LOSSES",
        "sald.fits": "shapesys.reproduction.raw_scans:FITS",
        "sald.shapes": "shapesys.reproduction.raw_scans:SHAPES",
        "ssn.asa": "shapesys.reproduction.ssn:ASA",
        "ssn.toy": "shapesys.reproduction.ssn:TOY",
        "tdgn.table2": "shapesys.reproduction.tdgn:TABLE2",
        "tdgn.table3": "shapesys.reproduction.tdgn:TABLE3",
        "tdgn.table4": "shapesys.reproduction.tdgn:TABLE4",
    },
)


def names() -> list[str]:
    """Every known recipe: built-in ones and those that installed packages announce."""
    return _RECIPES.names()


def load(name: str) -> Recipe:
    """Import a recipe.

    Raises:
        UsageError: no recipe of that name; names the nearest ones.
    """
    recipe = _RECIPES.load(name)
    assert isinstance(recipe, Recipe), f"what is registered as '{name}' is not a Recipe"
    return recipe
