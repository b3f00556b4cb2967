"""Family names and where they live; nothing is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from shapesys.errors import unknown_name

if TYPE_CHECKING:
    from shapesys.families.base import Family

ENTRY_POINT_GROUP = "shapesys.families"

_BUILT_IN = {
    "dgcnn": "shapesys.families.dgcnn:FAMILY",
    "dpgnet": "shapesys.families.dpgnet:FAMILY",
    "issn": "shapesys.families.issn:FAMILY",
    "pointnet": "shapesys.families.pointnet:FAMILY",
    "pointnet2": "shapesys.families.pointnet2:FAMILY",
    "ssn": "shapesys.families.ssn:FAMILY",
}


def names() -> list[str]:
    """Every known family: built-in ones and those that installed packages announce."""
    return sorted(_locations())


def load(name: str) -> Family:
    """Import a family.

    Raises:
        UsageError: no family of that name; names the nearest ones.
    """
    locations = _locations()
    if name not in locations:
        raise unknown_name("family", name, locations)
    # Here, so that listing names does not cost the import of torch.
    from shapesys.families.base import Family

    module, attribute = locations[name].split(":")
    family = getattr(import_module(module), attribute)
    assert isinstance(family, Family), f"{locations[name]} is not a Family"
    return family


def _locations() -> dict[str, str]:
    announced = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return announced | _BUILT_IN
