"""The view `images`: rendered as asked for, the same for ever, and stored view by view."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from given_source import Given, prepared
from PIL import Image

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.samples.image_settings import ImageConfig
from shapesys.samples.image_views import view_tensors
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig, preset
from shapesys.samples.shape_images import drawn_viewpoint, rendered, rendered_rows
from shapesys.samples.store import Store
from shapesys.sources.base import ShapeRef
from shapesys.sources.shape_image import ShapeImage

FEW = ImageConfig(views=3, size=32, supersample=2)
SETTINGS = PrepareConfig(views=("images",), images=FEW)
JITTERS = {"rotation": 20.0, "shift": 0.1, "light": 0.5, "color": 1.0}


def block(*sides: float) -> Mesh:
    solid = trimesh.creation.box(sides)
    return Mesh(np.asarray(solid.vertices, np.float32), np.asarray(solid.faces, np.int32))


def png(side: int = 20, colour: tuple[int, ...] = (10, 200, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, "PNG")
    return stream.getvalue()


class Photographed(Given):
    """Shapes with pictures of their own."""

    pictures: Any = ()

    @property
    def gives_images(self) -> bool:
        return True

    def images(self, ref: ShapeRef, count: int) -> list[ShapeImage]:
        if len(self.pictures) < count:
            raise ShapeRejected("read", f"{len(self.pictures)} pictures; images.views asks for {count}")
        return list(self.pictures[:count])


def photographed(*pictures: bytes, shape: Any = None) -> Photographed:
    source = Photographed(shape=block(1, 1, 1) if shape is None else shape)
    source.pictures = [ShapeImage(f"{number}.png", data) for number, data in enumerate(pictures)]
    return source


def test_published_cameras_are_the_default() -> None:
    config = ImageConfig()
    drawn = [drawn_viewpoint(config, np.random.default_rng(seed)).parameters for seed in range(400)]
    azimuth, elevation, rotation, distance, field = np.array(drawn).T
    assert (config.views, config.size) == (24, 137)
    for values, low, high in ((azimuth, 0, 360), (elevation, 25, 30), (distance, 0.65, 1.0)):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.06 * (high - low))
    assert not rotation.any()
    assert np.ptp(field) == 0


def test_ranges_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(UsageError, match="elevation_low 40 is above elevation_high 30"):
        SETTINGS.override({"images.elevation_low": 40.0})


@pytest.mark.parametrize("changes", [{}, JITTERS], ids=["clay", "jittered"])
def test_a_view_has_the_same_bytes_whatever_views_there_are(changes: dict[str, float]) -> None:
    config = FEW.model_copy(update=changes)
    mesh = block(1, 2, 3)
    rows = rendered_rows(mesh, config, 7)
    more = rendered_rows(mesh, config.model_copy(update={"views": 5}), 7)
    assert [row["image"] for row in rows] == [row["image"] for row in more[:3]]
    assert len({row["image"] for row in more}) == 5
    assert rendered_rows(mesh, config, 8)[0]["image"] != rows[0]["image"]


@pytest.mark.parametrize(("name", "value"), JITTERS.items())
def test_every_jitter_changes_pictures(name: str, value: float) -> None:
    mesh = block(1, 2, 3)
    usual, other = (next(rendered(mesh, FEW.model_copy(update={name: by}), 0)) for by in (0.0, value))
    assert usual.data != other.data
    assert usual.camera[:2] == pytest.approx(other.camera[:2]), "where it is taken from belongs to shape and view"


def test_parts_have_colours_of_their_own() -> None:
    labels = np.repeat(np.array([4, 9], np.int32), 6)
    mesh = replace(block(1, 1, 1), face_labels=labels)
    config = FEW.model_copy(update={"color": 1.0, "size": 64})
    pixels = np.asarray(Image.open(io.BytesIO(next(rendered(mesh, config, 0)).data)))
    solid = pixels[pixels[..., 3] == 255][:, :3].astype(float)
    directions = np.unique(np.round(solid / np.linalg.norm(solid, axis=1, keepdims=True), 1), axis=0)
    one = np.asarray(Image.open(io.BytesIO(next(rendered(block(1, 1, 1), config, 0)).data)))
    solid = one[one[..., 3] == 255][:, :3].astype(float)
    assert len(directions) > len(np.unique(np.round(solid / np.linalg.norm(solid, axis=1, keepdims=True), 1), axis=0))


def test_a_store_holds_every_view_apart_and_is_complete(tmp_path: Path) -> None:
    shapes = {"a": block(1, 1, 1), "b": block(1, 2, 3), "c": block(3, 1, 1)}
    report = prepare_locally(Given(**shapes), str(tmp_path / "store"), SETTINGS, isolate=False)
    assert (report.prepared, report.rejected) == (3, 0)
    store = Store.open(str(tmp_path / "store"))
    assert (store.chunk_count("images"), store.chunk_size("images")) == (3, 1)
    assert sorted(path.name for path in (tmp_path / "store" / "images").iterdir()) == [f"chunk=00{k}" for k in range(3)]
    ids = ["given/c", "given/a"]
    tensors = view_tensors(store, 1, ids, size=40)
    assert (tensors.shape, tensors.dtype) == ((2, 3, 40, 40), np.float32)
    assert tensors.max() == 1.0
    assert 0.02 < (tensors[0] < 0.99).any(axis=0).mean() < 0.9
    row = store.read_chunk("images", 1, ids, ("camera", "world", "intrinsics"))
    assert {name: values.shape[1:] for name, values in row.items()} == {
        "camera": (5,),
        "world": (3, 4),
        "intrinsics": (3, 3),
    }
    again = prepare_locally(Given(**shapes), str(tmp_path / "store"), SETTINGS, isolate=False)
    assert (again.prepared, again.kept) == (0, 3)
    with pytest.raises(UsageError, match="no chunk 3; the store .* holds 0 to 2"):
        view_tensors(store, 3, ids)
    assert view_tensors(store, 0, []).shape == (0, 3, 224, 224)


def test_pictures_of_a_shape_do_not_depend_on_other_shapes(tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in ("all", "one")]
    prepare_locally(Given(a=block(1, 1, 1), b=block(1, 2, 3)), folders[0], SETTINGS, isolate=False)
    prepare_locally(Given(b=block(1, 2, 3)), folders[1], SETTINGS, isolate=False)
    first, second = (Store.open(folder).read_chunk("images", 2, ["given/b"])["image"] for folder in folders)
    np.testing.assert_array_equal(first, second)


def test_it_is_made_where_it_is_named_and_changes_no_other_store() -> None:
    assert "images" not in PrepareConfig().of_what(Mesh).views
    assert "images" not in PrepareConfig().of_what(Mesh).recorded()
    assert SETTINGS.recorded()["images"]["views"] == 3
    with pytest.raises(UsageError, match="view 'images' cannot be made of a point cloud"):
        SETTINGS.of_what(Cloud)
    assert PrepareConfig(views=("images",)).of_what(Cloud, gives_images=True).views == ("images",)


def test_an_open_mesh_lacks_signs_and_has_pictures() -> None:
    sheet = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.3]], np.float32), np.array([[0, 1, 2]], np.int32))
    made = prepared(sheet, preset("tiny").override({"views": ("sdf", "images"), "images.views": 2, "images.size": 16}))
    assert made.missing == ("sdf",)
    assert len(made.samples["images"]) == 2


def test_given_pictures_are_stored_as_they_are(tmp_path: Path) -> None:
    files = [png(colour=(shade, 0, 0)) for shade in (10, 20, 30, 40)]
    settings = SETTINGS.override({"images.size": 137, "images.supersample": 4})
    report = prepare_locally(photographed(*files), str(tmp_path / "store"), settings, isolate=False)
    assert report.prepared == 1
    store = Store.open(str(tmp_path / "store"))
    found = [store.read_chunk("images", number, ["given/shape"]) for number in range(3)]
    assert [bytes(row["image"][0]) for row in found] == files[:3]
    assert found[0]["camera"].shape == (1, 0)
    assert found[0]["world"].shape == (1, 0, 4)
    changed = photographed(*files[:2], png(colour=(99, 0, 0)))
    assert prepare_locally(changed, str(tmp_path / "store"), settings, isolate=False).prepared == 1
    assert prepare_locally(changed, str(tmp_path / "store"), settings, isolate=False).kept == 1


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([png(), png()], "2 pictures; images.views asks for 3"),
        ([png(), png(), b"<html>"], "'2.png': neither a JPEG nor a PNG image"),
        ([png(), png(side=8), png()], "'1.png': 8 x 8 pixels; at least 16 a side"),
        ([png(), png()[:60], png()], "'1.png': cannot be decoded"),
    ],
)
def test_pictures_that_cannot_be_used_leave_the_other_views(files: list[bytes], reason: str, tmp_path: Path) -> None:
    source = photographed(*files)
    settings = PrepareConfig(views=("images", "meshes")).override({"images.views": 3})
    for _ in range(2):
        report = prepare_locally(source, str(tmp_path / "both"), settings, isolate=False)
        [row] = report.rejections
        assert (row["stage"], row["views"]) == ("read", ["images"])
        assert reason in row["reason"]
    assert report.kept == 1
    store = Store.open(str(tmp_path / "both"))
    assert store.shape_ids(views="meshes") == ["given/shape"]
    assert store.shape_ids(views="images") == []
    with pytest.raises(ShapesysError, match="has no 'images' samples"):
        view_tensors(store, 0, ["given/shape"])
    alone = prepare_locally(source, str(tmp_path / "alone"), settings.override({"views": ("images",)}), isolate=False)
    assert alone.rejected == 1
    assert alone.rejections[0]["views"] == []


def test_settings_of_rendering_are_refused_where_nothing_is_rendered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="images.light = 0.5 cannot be had: this source gives pictures"):
        prepare_locally(
            photographed(png()), str(tmp_path), PrepareConfig(views=("images",)).override({"images.light": 0.5})
        )
