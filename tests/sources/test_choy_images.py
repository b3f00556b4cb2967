"""Choy et al.'s pictures as they publish them and as Occupancy Networks do, with what is odd in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from cloud_trees import write
from onet_trees import npz, queries, surface
from PIL import Image

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.base import Source
from shapesys.sources.choy_images import choy_split
from shapesys.sources.registry import build_source

BOX = trimesh.creation.box().export(file_type="obj")
LINE = "{0} 27.5 0 0.8 25\n"
SETTINGS = PrepareConfig(views=("images",)).override({"images.views": 2})


def picture(shade: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    pixels = np.full((20, 20, 4), shade, np.uint8)
    Image.fromarray(pixels if kind == "PNG" else pixels[..., :3]).save(stream, kind)
    return stream.getvalue()


def rendering(model: str, count: int = 3) -> dict[str, str | bytes]:
    folder = f"ShapeNetRendering/03001627/{model}/rendering"
    files: dict[str, str | bytes] = {f"{folder}/{k:02d}.png": picture(10 + k) for k in range(count)}
    files[f"{folder}/renderings.txt"] = "".join(f"{k:02d}.png\n" for k in range(count))
    files[f"{folder}/rendering_metadata.txt"] = "".join(LINE.format(40 * k) for k in range(count))
    return files


def cameras(count: int = 3, **changes: object) -> bytes:
    arrays = {f"world_mat_{k}": np.arange(12.0).reshape(3, 4) + k for k in range(count)}
    arrays |= {f"camera_mat_{k}": np.eye(3) * (k + 1) for k in range(count)}
    return npz(**(arrays | changes))


@pytest.fixture
def core(tmp_path: Path) -> Path:
    """Chairs a to e of v1, and renderings of a to f but d."""
    files: dict[str, str | bytes] = {f"ShapeNetCore.v1/03001627/{name}/model.obj": BOX for name in "abcde"}
    for name in "abcef":
        files |= rendering(name)
    return write(tmp_path, files)


def shapenet(root: Path, **settings: object) -> Source:
    places = {"root": str(root / "ShapeNetCore.v1"), "renderings": str(root / "ShapeNetRendering")}
    return build_source("shapenet", {**places, **settings})


@pytest.fixture
def onet(tmp_path: Path) -> Path:
    files: dict[str, str | bytes] = {"03001627/train.lst": "a", "03001627/test.lst": "b"}
    for name in "ab":
        folder = f"03001627/{name}"
        files |= {f"{folder}/points.npz": queries(), f"{folder}/pointcloud.npz": surface()}
        files |= {f"{folder}/img_choy2016/{k:03d}.jpg": picture(10 * k, "JPEG") for k in range(3)}
        files[f"{folder}/img_choy2016/cameras.npz"] = cameras()
    return write(tmp_path, files)


def test_the_split_is_the_first_four_fifths_of_the_sorted_names() -> None:
    models = [("03001627", name) for name in "gfedcba"] + [("02691156", "z")]
    split = choy_split(models)
    assert "".join(name for (_, name), found in sorted(split.items()) if found == "train") == "abcde"
    assert split["02691156", "z"] == "test", "four fifths of one, rounded down"
    held_out = choy_split([("03001627", f"{k:03d}") for k in range(500)], val_fraction=0.25)
    counts = {name: list(held_out.values()).count(name) for name in ("train", "val", "test")}
    assert counts["test"] == 100
    assert 70 <= counts["val"] <= 130


def test_renderings_are_the_split_of_shapenet_unless_a_file_is_named(core: Path) -> None:
    found = shapenet(core).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/a": "train",
        "chair/b": "train",
        "chair/c": "train",
        "chair/e": "train",
    }
    assert {entry.id: entry.reason for entry in found.skipped} == {
        "chair/d": "not in the renderings",
        "chair/f": "in the renderings, not on disk",
    }
    rows = "id,synsetId,subSynsetId,modelId,split\n1,03001627,x,a,test\n2,03001627,x,d,train\n"
    write(core, {"all.csv": rows})
    named = shapenet(core, split_file=str(core / "all.csv"))
    assert {shape.id: shape.split for shape in named.shapes()} == {"chair/a": "test", "chair/d": "train"}
    with pytest.raises(ShapeRejected, match="no renderings of 'd'"):
        named.images(named.shapes()[1], 2)
    assert not shapenet(core, renderings="").gives_images
    with pytest.raises(ShapesysError, match="no renderings under"):
        shapenet(core, renderings=str(core / "ShapeNetCore.v1")).census()


def test_pictures_and_their_lines_reach_the_store(core: Path, tmp_path: Path) -> None:
    report = prepare_locally(shapenet(core), str(tmp_path / "store"), SETTINGS, isolate=False)
    assert (report.prepared, report.rejected, report.partial) == (4, 2, 0)
    row = Store.open(str(tmp_path / "store")).read_chunk("images", 1, ["chair/c"])
    assert bytes(row["image"][0]) == picture(11)
    np.testing.assert_allclose(row["camera"][0], [40, 27.5, 0, 0.8, 25], rtol=1e-6)
    assert prepare_locally(shapenet(core), str(tmp_path / "store"), SETTINGS, isolate=False).kept == 6


def test_pictures_of_occnet_have_matrices(onet: Path, tmp_path: Path) -> None:
    source = build_source("occnet", {"root": str(onet)})
    settings = SETTINGS.override({"views": ("images", "inside"), "inside.count": 40, "inside.surface": 20})
    assert prepare_locally(source, str(tmp_path / "store"), settings, isolate=False).prepared == 2
    row = Store.open(str(tmp_path / "store")).read_chunk("images", 1, ["chair/b"])
    assert bytes(row["image"][0]) == picture(10, "JPEG")
    np.testing.assert_array_equal(row["world"][0], np.arange(12.0).reshape(3, 4) + 1)
    np.testing.assert_array_equal(row["intrinsics"][0], 2 * np.eye(3))
    assert row["camera"].shape == (1, 0)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("renderings.txt", None, "cannot open 'renderings.txt'"),
        ("renderings.txt", "00.png\n", "lists 1 pictures; images.views asks for 2"),
        ("renderings.txt", "../../../secret.png\n01.png\n", "which is no name of a picture beside it"),
        ("rendering_metadata.txt", None, "cannot open 'rendering_metadata.txt'"),
        ("rendering_metadata.txt", LINE.format(0), "has 1 lines beside 3 pictures"),
        ("rendering_metadata.txt", "0 1 2\n" * 3, "row 1 has 3 numbers, expected 5"),
        ("rendering_metadata.txt", "nan 1 2 3 4\n" * 3, "rendering_metadata.txt"),
        ("01.png", None, "cannot open '01.png'"),
        ("01.png", b"<html>", "'01.png': neither a JPEG nor a PNG"),
    ],
)
def test_damaged_renderings_are_rows_of_the_rejected_table(
    core: Path, tmp_path: Path, name: str, content: str | bytes | None, reason: str
) -> None:
    path = core / "ShapeNetRendering/03001627/a/rendering" / name
    path.unlink()
    if content is not None:
        write(path.parent, {name: content})
    settings = SETTINGS.override({"views": ("images", "meshes")})
    report = prepare_locally(shapenet(core), str(tmp_path / "store"), settings, isolate=False)
    [row] = [row for row in report.rejections if row["shape_id"] == "chair/a"]
    assert (row["stage"], row["views"]) == ("read", ["images"])
    assert reason in row["reason"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cameras.npz", None, "cannot open 'cameras.npz'"),
        ("cameras.npz", cameras(1), "no array 'world_mat_1'"),
        ("cameras.npz", cameras()[:90], "malformed NPZ"),
        ("cameras.npz", cameras(world_mat_1=np.eye(4)), "world_mat_1 of type float64 and shape (4, 4)"),
        ("cameras.npz", cameras(world_mat_0=np.full((3, 4), np.nan)), "expected finite numbers (3, 4)"),
        ("cameras.npz", cameras(world_mat_0=np.array([{}], dtype=object)), "Python objects, which are never unpickled"),
        ("001.jpg", None, "cannot open '001.jpg': No such file or directory; images.views asks for 2 pictures"),
    ],
)
def test_damaged_pictures_of_occnet_are_rejected(onet: Path, name: str, content: bytes | None, reason: str) -> None:
    path = onet / "03001627/a/img_choy2016" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    source = build_source("occnet", {"root": str(onet)})
    with pytest.raises(ShapeRejected) as problem:
        source.images(source.shapes()[0], 2)
    assert reason in problem.value.reason
