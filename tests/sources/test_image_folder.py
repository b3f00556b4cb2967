from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.registry import build_source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("holiday/a.jpg", "holiday/b.PNG", "train/c.jpeg", "test/d.png", "tiny.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (8, 8) if name == "tiny.png" else (24, 32)
        Image.fromarray(np.full((*size, 3), 50, np.uint8)).save(path, "PNG" if "ng" in path.suffix.lower() else "JPEG")
    (tmp_path / "Thumbs.db").write_bytes(b"junk")
    (tmp_path / "notes.txt").write_bytes(b"text")
    return tmp_path


def test_names_splits_and_other_files(root: Path) -> None:
    found = build_source("image_folder", {"root": str(root), "test_fraction": 0.0}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "image/c": "train",
        "image/d": "test",
        "image/holiday-a": "train",
        "image/holiday-b": "train",
        "image/tiny": "train",
    }
    assert found.notes == ("other files beside the images: 1 .txt",)


def test_images_come_without_annotations(root: Path) -> None:
    source = build_source("image_folder", {"root": str(root)})
    by_id = {shape.id: shape for shape in source.shapes()}
    image = source.load(by_id["image/holiday-b"])
    assert isinstance(image, AnnotatedImage)
    assert image.pixels.shape == (24, 32, 3)
    assert image.annotations.shape == (0, 24, 32)
    assert source.digest(by_id["image/c"]) != source.digest(by_id["image/d"])
    with pytest.raises(ShapeRejected, match="8 x 8 pixels; at least 16"):
        source.load(by_id["image/tiny"])


def test_a_folder_without_images_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"x")
    with pytest.raises(ShapesysError, match=r"no image under .* \(1 other files found\)"):
        build_source("image_folder", {"root": str(tmp_path)}).census()
