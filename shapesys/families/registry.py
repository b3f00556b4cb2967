"""Family names and where they live; nothing is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapesys.config.plugins import Plugins

if TYPE_CHECKING:
    from shapesys.families.base import Family

_FAMILIES = Plugins(
    "family",
    "shapesys.families",
    {
        "convonet": "shapesys.families.convonet:FAMILY",
        "dgcnn": "shapesys.families.dgcnn:FAMILY",
        "digs": "shapesys.families.digs:FAMILY",
        "dpgnet": "shapesys.families.dpgnet:FAMILY",
        "igr": "shapesys.families.igr:FAMILY",
        "issn": "shapesys.families.issn:FAMILY",
        "issn_csl": "shapesys.families.issn_csl:FAMILY",
        "onet": "shapesys.families.onet:FAMILY",
        "pointnet": "shapesys.families.pointnet:FAMILY",
        "pointnet2": "shapesys.families.pointnet2:FAMILY",
        "poisson": "shapesys.families.poisson:FAMILY",
        "sal": "shapesys.families.sal:FAMILY",
        "sald": "shapesys.families.sald:FAMILY",
        "ssn": "shapesys.families.ssn:FAMILY",
        "tdgn": "shapesys.families.tdgn:FAMILY",
    },
)


def names() -> list[str]:
    """Every known family: built-in ones and those that installed packages announce."""
    return _FAMILIES.names()


def load(name: str) -> Family:
    """Import a family.

    Raises:
        UsageError: no family of that name; names the nearest ones.
    """
    family = _FAMILIES.load(name)
    # Here, so that listing names does not cost the import of torch.
    from shapesys.families.base import Family

    assert isinstance(family, Family), f"what is registered as '{name}' is not a Family"
    return family
