"""Shapes out of nothing: ten categories of parametric designs, endless by seed, each watertight, labelled, symmetric.

Every shape stands on or around y = 0 with y up, its front (a chair's sitter, a car's bonnet, an aeroplane's nose)
towards -z, and is its own mirror image in the plane x = 0, exactly. Lengths are metres for furniture and scaled to a
similar size otherwise. The same category and seed give the same mesh everywhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected, unknown_name
from shapesys.geometry.mesh import Mesh
from shapesys.sources.base import Census, Plane, ShapeRef, Source, digest_of
from shapesys.sources.procedural.draw import Design, Draw
from shapesys.sources.splits import exact_splits

GENERATOR_VERSION = 1
"""Goes up when any category's shapes change, so that stores know to prepare them again."""

CATEGORIES = ("airplane", "bench", "bookshelf", "bottle", "car", "chair", "lamp", "mug", "sofa", "table")
SYMMETRY_PLANE: Plane = (1.0, 0.0, 0.0, 0.0)
SEEDS = 2**63
ATTEMPTS = 8


def part_names(category: str) -> tuple[str, ...]:
    """Names of a category's parts; face label k means name k.

    Raises:
        UsageError: no such category.
    """
    names: tuple[str, ...] = _builder(category).PARTS
    return names


def generate(category: str, seed: int) -> Mesh:
    """The shape of this category and seed: float64 vertices, a part label per face, watertight, in one piece.

    Raises:
        UsageError: no such category.
        ShapeRejected: the seed is out of range.
    """
    return _generated(category, seed)[1]


def design(category: str, seed: int) -> Design:
    """Every decision behind a shape, by name: its parameter vector."""
    return _generated(category, seed)[0]


def _generated(category: str, seed: int) -> tuple[Design, Mesh]:
    """Draws again, from the seed's next stream, in the rare case that parts touch so that no clean solid results."""
    if not 0 <= seed < SEEDS:
        raise ShapeRejected("generate", f"seed {seed} is outside 0 to {SEEDS - 1}")
    builder = _builder(category)
    for attempt in range(ATTEMPTS):
        draw = Draw(category, seed, attempt)
        try:
            return draw.design, builder.build(draw).mesh()
        except ShapeRejected as error:
            reason = error.reason
    raise ShapeRejected("generate", f"{category} {seed} failed in {ATTEMPTS} attempts, at last because {reason}")


class ProceduralSource(Source):
    """As many shapes of the built-in categories as asked for."""

    name: ClassVar[str] = "procedural"

    class Settings(Config):
        """What to generate."""

        categories: tuple[str, ...] = setting(CATEGORIES, help="categories to generate", min_length=1)
        count: int = setting(100, help="shapes per category", ge=1, le=10_000_000)
        seed: int = setting(0, help="first seed; shape k of a category has seed + k", ge=0, le=SEEDS // 2)
        val_fraction: float = setting(0.1, help="share of each category held out for validation", ge=0.0, le=1.0)
        test_fraction: float = setting(0.2, help="share of each category held out for the test", ge=0.0, le=1.0)
        twins: bool = setting(
            False,
            help="two categories of the same designs in place of each, such as chair-1 and chair-2, which nothing but "
            "their names tells apart",
        )

        @field_validator("categories")
        @classmethod
        def _known(cls, categories: tuple[str, ...]) -> tuple[str, ...]:
            for category in categories:
                if category not in CATEGORIES:
                    raise ValueError(str(unknown_name("category", category, CATEGORIES)))
            return tuple(sorted(set(categories)))

        @model_validator(mode="after")
        def _something_to_train_on(self) -> ProceduralSource.Settings:
            if self.val_fraction + self.test_fraction > 1.0:
                raise ValueError(
                    f"val_fraction {self.val_fraction} + test_fraction {self.test_fraction} exceed 1; lower one of them"
                )
            return self

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def census(self) -> Census:
        """`count` shapes of every category; the split is drawn per category, the same for the same settings."""
        settings = self.settings
        if not settings.twins:
            return Census.of(ref for name in settings.categories for ref in self._refs(name, settings.seed))
        twins = [(f"{name}-{twin + 1}", twin) for name in settings.categories for twin in range(2)]
        return Census.of(ref for name, twin in twins for ref in self._refs(name, settings.seed + twin * settings.count))

    def load(self, ref: ShapeRef) -> Mesh:
        """Generate the shape, in metres."""
        return generate(_designed_as(ref.category), int(ref.locator["seed"]))

    def digest(self, ref: ShapeRef) -> str:
        """Over generator version, category and seed, which determine the mesh."""
        return digest_of("procedural", str(GENERATOR_VERSION), ref.category, str(ref.locator["seed"]))

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        """x = 0, for every category."""
        return SYMMETRY_PLANE

    def part_names(self, category: str) -> tuple[str, ...]:
        """As `part_names` of the module."""
        return part_names(_designed_as(category))

    def _refs(self, category: str, first: int) -> list[ShapeRef]:
        seeds, settings = range(first, first + self.settings.count), self.settings
        mixed = [digest_of("split", category, str(seed)) for seed in seeds]
        return [
            ShapeRef(f"{category}/{category}-{seed:08d}", category, split, self.name, {"seed": seed})
            for seed, split in zip(
                seeds, exact_splits(mixed, settings.val_fraction, settings.test_fraction), strict=True
            )
        ]


def _designed_as(category: str) -> str:
    """The built-in category whose designs a category has: its own, or those that twins share."""
    return category.partition("-")[0]


def _builder(category: str) -> Any:
    if category not in CATEGORIES:
        raise unknown_name("category", category, CATEGORIES)
    return import_module(f"{__name__}.{category}")
