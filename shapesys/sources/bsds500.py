"""BSDS500: 500 photographs with four to nine human segmentations each (Arbelaez et al., TPAMI 2011)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar, Literal

from shapesys.config.base import setting
from shapesys.errors import ShapesysError
from shapesys.sources.base import Census, Loaded, ShapeRef, Skipped, Source, Split, digest_of
from shapesys.sources.files import safe
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import CATEGORY, IMAGE_SUFFIXES, ImageSettings, check_image, read_image
from shapesys.sources.root import Root
from shapesys.sources.segmentation_mat import read_segmentations
from shapesys.sources.splits import as_split

PUBLISHED = {"train": 200, "val": 100, "test": 200}

_BYTES_PER_PIXEL = 256
"""A ground-truth file may inflate to this many bytes per pixel of its image; published files have 3 per annotator."""


class BSDS500Settings(ImageSettings):
    """Settings of the source `bsds500`."""

    splits: Literal["auto", "official", "hash"] = setting(
        "auto",
        help="official = the folders train, val and test; hash = by the fractions, whatever the folder; auto = the "
        "official ones where there is a train folder",
    )


class BSDS500Source(Source):
    """``images/<split>/<name>.jpg`` beside ``groundTruth/<split>/<name>.mat``, anywhere below the root.

    The folders of splits may be missing, in part or wholly; then a hash of the name makes the splits. Images without
    ground truth, and ground truth without image, are skipped with the reason.
    """

    name: ClassVar[str] = "bsds500"
    Settings: ClassVar[type[BSDS500Settings]] = BSDS500Settings
    gives: ClassVar[type[Loaded]] = AnnotatedImage

    def __init__(self, settings: BSDS500Settings) -> None:
        self.settings = settings
        self.root = Root(settings.root)

    def census(self) -> Census:
        images, truths = self._files()
        if not images:
            raise ShapesysError(
                f"no image under '{self.settings.root}': expected images/<split>/<name>.jpg and "
                "groundTruth/<split>/<name>.mat, as in the unpacked BSR_bsds500.tgz"
            )
        official = self._official({_folder_split(path) for path in images.values()})
        shapes = [self._ref(images[key], truths[key], official) for key in sorted(images.keys() & truths.keys())]
        alone = [Skipped(images[key], "census", f"has no {_truth_path(key)}") for key in images.keys() - truths.keys()]
        alone += [Skipped(truths[key], "census", "belongs to no image") for key in truths.keys() - images.keys()]
        census = Census.of(shapes, alone)
        return Census(census.shapes, census.skipped, self._notes(census, official))

    def load(self, ref: ShapeRef) -> AnnotatedImage:
        """Pixels and all annotators' maps, labels from 0.

        Raises:
            ShapeRejected: image or ground truth cannot be read, or they do not fit each other.
        """
        image, truth = self._contents(ref)
        pixels = read_image(image, self.settings.max_pixels)
        height, width = pixels.shape[:2]
        maps = read_segmentations(truth, height, width, _BYTES_PER_PIXEL * height * width)
        return check_image(AnnotatedImage(pixels, maps))

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over the bytes of both files."""
        return digest_of("bsds500", *self._contents(ref))

    def _contents(self, ref: ShapeRef) -> list[bytes]:
        return [self.root.read(ref.locator[part], self.settings.limits) for part in ("image", "truth")]

    def _files(self) -> tuple[dict[str, str], dict[str, str]]:
        """Images and ground truths: path without the folder images or groundTruth and without ending -> path."""
        images: dict[str, str] = {}
        truths: dict[str, str] = {}
        for path in self.root.paths():
            suffix = PurePosixPath(path).suffix.lower()
            if suffix in IMAGE_SUFFIXES and (key := _key(path, "images")):
                images[key] = path
            elif suffix == ".mat" and (key := _key(path, "groundTruth")):
                truths[key] = path
        return images, truths

    def _official(self, folders: set[Split | None]) -> bool:
        if self.settings.splits == "official" and None in folders:
            raise ShapesysError(
                f"images under '{self.settings.root}' lie in no folder train, val or test; use --splits hash or auto"
            )
        return self.settings.splits == "official" or (self.settings.splits == "auto" and "train" in folders)

    def _ref(self, image: str, truth: str, official: bool) -> ShapeRef:
        shape_id = f"{CATEGORY}/{safe(PurePosixPath(image).stem)}"
        split = (_folder_split(image) if official else None) or self.settings.split_of(shape_id)
        return ShapeRef(shape_id, CATEGORY, split, self.name, {"image": image, "truth": truth})

    def _notes(self, census: Census, official: bool) -> tuple[str, ...]:
        if not official:
            share = f"{self.settings.val_fraction:g} val, {self.settings.test_fraction:g} test"
            return (f"splits are by hash ({share}), not the release's",)
        counts = census.counts()
        if counts == PUBLISHED:
            return ()
        found, published = (", ".join(f"{n[split]} {split}" for split in PUBLISHED) for n in (counts, PUBLISHED))
        return (f"{found} images found; BSDS500 has {published}",)


def _key(path: str, folder: str) -> str:
    """What an image and its ground truth have in common; empty where the path does not lead through the folder."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if folder not in parts[:-1]:
        return ""
    at = len(parts) - 2 - parts[-2::-1].index(folder)
    return "/".join([*parts[:at], "*", *parts[at + 1 :]])


def _truth_path(key: str) -> str:
    return key.replace("*", "groundTruth") + ".mat"


def _folder_split(path: str) -> Split | None:
    return as_split(PurePosixPath(path).parent.name)
