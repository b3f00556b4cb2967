"""Both releases of ShapeNetCore, in small, with the defects of the published archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trimesh

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source
from shapesys.sources.shapenet_synsets import SYNSETS

BOX = trimesh.creation.box().export(file_type="obj")
NO_GEOMETRY = "# 3ds Max Wavefront OBJ Exporter\nmtllib model.mtl\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    return write(
        tmp_path / "ShapeNetCore.v1",
        {
            "03001627/1a/model.obj": BOX,
            "03001627/1a/images/texture.png": "x",
            "03001627/2e10/model.obj": BOX,
            "02858304/3c/model.obj": BOX,
            "03624134/67ada28e/model.obj": NO_GEOMETRY,
            "03001627/.DS_Store": "",
        },
    )


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    root = write(
        tmp_path / "ShapeNetCore.v2",
        {
            "03001627/1a/models/model_normalized.obj": BOX,
            "03001627/1a/models/model_normalized.json": "{}",
            "03001627/2e10/models/model_normalized.obj": BOX,
            "02958343/3c/images/texture.jpg": "x",
            "02958343/4d/models/model_normalized.obj": BOX,
        },
    )
    (root / "02958343" / "5e").mkdir()
    return root


def test_v1_without_taxonomy_names_sub_synsets_and_reads(v1: Path) -> None:
    source = build_source("shapenet", {"root": str(v1)})
    found = source.census()
    assert [shape.id for shape in found.shapes] == ["boat/3c", "chair/1a", "chair/2e10", "knife/67ada28e"]
    assert found.notes[0] == "ShapeNetCore v1"
    assert len(source.load(found.shapes[0]).faces) == 12
    assert {source.symmetry_plane(shape) for shape in found.shapes} == {(0.0, 0.0, 1.0, 0.0)}, "v1 faces +x"
    with pytest.raises(ShapeRejected, match="no geometry"):
        source.load(found.shapes[3])


def test_v2_reports_folders_without_models(v2: Path) -> None:
    source = build_source("shapenet", {"root": str(v2)})
    found = source.census()
    assert {source.symmetry_plane(shape) for shape in found.shapes} == {(1.0, 0.0, 0.0, 0.0)}, "v2 faces -z"
    assert [shape.id for shape in found.shapes] == ["car/4d", "chair/1a", "chair/2e10"]
    assert [entry.id for entry in found.skipped] == ["car/3c", "car/5e"]
    assert "models/model_normalized.obj" in found.skipped[0].reason
    assert found.notes[0] == "ShapeNetCore v2"
    assert found.notes[1].startswith("2 models left out")


def test_categories_by_name_or_synset(v2: Path) -> None:
    for name in ("chair", "03001627"):
        found = build_source("shapenet", {"root": str(v2), "categories": (name,)}).census()
        assert [shape.id for shape in found.shapes] == ["chair/1a", "chair/2e10"]
        assert not found.skipped
    with pytest.raises(UsageError, match="did you mean chair"):
        build_source("shapenet", {"root": str(v2), "categories": ("chiar",)}).census()


def test_the_two_releases_are_never_mixed(tmp_path: Path) -> None:
    write(tmp_path, {"03001627/a/model.obj": BOX, "03001627/b/models/model_normalized.obj": BOX})
    with pytest.raises(ShapesysError, match=r"both releases.*1 models of v1, 1 of v2"):
        build_source("shapenet", {"root": str(tmp_path)}).census()
    found = build_source("shapenet", {"root": str(tmp_path), "version": "2"}).census()
    assert [shape.id for shape in found.shapes] == ["chair/b"]
    assert [entry.id for entry in found.skipped] == ["chair/a"]


def test_taxonomy_names_unknown_synsets_and_its_duplicate_is_harmless(v1: Path) -> None:
    write(v1, {"09999999/x/model.obj": BOX})
    assert "09999999/x" in [shape.id for shape in build_source("shapenet", {"root": str(v1)}).census().shapes]
    entry = {"synsetId": "09999999", "name": "space ship,rocket", "children": [], "numInstances": 9}
    write(v1, {"taxonomy.json": json.dumps([entry, entry, {**entry, "synsetId": "04591713", "name": "wine bottle"}])})
    assert "space_ship/x" in [shape.id for shape in build_source("shapenet", {"root": str(v1)}).census().shapes]
    write(v1, {"taxonomy.json": "not json"})
    assert any("taxonomy.json" in note for note in build_source("shapenet", {"root": str(v1)}).census().notes)


def test_published_split_keeps_model_ids_as_text(v2: Path) -> None:
    rows = ["id,synsetId,subSynsetId,modelId,split", "1,3001627,3001627,2e10,val", "2,03001627,03001627,1a,train"]
    rows += ["3,02958343,02958343,gone,test", "4,04379243,04379243,table,test"]
    write(v2, {"all.csv": "\n".join(rows) + "\n"})
    found = build_source("shapenet", {"root": str(v2)}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {"chair/1a": "train", "chair/2e10": "val"}
    reasons = {entry.id: entry.reason for entry in found.skipped}
    assert reasons["car/gone"] == "in all.csv, not on disk"
    assert reasons["car/4d"] == "not in all.csv"
    assert "table/table" not in reasons, "a category that is not on disk is no defect"


def test_split_file_with_other_columns_is_refused(v2: Path) -> None:
    write(v2, {"all.csv": "id,split\n1,train\n"})
    with pytest.raises(ShapesysError, match="expected id, synsetId"):
        build_source("shapenet", {"root": str(v2)}).census()


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, {"chairs/a/model.obj": BOX})
    with pytest.raises(ShapesysError, match="eight digits such as 03001627"):
        build_source("shapenet", {"root": str(tmp_path)}).census()


def test_synset_table_is_complete() -> None:
    assert len(SYNSETS) == len(set(SYNSETS.values())) == 57
    assert all(len(synset) == 8 and synset.isdecimal() for synset in SYNSETS)
