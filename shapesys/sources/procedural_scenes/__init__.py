"""Rooms of solid furniture out of nothing, endless by seed, by the recipe of ConvONet's synthetic rooms.

A room (Peng et al., ECCV 2020; `build_dataset.py` of its release) is a rectangle of ground with walls on some of its
sides and four to eight objects on it, everything solid, so that all of space is inside or outside. The number of
objects is the category, `rooms_04` to `rooms_08`. y is up, the ground's top lies at y = 0 around the origin, and the
unit is its longer side; ``--frame unit_cube`` centres the room and keeps the unit.

As published:

- ground 1 by 0.3 to 1, 0.01 thick; a wall on each side with probability 0.5, 0.01 thick and 0.2 to 0.4 high, all walls
  of a room alike;
- objects of any class, turned by any angle, their longest side between bounds that depend on how many there are; they
  stand where their boxes, along x and z, meet neither walls nor each other, and what finds no place is drawn anew;
- 100,000 points of the surface: all sides of objects, but only the ground's top and the inner sides of walls, and these
  with a fifth of the density, and without the noise that networks see them with;
- splits of 75, 5 and 20 %.

Different:

- objects are shapes of `shapesys.sources.procedural`: bookshelves in place of cabinets, benches in addition, no lamps
  that hang. ShapeNet's are as thick as the fusion that closed them;
- walls join at corners and lie on the ground as one solid with it, and objects stay on the ground. The release tells
  walls along x and z apart wrongly, so that objects reach into some and keep away where none is, lets objects larger
  than the ground stand over its rim, and never builds the fourth wall. It counts it all the same, and then takes the
  last object for a wall;
- ground and walls are told apart by labels, where the release has -1 for both.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator, model_validator

from shapesys.config.base import Config, setting
from shapesys.geometry.scan import Scan
from shapesys.samples.seeds import stable_hash
from shapesys.sources.base import Census, Loaded, ShapeRef, Source, digest_of
from shapesys.sources.procedural import GENERATOR_VERSION, SEEDS
from shapesys.sources.procedural_scenes.layout import CLASSES, SIZES, category_of, generate_room
from shapesys.sources.procedural_scenes.observed import observe
from shapesys.sources.splits import check_fractions, exact_splits

SCENE_VERSION = 1
"""Goes up when rooms or their points change, so that stores know to prepare them again."""


class ProceduralSceneSource(Source):
    """Furnished rooms as solids, each as seen in noisy points with class labels."""

    name: ClassVar[str] = "procedural_scenes"
    gives: ClassVar[type[Loaded]] = Scan

    class Settings(Config):
        """What to generate."""

        objects: tuple[int, ...] = setting(
            tuple(SIZES), help="how many objects rooms have: a category for each number, 4 to 8", min_length=1
        )
        count: int = setting(100, help="rooms per category", ge=1, le=10_000_000)
        seed: int = setting(0, help="first seed; room k of a category has seed + k", ge=0, le=SEEDS // 2)
        points: int = setting(100_000, help="points per room", ge=1024, le=20_000_000)
        shell_share_weight: float = setting(
            0.2, help="density of points on ground and walls, as a share of that on objects", ge=0.0, le=1.0
        )
        noise: float = setting(
            0.0,
            help="standard deviation of noise on points, the ground's longer side being 1; what samplers and training "
            "add (--cloud.noise, model.input_noise) comes on top",
            ge=0.0,
            le=0.1,
        )
        val_fraction: float = setting(0.05, help="share held out for validation", ge=0.0, lt=1.0)
        test_fraction: float = setting(0.2, help="share held out for the test", ge=0.0, lt=1.0)

        @field_validator("objects")
        @classmethod
        def _known(cls, objects: tuple[int, ...]) -> tuple[int, ...]:
            for number in objects:
                if number not in SIZES:
                    raise ValueError(f"rooms of {number} objects have no published sizes; known: 4, 5, 6, 7 and 8")
            return tuple(sorted(set(objects)))

        @model_validator(mode="after")
        def _something_to_train_on(self) -> ProceduralSceneSource.Settings:
            check_fractions(self.val_fraction, self.test_fraction)
            return self

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def census(self) -> Census:
        """`count` rooms of every category, of each the same number in every split, mixed by hashing."""
        return Census.of(ref for objects in self.settings.objects for ref in self._refs(objects))

    def load(self, ref: ShapeRef) -> Scan:
        """Generate the room: the solid as the clean shape, and points of it as what was observed."""
        settings, seed = self.settings, int(ref.locator["seed"])
        room = generate_room(int(ref.locator["objects"]), seed)
        drawn = stable_hash(f"{self.name}:{ref.category}-{seed}")
        return Scan(observe(room, settings.points, settings.shell_share_weight, settings.noise, drawn), room.mesh)

    def digest(self, ref: ShapeRef) -> str:
        """Over the generators' versions, the category, the seed and the settings, which determine the scan."""
        settings = self.settings
        versions = f"{SCENE_VERSION} {GENERATOR_VERSION}"
        observed = f"{settings.points} {settings.shell_share_weight} {settings.noise}"
        return digest_of(self.name, versions, ref.category, str(ref.locator["seed"]), observed)

    def part_names(self, category: str) -> tuple[str, ...]:
        """The classes of objects, of the ground and of walls."""
        return CLASSES if category in map(category_of, SIZES) else ()

    def _refs(self, objects: int) -> list[ShapeRef]:
        settings, of = self.settings, category_of(objects)
        seeds = range(settings.seed, settings.seed + settings.count)
        mixed = [digest_of("split", of, str(seed)) for seed in seeds]
        splits = exact_splits(mixed, settings.val_fraction, settings.test_fraction)
        return [
            ShapeRef(f"{of}/{of}-{seed:08d}", of, split, self.name, {"objects": objects, "seed": seed})
            for seed, split in zip(seeds, splits, strict=True)
        ]
