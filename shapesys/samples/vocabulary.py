"""What labels mean: the categories, and the parts of each, by name. Networks number them; files keep the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shapesys.errors import ShapesysError

UNANNOTATED = "unannotated"
"""Name of a part that is no class: nobody labelled these points, and neither losses nor metrics count them."""
UNSEEN = "unseen"
"""Faces that belong to a solid and that nobody can see, such as the outer sides of a room's walls."""


@dataclass(frozen=True)
class Vocabulary:
    """Names behind numbers.

    A class label is a category's place in `categories`. Parts are numbered through, category after category: part k of
    a category has the number ``first_part(category) + k``.

    Attributes:
        categories: sorted.
        parts: category -> names of its parts, in the order of the labels that the store holds; empty without labels.
    """

    categories: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def part_count(self) -> int:
        """Parts of all categories together."""
        return sum(len(self.parts_of(category)) for category in self.categories)

    def class_of(self, category: str) -> int:
        """A category's class label.

        Raises:
            ShapesysError: it is not in the vocabulary; says what is.
        """
        if category not in self._classes:
            raise ShapesysError(f"category '{category}' is unknown here; known: {', '.join(self.categories) or 'none'}")
        return self._classes[category]

    def parts_of(self, category: str) -> tuple[str, ...]:
        """Names of a category's parts."""
        return tuple(self.parts.get(category, ()))

    def first_part(self, category: str) -> int:
        """Number of a category's first part."""
        return self._first[self.class_of(category)]

    def part_range(self, category: str) -> tuple[int, int]:
        """First number of a category's parts, and the first after them."""
        first = self.first_part(category)
        return first, first + len(self.parts_of(category))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"categories": list(self.categories), "parts": {name: list(names) for name, names in self.parts.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        """The inverse of `to_json`."""
        return cls(tuple(data["categories"]), {name: tuple(names) for name, names in data["parts"].items()})

    @cached_property
    def _classes(self) -> dict[str, int]:
        return {category: at for at, category in enumerate(self.categories)}

    @cached_property
    def _first(self) -> tuple[int, ...]:
        firsts, total = [], 0
        for category in self.categories:
            firsts.append(total)
            total += len(self.parts_of(category))
        return tuple(firsts)
