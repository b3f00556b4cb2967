"""Assembled furniture: which items there are, and part classes instead of part numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.validation import validate
from shapesys.sources.registry import build_source


def write_box(path: Path, size: tuple[float, float, float], at: tuple[float, float, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = trimesh.creation.box(size)
    made.apply_translation(at)
    path.write_text(made.export(file_type="obj"))


def table(folder: Path) -> None:
    """Leg first and top last, with numbers that sort differently as text."""
    for number, (x, z) in zip((0, 1, 2, 10), ((-1, -1), (-1, 1), (1, -1), (1, 1)), strict=True):
        write_box(folder / f"{number}.obj", (0.1, 1, 0.1), (x, 0.5, z))
    write_box(folder / "11.obj", (2.2, 0.1, 2.2), (0, 1.05, 0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for item in ("Table/lack", "Table/lack_2", "Desk/pahl", "Misc/ladder"):
        table(tmp_path / "parts" / item)
    (tmp_path / "manifest.csv").write_text("category,item\n")
    return tmp_path


def test_desks_are_tables_others_are_left_out_and_series_stay_together(root: Path) -> None:
    source = build_source("ikea_manual", {"root": str(root), "test_fraction": 0.5})
    found = source.census()
    assert [shape.id for shape in found.shapes] == ["table/lack", "table/lack_2", "table/pahl"]
    assert found.notes == ("1 items of other categories left out",)
    assert found.shapes[0].split == found.shapes[1].split
    for seed in range(8):
        first, second, _ = build_source("ikea_manual", {"root": str(root), "split_seed": seed}).shapes()
        assert first.split == second.split
    everything = build_source("ikea_manual", {"root": str(root / "parts"), "categories": ()}).census()
    assert [shape.category for shape in everything.shapes] == ["misc", "table", "table", "table"]
    assert source.part_names("table") == ("top", "leg", "bar", "shelf")
    assert source.part_names("chair") == ("seat", "back", "leg", "bar")


def test_part_numbers_become_classes(root: Path) -> None:
    source = build_source("ikea_manual", {"root": str(root)})
    shape = source.shapes()[0]
    assert [path.rpartition("/")[2] for path in shape.locator["files"]] == [f"{n}.obj" for n in (0, 1, 2, 10, 11)]
    mesh = source.load(shape)
    assert mesh.face_labels is not None
    assert np.bincount(mesh.face_labels).tolist() == [12, 48]
    before = source.digest(shape)
    write_box(root / "parts" / "Table" / "lack" / "11.obj", (2.2, 0.2, 2.2), (0, 1.05, 0))
    assert source.digest(shape) != before


def test_what_is_wrong_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="chiar"):
        build_source("ikea_manual", {"root": str(root), "categories": ("chiar",)})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"expected <Category>/<item>/00\.obj"):
        build_source("ikea_manual", {"root": str(tmp_path / "empty")}).census()
    (root / "parts" / "Table" / "lack" / "11.obj").write_text("v 0 0 0\n")
    source = build_source("ikea_manual", {"root": str(root)})
    with pytest.raises(ShapeRejected, match=r"part 'parts/Table/lack/11\.obj'"):
        source.load(source.shapes()[0])


def test_real_items_split_into_classes(shared_data: Path) -> None:
    source = build_source("ikea_manual", {"root": str(shared_data / "ikea_manual")})
    found = source.census()
    counts = {name: sum(shape.category == name for shape in found.shapes) for name in ("bench", "chair", "table")}
    assert counts == {"bench": 8, "chair": 36, "table": 19}
    assert found.counts() == {"train": 52, "val": 0, "test": 11}
    assert {shape.category for shape in found.shapes if shape.split == "test"} == set(counts)
    mesh = source.load(found.shapes[0])
    assert mesh.face_labels is not None
    assert validate(mesh).faces == len(mesh.face_labels)
