"""What the id of a shape says: ``<category>/<name>``."""

from __future__ import annotations


def category_of(shape_id: str) -> str:
    """The category in a shape's id."""
    return shape_id.partition("/")[0]


def name_of(shape_id: str) -> str:
    """What the id calls the shape within its category."""
    return shape_id.partition("/")[2]
