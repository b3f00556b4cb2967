"""The 16 categories of ShapeNet Part and the 50 parts that its files number through them (Yi et al., 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Ints
from shapesys.sources.base import Split

PUBLISHED: dict[Split, int] = {"train": 12137, "val": 1870, "test": 2874}
"""Shapes in the official lists; downloads are known to lack about ten of the training and validation shapes."""


@dataclass(frozen=True)
class PartCategory:
    """One category: its WordNet synset, the number of its first part in the files, and the names of its parts."""

    name: str
    synset: str
    first: int
    parts: tuple[str, ...]

    def local(self, labels: Floats | Ints) -> Ints:
        """Labels (n,) of the category's own parts from 0, from the files' numbers.

        Raises:
            ShapeRejected: stage "validate": a number is not whole or belongs to another category.
        """
        numbers = np.asarray(labels, dtype=np.float64)
        own = numbers - self.first
        wrong = ~((own >= 0) & (own < len(self.parts)) & (own == np.floor(own)))
        if wrong.any():
            raise ShapeRejected(
                "validate",
                f"{int(wrong.sum())} of {len(numbers)} part labels, such as {numbers[wrong][0]:g}, are not of "
                f"category '{self.name}', which has {self.first} to {self.first + len(self.parts) - 1}",
            )
        return own.astype(np.int32)


def _categories() -> tuple[PartCategory, ...]:
    found: list[PartCategory] = []
    first = 0
    for name, synset, parts in _TABLE:
        found.append(PartCategory(name, synset, first, parts))
        first += len(parts)
    return tuple(found)


# The release numbers parts without naming them. The names are those in common use; a lamp's parts have none.
_TABLE = (
    ("airplane", "02691156", ("body", "wing", "tail", "engine")),
    ("bag", "02773838", ("handle", "body")),
    ("cap", "02954340", ("crown", "visor")),
    ("car", "02958343", ("roof", "hood", "wheel", "body")),
    ("chair", "03001627", ("back", "seat", "leg", "armrest")),
    ("earphone", "03261776", ("earcup", "headband", "wire")),
    ("guitar", "03467517", ("head", "neck", "body")),
    ("knife", "03624134", ("blade", "handle")),
    ("lamp", "03636649", ("lamp part 0", "lamp part 1", "lamp part 2", "lamp part 3")),
    ("laptop", "03642806", ("keyboard", "screen")),
    ("motorbike", "03790512", ("gas tank", "seat", "wheel", "handlebars", "light", "frame")),
    ("mug", "03797390", ("handle", "cup")),
    ("pistol", "03948459", ("barrel", "handle", "trigger")),
    ("rocket", "04099429", ("body", "fin", "nose cone")),
    ("skateboard", "04225987", ("wheel", "deck", "foot belt")),
    ("table", "04379243", ("top", "leg", "drawer")),
)

CATEGORIES = _categories()
"""In the order of the files' category labels 0 to 15."""

BY_NAME = {category.name: category for category in CATEGORIES}
BY_SYNSET = {category.synset: category for category in CATEGORIES}
