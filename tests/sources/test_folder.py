"""The folder source on small trees and on the real furniture and base meshes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import fsspec
import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.base import Census, ShapeRef
from shapesys.sources.registry import build_source, source_names
from shapesys.sources.splits import hash_split, stem, variant_groups

BOX_OBJ = trimesh.creation.box().export(file_type="obj").encode()


def tree(root: Path, *paths: str, content: bytes = BOX_OBJ) -> Path:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return root


def census(root: Path | str, **settings: object) -> Census:
    return build_source("folder", {"root": str(root), **settings}).census()


def ids(found: Census) -> list[str]:
    return [shape.id for shape in found.shapes]


def test_subfolders_are_categories_and_deeper_paths_become_names(tmp_path: Path) -> None:
    tree(tmp_path, "chair/a.obj", "chair/set one/b.OBJ", "lamp/c.obj", "__MACOSX/chair/._a.obj", "chair/.DS_Store")
    assert ids(census(tmp_path)) == ["chair/a", "chair/set_one-b", "lamp/c"]


def test_files_in_the_root_take_its_name_or_the_given_category(tmp_path: Path) -> None:
    root = tree(tmp_path / "vases", "a.obj", "b.obj")
    assert ids(census(root)) == ["vases/a", "vases/b"]
    assert ids(census(root, category="pot")) == ["pot/a", "pot/b"]


def test_category_filter_and_its_misspelling(tmp_path: Path) -> None:
    tree(tmp_path, "chair/a.obj", "lamp/c.obj")
    assert ids(census(tmp_path, categories=("lamp",))) == ["lamp/c"]
    with pytest.raises(UsageError, match="did you mean chair"):
        census(tmp_path, categories=("chiar",))


def test_nothing_found_names_root_and_layout(tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="not an existing folder"):
        census(tmp_path / "absent")
    tree(tmp_path, "chair/readme.txt")
    with pytest.raises(ShapesysError, match=r"expected \.obj.*one subfolder per category \(1 other files"):
        census(tmp_path)


def test_a_root_one_folder_too_high_is_hinted_at(tmp_path: Path) -> None:
    tree(tmp_path, *(f"parts/{kind}/{name}.obj" for kind in ("chair", "lamp") for name in "ab"))
    (note,) = census(tmp_path).notes
    assert note.endswith(f"make its 2 subfolders the categories, give '{tmp_path}/parts' as root")
    assert census(tmp_path / "parts").notes == ()


def test_every_file_is_a_shape_a_row_or_counted(tmp_path: Path) -> None:
    tree(tmp_path, "x/a.obj", "x/a.stl", "x/a.mtl", "x/b.dae", "x/c.zip", "x/strange", "LICENSE")
    found = census(tmp_path)
    assert ids(found) == ["x/a"]
    reasons = {entry.id: entry.reason for entry in found.skipped}
    assert reasons.keys() == {"x/a.stl", "x/b.dae", "x/c.zip", "x/strange"}
    assert "same id 'x/a' as 'x/a.obj'" in reasons["x/a.stl"]
    assert "unpack" in reasons["x/c.zip"]
    assert ".glb" in reasons["x/b.dae"]
    assert found.notes == ("other files beside the meshes, not shapes: 1 LICENSE, 1 .mtl",)


def test_numbered_files_in_an_item_folder_are_parts(tmp_path: Path) -> None:
    tree(tmp_path, "Chair/oak/00.obj", "Chair/oak/10.obj", "Chair/oak/2.obj", "Chair/plain.obj")
    found = census(tmp_path)
    assert ids(found) == ["Chair/oak", "Chair/plain"]
    assert found.shapes[0].locator["files"] == ["Chair/oak/00.obj", "Chair/oak/2.obj", "Chair/oak/10.obj"]
    mesh = build_source("folder", {"root": str(tmp_path)}).load(found.shapes[0])
    assert mesh.face_labels is not None
    assert np.bincount(mesh.face_labels).tolist() == [12, 12, 12]
    assert len(mesh.vertices) == 24, "parts that touch stay apart"
    assert ids(census(tmp_path, parts="never")) == ["Chair/oak-00", "Chair/oak-10", "Chair/oak-2", "Chair/plain"]


def test_parts_always_joins_named_files(tmp_path: Path) -> None:
    tree(tmp_path, "Chair/oak/seat.obj", "Chair/oak/legs.obj", "Chair/elm/seat.obj")
    assert ids(census(tmp_path, parts="always")) == ["Chair/elm", "Chair/oak"]
    assert len(census(tmp_path).shapes) == 3


def test_a_bad_part_rejects_the_shape_and_names_the_part(tmp_path: Path) -> None:
    tree(tmp_path, "Chair/oak/00.obj")
    tree(tmp_path, "Chair/oak/01.obj", content=b"v 0 0 0\nf 1 2 3\n")
    source = build_source("folder", {"root": str(tmp_path)})
    with pytest.raises(ShapeRejected, match=r"part 'Chair/oak/01\.obj': .*out of range") as caught:
        source.load(source.shapes()[0])
    assert caught.value.stage == "read"


def test_split_folders_win_and_leave_the_name(tmp_path: Path) -> None:
    tree(tmp_path, "chair/train/a.obj", "chair/test/b.obj", "valid/lamp/c.obj")
    assert {shape.id: shape.split for shape in census(tmp_path).shapes} == {
        "chair/a": "train", "chair/b": "test", "lamp/c": "val",
    }  # fmt: skip


def test_split_file_in_json_and_csv_reports_both_mismatches(tmp_path: Path) -> None:
    tree(tmp_path, "chair/a.obj", "chair/b.obj", "lamp/c.obj", "lamp/d.obj")
    listed = {"train": ["chair/a", "b", ""], "test": ["lamp/c.obj", "chair/gone"]}
    (tmp_path / "split.json").write_text(json.dumps(listed))
    (tmp_path / "split.csv").write_text("id,split\nchair/a,train\nb,training\nlamp/c.obj,test\nchair/gone,test\n")
    for name in ("split.json", str(tmp_path / "split.csv")):
        found = census(tmp_path, split_file=name)
        assert {shape.id: shape.split for shape in found.shapes} == {
            "chair/a": "train", "chair/b": "train", "lamp/c": "test",
        }  # fmt: skip
        assert [(entry.id, entry.stage) for entry in found.skipped] == [("chair/gone", "split"), ("lamp/d", "split")]
        only_lamps = census(tmp_path, split_file=name, categories=("lamp",))
        assert [entry.id for entry in only_lamps.skipped] == ["lamp/d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["a"]', "expected JSON such as"),
        ('{"trian": ["a"]}', "unknown split 'trian'"),
        ('{"train": ["a"], "test": ["a"]}', "both train and test"),
        ("{", "cannot read the split file"),
    ],
)
def test_bad_split_files_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    tree(tmp_path, "chair/a.obj")
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(ShapesysError, match=message):
        census(tmp_path, split_file="split.json")


def test_hash_split_keeps_its_mind_and_its_fractions() -> None:
    splits = [hash_split(f"shape {i}", 0.1, 0.2) for i in range(20_000)]
    assert splits.count("test") / 20_000 == pytest.approx(0.2, abs=0.01)
    assert splits.count("val") / 20_000 == pytest.approx(0.1, abs=0.01)
    # Widening validation never moves a test shape: results stay comparable.
    wider = [hash_split(f"shape {i}", 0.5, 0.2) for i in range(20_000)]
    assert [s == "test" for s in splits] == [s == "test" for s in wider]
    assert splits != [hash_split(f"shape {i}", 0.1, 0.2, seed=1) for i in range(20_000)]
    assert hash_split("roman_pottery", 0.0, 0.5) == "train", "fixed for ever: published numbers depend on it"


def test_variants_share_a_group_but_a_numbering_does_not() -> None:
    assert [stem(n) for n in ("roman_pottery_07", "vase-2", "mug 03", "a1b", "0042")] == [
        "roman_pottery", "vase", "mug", "a1b", "0042",
    ]  # fmt: skip
    assert variant_groups(["pot_1", "pot_2", "jug", "can", "urn"])["pot_2"] == "pot"
    numbered = [f"chair_{i:04d}" for i in range(9)]
    assert variant_groups(numbered) == {name: name for name in numbered}


def test_digest_follows_content_and_external_buffers(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(box)).items():
        tree(tmp_path, f"x/{name}", content=data)
    source = build_source("folder", {"root": str(tmp_path)})
    (shape,) = source.shapes()
    before = source.digest(shape)
    assert before == source.digest(shape)
    buffer = next((tmp_path / "x").glob("*.bin"))
    buffer.write_bytes(buffer.read_bytes()[:-1] + b"\x01")
    assert source.digest(shape) != before


def test_links_to_folders_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    tree(tmp_path / "store", "a.obj")
    root = tmp_path / "data"
    root.mkdir()
    (root / "chair").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "again").symlink_to(root)
    assert ids(census(root)) == ["chair/a"]


def test_source_survives_pickling_and_reads_from_a_remote_root() -> None:
    files = fsspec.filesystem("memory")
    try:
        files.pipe("/meshes/chair/a.obj", BOX_OBJ)
        files.pipe("/meshes/chair/.hidden.obj", BOX_OBJ)
        source = pickle.loads(pickle.dumps(build_source("folder", {"root": "memory://meshes"})))
        (shape,) = pickle.loads(pickle.dumps(source.shapes()))
        assert (shape.id, len(source.load(shape).faces)) == ("chair/a", 12)
        assert len(source.digest(shape)) == 64
        with pytest.raises(ShapeRejected, match="limit"):
            build_source("folder", {"root": "memory://meshes", "max_faces": 3}).load(shape)
        with pytest.raises(ShapesysError, match="does not exist or holds no files"):
            census("memory://nowhere")
    finally:
        files.rm("/meshes", recursive=True)


def test_registry_lists_built_ins_and_refuses_misspelt_settings(tmp_path: Path) -> None:
    assert {"folder", "modelnet40", "procedural", "shapenet"} <= set(source_names())
    with pytest.raises(UsageError, match="did you mean folder"):
        build_source("foldr", {})
    with pytest.raises(UsageError, match="split_file"):
        build_source("folder", {"root": str(tmp_path), "split_fle": "x"})


def test_of_two_shapes_under_one_id_the_first_is_kept() -> None:
    first, second, third = (ShapeRef("a/b", "a", "train", "folder", {"files": [name]}) for name in "123")
    found = Census.of([first, second, third])
    assert found.shapes == (first,)
    assert [(entry.id, entry.stage) for entry in found.skipped] == [("a/b (2)", "census"), ("a/b (3)", "census")]
    assert found.skipped[0].reason == "'2' has the same id 'a/b' as '1', which is used; rename one of them"


def test_real_furniture_has_parts_and_splits(shared_data: Path) -> None:
    source = build_source("folder", {"root": str(shared_data / "ikea_manual" / "parts")})
    found = source.census()
    assert len(found.shapes) == 73
    assert not found.skipped
    assert sum(shape.category == "Chair" for shape in found.shapes) == 36
    assert sum(len(shape.locator["files"]) for shape in found.shapes) == 568
    shape = next(shape for shape in found.shapes if shape.id == "Bench/applaro")
    labels = source.load(shape).face_labels
    assert labels is not None
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    assert found == source.census(), "the census is deterministic"


def test_real_base_meshes_keep_near_variants_together(shared_data: Path) -> None:
    found = census(shared_data / "m3_basemesh")
    assert len(found.shapes) == 194
    pottery = {shape.split for shape in found.shapes if "roman_pottery" in shape.id}
    assert len(pottery) == 1
    assert {"train", "test"} == {shape.split for shape in found.shapes if shape.category == "vessel"}
