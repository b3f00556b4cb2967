"""BSDS500 trees with the oddities of the published archive, and broken ground truth."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.registry import build_source, source_class
from shapesys.sources.segmentation_mat import read_segmentations

HEIGHT, WIDTH = 24, 32


def truth(maps: list[np.ndarray], **options: Any) -> bytes:
    """A ground-truth file: a (1, n) cell of structs with the fields Segmentation and Boundaries."""
    cells = np.empty((1, len(maps)), object)
    for number, one in enumerate(maps):
        cells[0, number] = {"Segmentation": one, "Boundaries": np.zeros(one.shape, np.uint8)}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"groundTruth": cells}, **options)
    return buffer.getvalue()


def maps(count: int = 2) -> list[np.ndarray]:
    """Bands: two in the first map, three in the second, and so on; labels from 1."""
    place = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) / (HEIGHT * WIDTH)
    return [(place * (2 + number) + 1).astype(np.uint16) for number in range(count)]


def write(root: Path, name: str, split: str = "", mat: bytes | None = None) -> None:
    image, ground = root / "images" / split / f"{name}.jpg", root / "groundTruth" / split / f"{name}.mat"
    image.parent.mkdir(parents=True, exist_ok=True)
    ground.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 99, np.uint8)).save(image)
    ground.write_bytes(truth(maps()) if mat is None else mat)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    data = tmp_path / "BSR" / "BSDS500" / "data"
    for name, split in (("2092", "train"), ("8049", "train"), ("3096", "val"), ("2018", "test")):
        write(data, name, split)
    (data / "images" / "train" / "Thumbs.db").write_bytes(b"junk")
    (data / "images" / "train" / ".DS_Store").write_bytes(b"junk")
    (data / "images" / "val" / "101.jpg").write_bytes(b"an image without ground truth")
    (data / "groundTruth" / "test" / "102.mat").write_bytes(b"ground truth without an image")
    return tmp_path


def test_official_splits_and_what_belongs_to_nothing(release: Path) -> None:
    source = build_source("bsds500", {"root": str(release)})
    found = source.census()
    splits = {shape.id: shape.split for shape in found.shapes}
    assert splits == {"image/2018": "test", "image/2092": "train", "image/3096": "val", "image/8049": "train"}
    assert {shape.category for shape in found.shapes} == {"image"}
    reasons = {Path(entry.id).name: entry.reason for entry in found.skipped}
    assert reasons.keys() == {"101.jpg", "102.mat"}
    assert reasons["101.jpg"].endswith("BSR/BSDS500/data/groundTruth/val/101.mat")
    assert found.notes == ("2 train, 1 val, 1 test images found; BSDS500 has 200 train, 100 val, 200 test",)
    assert source_class("bsds500").gives is AnnotatedImage


def test_labels_count_from_zero_and_every_annotator_is_kept(release: Path) -> None:
    source = build_source("bsds500", {"root": str(release)})
    image = source.load(source.shapes()[0])
    assert isinstance(image, AnnotatedImage)
    assert image.pixels.shape == (HEIGHT, WIDTH, 3)
    assert abs(int(image.pixels[3, 4, 1]) - 99) <= 1
    np.testing.assert_array_equal(image.annotations, np.stack(maps()).astype(np.int32) - 1)


def test_a_bare_pair_of_folders_is_split_by_hash(tmp_path: Path) -> None:
    for name in range(40):
        write(tmp_path, str(name), "val" if name % 2 else "")
    found = build_source("bsds500", {"root": str(tmp_path), "val_fraction": 0.25}).census()
    assert len(found.shapes) == 40
    assert all(count >= 3 for count in found.counts().values())
    assert found.notes == ("splits are by hash (0.25 val, 0.2 test), not the release's",)
    again = build_source("bsds500", {"root": str(tmp_path), "val_fraction": 0.25, "splits": "hash"}).census()
    assert again.shapes == found.shapes
    with pytest.raises(ShapesysError, match="lie in no folder train, val or test; use --splits hash"):
        build_source("bsds500", {"root": str(tmp_path), "splits": "official"}).census()


def test_the_digest_follows_both_files(release: Path) -> None:
    source = build_source("bsds500", {"root": str(release)})
    ref = source.shapes()[0]
    before = source.digest(ref)
    assert source.digest(ref) == before
    (release / ref.locator["truth"]).write_bytes(truth(maps(3)))
    assert source.digest(ref) != before


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(ShapesysError, match=r"expected images/<split>/<name>\.jpg"):
        build_source("bsds500", {"root": str(tmp_path)}).census()


def no_cells() -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"groundTruth": np.arange(4.0)})
    return buffer.getvalue()


def no_field() -> bytes:
    buffer = io.BytesIO()
    cells = np.empty((1, 1), object)
    cells[0, 0] = {"Boundaries": np.zeros((HEIGHT, WIDTH))}
    scipy.io.savemat(buffer, {"groundTruth": cells})
    return buffer.getvalue()


BAD = {
    "begin like a MATLAB 5 file": b"junk",
    "MATLAB 7.3": b"MATLAB 7.3 MAT-file".ljust(124, b" ") + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n",
    "cannot use the ground truth": truth(maps())[:300],
    "no cell array 'groundTruth'": no_cells(),
    "no field 'Segmentation'": no_field(),
    "annotation 1 has shape": truth([maps()[0], maps()[0][:, 1:]]),
    r"labels 0 to 1; expected 1": truth([maps()[0] - 1]),
    "no whole numbers": truth([maps()[0] + 0.5]),
    "values that are no whole": truth([np.full((HEIGHT, WIDTH), np.nan)]),
    "labels 70000 to 70001; expected 1 to 65536": truth([maps()[0].astype(np.int32) + 69_999]),
    "inflates to more than the limit": truth([np.ones((4000, 4000))], do_compression=True),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_ground_truth_is_refused_with_the_reason(words: str) -> None:
    with pytest.raises(ShapeRejected, match=words) as caught:
        read_segmentations(BAD[words], HEIGHT, WIDTH, 1 << 20)
    assert caught.value.stage == "read"


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_other_number_types_and_compression_read_the_same(options: dict[str, Any]) -> None:
    for dtype in (np.uint8, np.uint16, np.int32, np.float64):
        found = read_segmentations(truth([one.astype(dtype) for one in maps()], **options), HEIGHT, WIDTH, 1 << 20)
        np.testing.assert_array_equal(found, np.stack(maps()).astype(np.int32) - 1)
        assert found.dtype == np.int32


def test_the_real_validation_set(shared_data: Path) -> None:
    source = build_source("bsds500", {"root": str(shared_data / "bsds500_val")})
    shapes = source.shapes()
    assert len(shapes) == 100
    images = [source.load(ref) for ref in shapes[::9]]
    assert {tuple(sorted(image.pixels.shape[:2])) for image in images} == {(321, 481)}  # type: ignore[union-attr]
    for image in images:
        assert isinstance(image, AnnotatedImage)
        assert 4 <= len(image.annotations) <= 9
        assert image.annotations.min() == 0


def test_of_two_images_of_one_name_the_first_is_kept(tmp_path: Path) -> None:
    for name in range(12):
        for split in ("train", "test"):
            write(tmp_path, str(name), split)
    found = build_source("bsds500", {"root": str(tmp_path)}).census()
    assert {shape.split for shape in found.shapes} == {"test"}
    assert len(found.skipped) == len(found.shapes) == 12
