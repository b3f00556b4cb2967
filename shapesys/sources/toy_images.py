"""Boxes and circles of one colour each, with their exact segmentation, endless by seed (DPGNet, section 4.1).

What the paper leaves open, and our choice: objects and background differ in colour, so that the segmentation follows
from the picture; later objects hide earlier ones; a half of the objects are circles.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from shapesys.config.base import Config, setting
from shapesys.sources.base import Census, Loaded, ShapeRef, Source, Split, digest_of
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import CATEGORY, SMALLEST_SIDE
from shapesys.sources.splits import hash_split

GENERATOR_VERSION = 1
"""Goes up when any picture changes, so that stores know to prepare them again."""

_LEVELS = (0, 128, 255)
_COLOURS = np.array([(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS], np.uint8)
"""27 colours that no eye confuses."""


class ToyImageSettings(Config):
    """What to draw."""

    count: int = setting(100, help="images", ge=1, le=10_000_000)
    seed: int = setting(0, help="first seed; image k has seed + k", ge=0, le=2**62)
    width: int = setting(200, help="pixels", ge=SMALLEST_SIDE, le=4096)
    height: int = setting(200, help="pixels", ge=SMALLEST_SIDE, le=4096)
    least: int = setting(3, help="fewest objects in an image", ge=1)
    most: int = setting(8, help="most objects in an image", ge=1, le=len(_COLOURS) - 1)
    val_fraction: float = setting(0.1, help="share held out for validation", ge=0.0, lt=1.0)
    test_fraction: float = setting(0.2, help="share held out for testing", ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _some_number_of_objects(self) -> ToyImageSettings:
        if self.least > self.most:
            raise ValueError(f"least {self.least} objects are more than most {self.most}; lower it or raise most")
        return self


class ToyImageSource(Source):
    """As many drawn images as asked for."""

    name: ClassVar[str] = "toy_images"
    Settings: ClassVar[type[ToyImageSettings]] = ToyImageSettings
    gives: ClassVar[type[Loaded]] = AnnotatedImage

    def __init__(self, settings: ToyImageSettings) -> None:
        self.settings = settings

    def census(self) -> Census:
        seeds = range(self.settings.seed, self.settings.seed + self.settings.count)
        ids = {seed: f"{CATEGORY}/toy-{seed:08d}" for seed in seeds}
        return Census.of(
            ShapeRef(name, CATEGORY, self._split(name), self.name, {"seed": seed}) for seed, name in ids.items()
        )

    def load(self, ref: ShapeRef) -> AnnotatedImage:
        """Draw the image."""
        settings = self.settings
        return toy_image(int(ref.locator["seed"]), settings.height, settings.width, (settings.least, settings.most))

    def digest(self, ref: ShapeRef) -> str:
        """Over generator version, seed and all that the picture depends on."""
        settings = self.settings
        parts = (GENERATOR_VERSION, ref.locator["seed"], settings.height, settings.width, settings.least, settings.most)
        return digest_of("toy_images", *map(str, parts))

    def _split(self, name: str) -> Split:
        return hash_split(name, self.settings.val_fraction, self.settings.test_fraction)


def toy_image(seed: int, height: int = 200, width: int = 200, objects: tuple[int, int] = (3, 8)) -> AnnotatedImage:
    """The image of this seed, with one annotation: every visible object, and the background, is a segment.

    Args:
        objects: fewest and most, hidden ones included.
    """
    rng = np.random.default_rng([GENERATOR_VERSION, seed])
    count = int(rng.integers(objects[0], objects[1] + 1))
    colours = _COLOURS[rng.choice(len(_COLOURS), count + 1, replace=False)]
    drawn = np.zeros((height, width), np.int32)
    for number in range(1, count + 1):
        drawn[_object(rng, height, width)] = number
    labels = np.unique(drawn, return_inverse=True)[1].reshape(1, height, width).astype(np.int32)
    return AnnotatedImage(colours[drawn], labels)


def _object(rng: np.random.Generator, height: int, width: int) -> NDArray[np.bool_]:
    """Where a random box or circle lies, (h, w)."""
    side = min(height, width)
    rows, columns = np.ogrid[:height, :width]
    centre = rng.uniform((0, 0), (height, width))
    if rng.random() < 0.5:
        inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= (rng.uniform(0.08, 0.25) * side) ** 2
    else:
        half = rng.uniform(0.08, 0.25, 2) * side
        inside = (abs(rows - centre[0]) <= half[0]) & (abs(columns - centre[1]) <= half[1])
    found: NDArray[np.bool_] = inside
    return found
