"""A source that gives what it was given; importable by name, so that child processes find it too."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from shapesys.config.base import Config
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.shape import prepare_shape
from shapesys.samples.shape_samples import ShapeSamples
from shapesys.sources.base import Census, Loaded, ShapeRef, Source


class Given(Source):
    """Shapes by name, all of one class."""

    name: ClassVar[str] = "given"
    Settings: ClassVar[type[Config]] = Config

    def __init__(self, **shapes: Loaded) -> None:
        self.shapes_by_name = shapes
        self.gives: Any = type(next(iter(shapes.values())))

    def census(self) -> Census:
        return Census.of(ShapeRef(f"given/{name}", "given", "train", self.name) for name in self.shapes_by_name)

    def load(self, ref: ShapeRef) -> Loaded:
        return self.shapes_by_name[ref.id.partition("/")[2]]

    def digest(self, ref: ShapeRef) -> str:
        return ref.id


def prepared(shape: Loaded, settings: PrepareConfig, kind: type[Given] = Given) -> ShapeSamples:
    """One shape, under the id ``given/shape`` whatever it is."""
    source = kind(shape=shape)
    return prepare_shape(source, source.census().shapes[0], settings)


def queries_of(made: ShapeSamples) -> dict[str, np.ndarray]:
    """All chunks of the view `udf` together."""
    rows = made.samples["udf"]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
