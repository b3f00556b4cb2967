"""Any folder of photographs: JPEG and PNG files without annotations."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.sources.base import Census, Loaded, ShapeRef, Source, digest_of
from shapesys.sources.files import safe
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import CATEGORY, IMAGE_SUFFIXES, ImageSettings, check_image, read_image
from shapesys.sources.root import Root
from shapesys.sources.splits import as_split


class ImageFolderSource(Source):
    """Every JPEG and PNG file below the root, without annotations.

    Superpixels can be made of such images, but they can neither train a network nor be judged against segments. The
    path, joined by ``-``, is the name. A folder called train, val or test on the way is the split; otherwise a hash of
    the name decides.
    """

    name: ClassVar[str] = "image_folder"
    Settings: ClassVar[type[ImageSettings]] = ImageSettings
    gives: ClassVar[type[Loaded]] = AnnotatedImage

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings
        self.root = Root(settings.root)

    def census(self) -> Census:
        paths = [path for path in self.root.paths() if not path.endswith("/")]
        images = [path for path in paths if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise ShapesysError(
                f"no image under '{self.settings.root}': expected {', '.join(IMAGE_SUFFIXES)} files "
                f"({len(paths)} other files found)"
            )
        others = Counter(PurePosixPath(path).suffix.lower() or "without ending" for path in set(paths) - set(images))
        listed = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common())
        return Census.of(map(self._ref, images), notes=[f"other files beside the images: {listed}"] if others else [])

    def load(self, ref: ShapeRef) -> AnnotatedImage:
        """The pixels, with no annotation.

        Raises:
            ShapeRejected: not an image, damaged, too large or too small.
        """
        pixels = read_image(self._content(ref), self.settings.max_pixels)
        return check_image(AnnotatedImage(pixels, np.empty((0, *pixels.shape[:2]), np.int32)))

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over the file's bytes."""
        return digest_of("image_folder", self._content(ref))

    def _content(self, ref: ShapeRef) -> bytes:
        return self.root.read(ref.locator["image"], self.settings.limits)

    def _ref(self, path: str) -> ShapeRef:
        *folders, last = PurePosixPath(path).with_suffix("").parts
        splits = [split for split in map(as_split, folders) if split is not None]
        rest = [folder for folder in folders if as_split(folder) is None]
        shape_id = f"{CATEGORY}/{safe('-'.join([*rest, last]))}"
        split = splits[0] if splits else self.settings.split_of(shape_id)
        return ShapeRef(shape_id, CATEGORY, split, self.name, {"image": path})
