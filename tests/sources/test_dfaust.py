"""Trees of Dynamic FAUST with SAL's split files, whole and damaged."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from cloud_trees import write

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.scan import Scan
from shapesys.sources.base import Source
from shapesys.sources.registry import build_source, source_class

Split = dict[str, dict[str, list[str]]]

TRAIN: Split = {
    "50002": {"jumping_jacks": ["jumping_jacks.005567", "jumping_jacks.005572"], "hips": ["hips.002167"]},
    "50004": {"hips": ["hips.002167"]},
}
TEST: Split = {"50009": {"one_leg_loose": ["one_leg_loose.000107", "one_leg_loose.000174"]}}
IDS = {
    "human/50002-hips.002167": "train",
    "human/50002-jumping_jacks.005567": "train",
    "human/50002-jumping_jacks.005572": "train",
    "human/50004-hips.002167": "train",
    "human/50009-one_leg_loose.000107": "test",
    "human/50009-one_leg_loose.000174": "test",
}


def frames(split: Split) -> list[str]:
    return [
        f"{human}/{pose}/{name}" for human, poses in split.items() for pose, names in poses.items() for name in names
    ]


def ply(height: float) -> bytes:
    """Two triangles that share no vertex, as scanners write soups, with one vertex twice and one used by nobody."""
    corners = [
        (0, 0, height),
        (1, 0, height),
        (0, 1, height),
        (1, 0, height),
        (1, 1, height),
        (0, 1, height),
        (9, 9, 9),
    ]
    header = "ply\nformat ascii 1.0\nelement vertex 7\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    return (header + "".join(f"{x} {y} {z}\n" for x, y, z in corners) + "3 0 1 2\n3 3 4 5\n").encode()


def obj(height: float) -> bytes:
    return f"v 0 0 {height}\nv 1 0 {height}\nv 0 1 {height}\nf 1 2 3\n".encode()


def split_files(root: Path, train: Any = TRAIN, test: Any = TEST) -> dict[str, str]:
    """The two files as SAL has them, with spaces and line breaks, and the settings that name them."""
    for name, listed in (("train", train), ("test", test)):
        write(root, {f"{name}.json": json.dumps({"scans": listed}, indent=1)})
    return {"split_train": str(root / "train.json"), "split_test": str(root / "test.json")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, {f"data/scans/{frame}.ply": ply(k) for k, frame in enumerate(frames(TRAIN) + frames(TEST))})
    return write(
        tmp_path, {"data/scans/50002/hips/hips.002168.ply": ply(9), "data/scans/50002/hips/hips.002167.bmp": "x"}
    )


def source(root: Path, **settings: Any) -> Source:
    return build_source("dfaust", {"root": str(root / "data"), **split_files(root), **settings})


def test_the_split_files_say_what_there_is(root: Path) -> None:
    found = source(root).census()
    assert {shape.id: shape.split for shape in found.shapes} == IDS
    assert {shape.category for shape in found.shapes} == {"human"}
    assert found.skipped == ()
    assert "4 training and 2 test scans listed" in found.notes[0]
    assert "6258/2038" in found.notes[0]
    only = build_source("dfaust", {"root": str(root / "data" / "scans"), "split_test": str(root / "test.json")})
    assert {shape.id: shape.split for shape in only.shapes()} == {k: v for k, v in IDS.items() if v == "test"}


def test_split_files_may_stand_under_the_root(root: Path) -> None:
    split_files(root / "data")
    under = build_source("dfaust", {"root": str(root / "data"), "split_train": "train.json", "split_test": "test.json"})
    assert under.census().shapes == source(root).census().shapes


def test_a_scan_is_its_triangles_and_no_more(root: Path) -> None:
    one = source(root)
    assert one.gives is source_class("dfaust").gives is Mesh
    for ref in one.shapes():
        mesh = one.load(ref)
        assert isinstance(mesh, Mesh)
        assert (len(mesh.vertices), len(mesh.faces)) == (4, 2)
        assert set(mesh.vertices[:, 2]) == {float((frames(TRAIN) + frames(TEST)).index(_frame(ref)))}


def _frame(ref: Any) -> str:
    return str(ref.locator["files"][0]).removeprefix("scans/").removesuffix(".ply")


def test_registrations_make_scans_whose_shape_is_known(root: Path) -> None:
    known = [frame for frame in frames(TRAIN) + frames(TEST) if "jacks" not in frame]
    write(root, {f"reg/{frame}.obj": obj(k + 0.5) for k, frame in enumerate(known)})
    one = source(root, registrations=str(root / "reg"))
    assert one.gives is Scan
    assert pickle.loads(pickle.dumps(one)).gives is Scan
    found = one.census()
    assert [entry.reason for entry in found.skipped] == ["no registration of this scan"] * 2
    assert {shape.id for shape in found.shapes} == {name for name in IDS if "jacks" not in name}
    for ref in found.shapes:
        scan = one.load(ref)
        assert isinstance(scan, Scan)
        assert isinstance(scan.observed, Mesh)
        assert (len(scan.observed.faces), len(scan.truth.faces)) == (2, 1)
        assert set(scan.truth.vertices[:, 2]) == {known.index(_frame(ref)) + 0.5}
    before = one.digest(found.shapes[0])
    assert before != source(root).digest(found.shapes[0])
    write(root, {f"reg/{_frame(found.shapes[0])}.obj": obj(7)})
    assert one.digest(found.shapes[0]) != before


def test_registrations_beside_the_scans_are_not_taken_for_them(root: Path) -> None:
    write(root, {f"data/registrations/{frame}.ply": ply(50) for frame in frames(TRAIN) + frames(TEST)})
    one = source(root, registrations=str(root / "data" / "registrations"))
    scan = one.load(one.shapes()[0])
    assert isinstance(scan, Scan)
    assert scan.observed.vertices[:, 2].max() < 50 == scan.truth.vertices[:, 2].max()


def test_missing_and_broken_files_are_rejected_alone(root: Path) -> None:
    (root / "data/scans/50004/hips/hips.002167.ply").unlink()
    write(root, {"data/scans/50002/hips/hips.002167.ply": ply(1)[:-20]})
    one = source(root)
    found = one.census()
    assert [(entry.id, entry.reason) for entry in found.skipped] == [
        ("human/50004-hips.002167", "in a split file, not under the root")
    ]
    assert "1 of 6 listed scans left out" in found.notes[1]
    with pytest.raises(ShapeRejected, match="malformed PLY"):
        one.load(found.shapes[0])


def listing(train: int, test: int) -> tuple[Split, Split]:
    """As many scans of one person: a sequence for training, another one for the test."""
    return {"50002": {"a": [f"a.{k:06d}" for k in range(train)]}}, {"50002": {"b": [f"b.{k:06d}" for k in range(test)]}}


@pytest.mark.parametrize("pair", [(6258, 2038), (6375, 1921), (7644, 652)])
def test_published_numbers_pass_without_a_remark(root: Path, pair: tuple[int, int]) -> None:
    write(root, {"data/scans/50002/a/a.000000.ply": ply(0)})
    files = {"root": str(root / "data"), **split_files(root, *listing(*pair))}
    missing = f"{sum(pair) - 1} of {sum(pair)} listed scans left out, for want of their files"
    assert build_source("dfaust", files).census().notes == (missing,)
    del files["split_test"]
    assert len(build_source("dfaust", files).census().notes) == 1


def test_other_numbers_and_halves_of_two_pairs_are_remarked_upon(root: Path) -> None:
    write(root, {"data/scans/50002/a/a.000000.ply": ply(0)})
    for counts in ((6258, 652), (6257, 2038)):
        files = {"root": str(root / "data"), **split_files(root, *listing(*counts))}
        note, _ = build_source("dfaust", files).census().notes
        assert note.startswith(f"{counts[0]} training and {counts[1]} test scans listed, which is none of SAL's")


def test_validation_takes_whole_sequences_of_the_training_scans(root: Path) -> None:
    halves = [source(root, val_fraction=0.5, split_seed=seed).census().shapes for seed in range(12)]
    assert {shape.split for shapes in halves for shape in shapes} == {"train", "val", "test"}
    for shapes in halves:
        assert len({shape.split for shape in shapes if "jacks" in shape.id}) == 1
        assert {shape.id for shape in shapes if shape.split == "test"} == {k for k, v in IDS.items() if v == "test"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting"),
        ("[1]", r"the file is \[1\], not an object"),
        ('{"scan": {}}', "lists no scan"),
        ('{"scans": ["a"]}', "'scans' is .*, not an object"),
        ('{"scans": {"50002": ["a"]}}', "'50002' is .*, not an object"),
        ('{"scans": {"50002": {"hips": "a"}}}', "'50002/hips' is \"a\", not a list"),
        ('{"scans": {"50002": {"hips": [3]}}}', "'50002/hips' lists 3, not a name"),
        ('{"scans": {"50002": {"hips": []}}}', "lists no scan"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_malformed_split_files_are_explained(root: Path, content: str | bytes, words: str) -> None:
    write(root, {"odd.json": content})
    with pytest.raises(ShapesysError, match=rf"(?s)odd\.json.*{words}.*expected .*\"scans\"") as caught:
        source(root, split_test=str(root / "odd.json")).census()
    assert not isinstance(caught.value, ShapeRejected)


def test_wrong_settings_are_explained(root: Path) -> None:
    with pytest.raises(UsageError, match="split_train or split_test is needed"):
        build_source("dfaust", {"root": str(root)})
    with pytest.raises(ShapesysError, match=r"'absent\.json', as given and under the root"):
        source(root, split_test="absent.json").census()
    with pytest.raises(ShapesysError, match="is in both"):
        source(root, split_test=str(root / "train.json")).census()
    (root / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"none of the 6 listed scans.*scans/<human>/<pose>/<frame>\.ply, e\.g\."):
        build_source("dfaust", {"root": str(root / "empty"), **split_files(root)}).census()
