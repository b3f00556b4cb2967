"""The user's own clouds, meshes and images, recognised by formulas whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from predictor_support import Answering, classes, halves, image_predictor, predictor, told

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.predict import Predictor, RecognisedCloud, SegmentedImage
from shapesys.geometry.normalise import Framing
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.run_dir import RunDirectory

FAR = np.array([700_000.0, -20.0, 3.0])
RUN = RunDirectory(Path("runs/own"))


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """5,000 points of a box far from the origin, 4 high: more than a network is shown."""
    rng = np.random.default_rng(0)
    box = rng.uniform(-1, 1, (5000, 3)) * [1.0, 1.0, 2.0]
    # None so near the middle that the nearest point shown may lie on the other side.
    box[:, 2] += 0.2 * np.sign(box[:, 2])
    return box + FAR


@pytest.fixture(scope="module")
def scan(points: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.npy"
    np.save(path, points)
    return path


def cloud_of(made: Predictor, path: Path, category: str = "") -> RecognisedCloud:
    found = made.predict(path, category)
    assert isinstance(found, RecognisedCloud)
    return found


def test_every_point_of_the_file_gets_a_part_in_its_own_order(scan: Path, points: np.ndarray) -> None:
    found = cloud_of(predictor(halves, RUN), scan)
    assert (found.observed, found.category) == ("cloud", "")
    np.testing.assert_array_equal(found.points, points)
    assert found.parts is not None
    np.testing.assert_array_equal(found.parts, points[:, 2] > FAR[2])


def test_a_category_leaves_only_its_own_parts(scan: Path) -> None:
    found = cloud_of(predictor(halves, RUN), scan, "mug")
    assert found.category == "mug"
    assert found.parts is not None
    assert set(found.parts.tolist()) == {2}, "the likelier of the mug's"


def test_the_only_category_is_known_without_being_told(scan: Path) -> None:
    with pytest.raises(ShapesysError, match="name it, one of: chair, mug"):
        predictor(told, RUN).predict(scan)
    single = Vocabulary(("chair",), {"chair": ("low", "high")})
    assert cloud_of(predictor(told, RUN, single), scan).category == "chair"


def test_classes_come_with_probabilities_the_likeliest_first(scan: Path) -> None:
    found = cloud_of(predictor(classes, RUN), scan)
    assert found.parts is None
    assert [name for name, _ in found.classes] == ["mug", "chair"]
    assert [share for _, share in found.classes] == pytest.approx([0.8, 0.2])


def test_a_file_is_seen_in_the_frame_that_the_run_was_trained_in(tmp_path: Path) -> None:
    """Where nothing was moved, all of a box above the origin is high."""
    box = np.random.default_rng(0).uniform(1.0, 2.0, (300, 3))
    np.save(tmp_path / "box.npy", box)
    usual = predictor(halves, RUN)
    for made, high in ((usual, 0.5), (replace(usual, framing=Framing("as_given")), 1.0)):
        parts = cloud_of(made, tmp_path / "box.npy").parts
        assert parts is not None
        assert np.mean(parts) == pytest.approx(high, abs=0.1)


def test_a_mesh_is_sampled_first(tmp_path: Path) -> None:
    box = trimesh.creation.box((2, 2, 4), transform=trimesh.transformations.translation_matrix(FAR))
    path = tmp_path / "box.ply"
    path.write_bytes(trimesh.exchange.ply.export_ply(box))
    found = cloud_of(predictor(halves, RUN), path)
    assert found.observed == "mesh"
    assert len(found.points) > 4096
    inside = np.abs(found.points - FAR) <= np.array([1, 1, 2]) + 0.05
    assert inside.all(), "in the frame of the file, to its precision"
    assert found.parts is not None
    low, high = (found.points[found.parts == part, 2] - FAR[2] for part in (0, 1))
    assert low.max() < 0.1
    assert high.min() > -0.1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("few.xyz", "0 0 0\n1 0 0\n", "the cloud has 2 points; at least 16 needed"),
        ("nan.xyz", "nan nan nan\n" * 40, "none of the 40 points is finite"),
        ("same.xyz", "1 2 3\n" * 40, "lie in one place"),
        ("notes.md", "a note", "'.md' is no cloud and no mesh"),
        ("broken.ply", "plonk", "malformed PLY"),
    ],
)
def test_unusable_clouds_say_why(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ShapesysError, match=words):
        predictor(halves, RUN).predict(tmp_path / name)


@pytest.mark.parametrize(
    ("answer", "category", "words"),
    [
        (halves, "chiar", "unknown category 'chiar'; did you mean chair"),
        (classes, "chair", "run 'own' predicts the category itself; leave out --category chair"),
    ],
)
def test_categories_that_make_no_sense_are_refused(scan: Path, answer: object, category: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        predictor(answer, RUN).predict(scan, category)  # type: ignore[arg-type]


def test_an_image_gets_superpixels_at_every_count(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = image_predictor(RUN, Answering(superpixels=(4, 8))).predict(tmp_path / "a.png")
    assert isinstance(found, SegmentedImage)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert {count: len(np.unique(labels)) for count, labels in found.maps.items()} == {4: 4, 8: 8}


def test_unusable_images_say_why(tmp_path: Path) -> None:
    Image.new("RGB", (10, 8)).save(tmp_path / "small.png")
    with pytest.raises(ShapesysError, match="10 x 8 pixels; at least 16"):
        image_predictor(RUN).predict(tmp_path / "small.png")
    (tmp_path / "no.png").write_bytes(b"no image")
    with pytest.raises(ShapesysError):
        image_predictor(RUN).predict(tmp_path / "no.png")
    with pytest.raises(UsageError, match="have no category"):
        image_predictor(RUN).predict(tmp_path / "small.png", "chair")


def test_a_run_that_predicts_surfaces_is_pointed_elsewhere(trained: RunDirectory) -> None:
    with pytest.raises(UsageError, match=f"surfaces; use: shapesys reconstruct {trained.path} FILE"):
        Predictor.open(trained)
