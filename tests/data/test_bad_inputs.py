"""Malformed, odd and hostile files of other libraries' test suites: each is read or rejected with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shapesys.sources.registry import build_source

SECONDS_PER_FILE = 5.0

READ_ALL = """
import json, resource, sys, time
from shapesys.errors import ShapeRejected
from shapesys.geometry.validation import clean, validate
from shapesys.sources.registry import build_source

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
source = build_source("folder", {"root": sys.argv[1], "parts": "never"})
for shape in source.shapes():
    begin = time.perf_counter()
    try:
        source.digest(shape)
        facts = validate(source.load(shape))
        row = {"outcome": "ok", "faces": facts.faces}
    except ShapeRejected as problem:
        row = {"outcome": "rejected", "stage": problem.stage, "reason": problem.reason}
    print(json.dumps({"file": shape.locator["files"][0], "seconds": time.perf_counter() - begin, **row}), flush=True)
"""


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    found = shared_data / "bad_inputs"
    if not found.is_dir():
        pytest.skip(f"no folder {found}")
    return found


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, object]]:
    """One process with four gibibytes of address space and no second chance reads them all."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == "", "readers stay quiet"
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_file_is_accounted_for(folder: Path, rows: list[dict[str, object]]) -> None:
    census = build_source("folder", {"root": str(folder), "parts": "never"}).census()
    companions = sum(int(part.split()[0]) for part in census.notes[0].rpartition(": ")[2].split(", "))
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(files) > 300
    assert len(rows) == len(census.shapes)
    assert len(census.shapes) + len(census.skipped) + companions == len(files)


def test_each_outcome_has_a_stage_and_a_reason_and_comes_soon(rows: list[dict[str, object]]) -> None:
    outcomes = Counter(str(row["outcome"]) for row in rows)
    assert outcomes["ok"] > 100
    assert outcomes["rejected"] > 100
    for row in rows:
        assert float(str(row["seconds"])) < SECONDS_PER_FILE, row
        if row["outcome"] == "rejected":
            assert row["stage"] in ("read", "validate"), row
            assert len(str(row["reason"])) >= 10, row


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("assimp/invalid/OutOfMemory.off", "353535235358 vertices, more than the limit"),
        ("assimp/glTF2/IndexOutOfRange/IndexOutOfRange.gltf", "out of range"),
        ("assimp/glTF2/MissingBin/BoxTextured.gltf", "cannot open 'BoxTextured0.bin'"),
        ("git_lfs_pointers/elephav.obj", "git-lfs pointer"),
        ("quaternius_draco/Tree_Blob_1-transformed.glb", "Draco-compressed"),
        ("gltf_validator/node/node_loop_scene.gltf", "not a tree"),
        ("tinyobjloader/issue-140-zero-face-idx.obj", "counts from 1"),
        ("tinyobjloader/test-nan.obj", "vertex"),
        ("trimesh/points_emptyface.ply", "point cloud"),
        ("draco/degenerate_mesh.obj", "degenerate"),
        ("pymesh/empty.obj", "empty"),
    ],
)
def test_the_reason_names_the_defect(rows: list[dict[str, object]], file: str, expected: str) -> None:
    (row,) = [row for row in rows if row["file"] == file]
    assert expected in str(row.get("reason"))


@pytest.mark.parametrize(
    ("file", "faces"),
    [
        ("trimesh/whitespace.off", 12),
        ("trimesh/negative_indices.obj", 12),
        ("trimesh/nancolor.obj", 12),
        ("assimp/PLY/cube_binary_header_with_RN_newline.ply", 12),
        ("numpy_stl/stl_binary/HalfDonut.stl", 288),
        ("pyntcloud/diamond_color.off", 8),
    ],
)
def test_what_is_merely_odd_is_read(rows: list[dict[str, object]], file: str, faces: int) -> None:
    (row,) = [row for row in rows if row["file"] == file]
    assert row.get("faces") == faces, row
