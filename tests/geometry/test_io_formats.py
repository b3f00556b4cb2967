"""Every format gives the triangles that an independent reader gives, and hostile bytes give reasons."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.polygons import fan, strip
from shapesys.geometry.formats.text import number_rows
from shapesys.geometry.io import parse_mesh, read_mesh
from shapesys.geometry.mesh import Mesh

TORUS = trimesh.creation.torus(1.0, 0.4, major_sections=9, minor_sections=7)


def volume(mesh: Mesh) -> float:
    return float(np.einsum("ij,ij->", mesh.triangles[:, 0], mesh.face_cross)) / 6.0


def reason(data: bytes, name: str, **limits: int) -> str:
    with pytest.raises(ShapeRejected) as caught:
        parse_mesh(data, name, Limits(**limits))
    assert caught.value.stage == "read"
    return caught.value.reason


def exported(kind: str, **options: object) -> bytes:
    data = TORUS.export(file_type=kind, **options)
    return data.encode() if isinstance(data, str) else bytes(data)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.obj", {"digits": 12}), ("a.off", {"digits": 12}), ("a.stl", {}), ("a.ply", {"encoding": "ascii"}),
        ("a.PLY", {"encoding": "binary"}), ("a.glb", {}),
    ],
)  # fmt: skip
def test_same_triangles_as_the_exporter_wrote(name: str, options: dict[str, object]) -> None:
    mesh = parse_mesh(exported(name[2:].lower(), **options), name)
    np.testing.assert_allclose(mesh.triangles, TORUS.triangles, atol=1e-6)


def test_text_stl_equals_binary_stl() -> None:
    binary, text = (parse_mesh(exported(kind), "a.stl") for kind in ("stl", "stl_ascii"))
    np.testing.assert_allclose(binary.triangles, text.triangles, atol=1e-6)
    # Exporters that pad the file or begin binary data with "solid" are common.
    padded = b"solid binary".ljust(80) + exported("stl")[80:] + b"\0"
    np.testing.assert_array_equal(parse_mesh(padded, "a.stl").triangles, binary.triangles)
    assert "do not hold" in reason(exported("stl")[:-10], "a.stl")


def test_real_files_equal_the_reference_reader(shared_data: Path) -> None:
    files = sorted((shared_data / "m3_basemesh" / "seat").glob("*.glb"))
    files += sorted((shared_data / "ikea_manual" / "parts" / "Desk").rglob("*.obj"))
    assert len(files) > 40
    for path in files:
        reference = trimesh.load_scene(path, process=False).to_geometry()
        ours = read_mesh(path)
        assert len(ours.faces) == len(reference.faces), path
        assert ours.face_areas.sum() == pytest.approx(reference.area, rel=1e-4), path


OFF_CUBE = "8 6 0\n-1 -1 1\n1 -1 1\n-1 1 1\n1 1 1\n-1 1 -1\n1 1 -1\n-1 -1 -1\n1 -1 -1\n"
OFF_FACES = "4 0 1 3 2\n4 2 3 5 4\n4 4 5 7 6\n4 6 7 1 0\n4 1 7 5 3\n4 6 0 2 4\n"


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n" + OFF_CUBE + OFF_FACES,
        "OFF" + OFF_CUBE + OFF_FACES,
        "\t OFF8 6 12 # glued\n" + OFF_CUBE[6:] + OFF_FACES,
        "OFF\r\n" + (OFF_CUBE + OFF_FACES).replace("\n", "\r\n"),
        "OFF\r" + (OFF_CUBE + OFF_FACES).replace("\n", "\r"),
        "OFF\n" + OFF_CUBE + OFF_FACES.replace("\n", " 1.0 0.5 0.2 0.75\n"),
        "COFF\n8 6 0\n" + OFF_CUBE[6:].replace("\n", " 255 0 0 255\n") + OFF_FACES,
        "OFF # header\n\n" + OFF_CUBE.replace("\n", "\n\n# between\n") + OFF_FACES,
        "OFF\n" + OFF_CUBE.replace("8 6 0", "8 7 0") + "2 0 1\n" + OFF_FACES,
    ],
)
def test_off_with_every_known_defect_is_the_same_cube(text: str) -> None:
    mesh = parse_mesh(text.encode(), "a.off")
    assert len(mesh.faces) == 12
    assert volume(mesh) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OFF\n353535235358 6 0\n0 0 0\n", "353535235358 vertices, more than the limit"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n4 0 1 2\n", "face 0 promises 4 corners, its line has 3"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", "vertex index 3 out of range, the file has 3"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", "vertex index -1 out of range"),
        ("OFF\n3 1 0\n0 0 0\n1 0\n0 1 0\n3 0 1 2\n", "vertex 1 has 2 numbers"),
        ("OFF\n3 1 0\n0 0 0\n1 0 x7\n0 1 0\n3 0 1 2\n", "'x7' is not a number"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 1.5\n", "vertex index 1.5 is not a whole number"),
        ("OFF\n3 9 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "promises 3 vertices and 9 faces, the file has 4 lines"),
        ("OFF\n3 -1 0\n0 0 0\n", "promises 3 vertices and -1 faces"),
        ("OFF", "no vertex and face counts"),
        ("OFF BINARY\n", "only text in three dimensions"),
        ("4OFF\n1 1 1\n", "only text in three dimensions"),
        ("hello", "no OFF header"),
        ("OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "only 3 points: a point cloud"),
    ],
)
def test_off_reasons(text: str, words: str) -> None:
    assert words in reason(text.encode(), "a.off")


def test_obj_counts_back_from_where_the_face_stands() -> None:
    text = (
        b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3//-3 -2/1/2 -1/7\n f 1 2 3 \nfo 4 5 6\n"
    )
    assert parse_mesh(text, "a.obj").faces.tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2], [3, 4, 5]]


def test_obj_oddities_are_read() -> None:
    text = (
        b"# v 9 9 9\nmtllib ../../etc/passwd\nv 0 0 0 1.0\nv 1 0 0 0.5 0.5 0.5\n\tv 1 1 0\nv 0 1 0\nvn 0 0 1\nvt 0 0\n"
    )
    text += b"g v 1 2\nl 1 2\np 1\nf 1// \\\n2// 3// 4//\nf 1 2\nf\n"
    for form in (text, text.replace(b"\n", b"\r\n"), text.replace(b"\\\n", b"").replace(b"\n", b"\r")):
        assert parse_mesh(form, "a.obj").faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "counts from 1"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "vertex index 3 out of range"),
        ("v 0 0 0\nv 1 0 0\nf -1 -2 -3\nv 0 1 0\n", "vertex index -1 out of range"),
        ("v 0 0\nf 1 1 1\n", "vertex 0 has 2 numbers"),
        ("v 0 0 0\nf 1 a 2\n", "'a' is not a number"),
        ("# 3ds Max\nmtllib model.mtl\n", "no geometry"),
        ("v 0 0 0\nf 1\n", "only 1 points"),
    ],
)
def test_obj_reasons(text: str, words: str) -> None:
    assert words in reason(text.encode(), "a.obj")


def ply(header: str, body: bytes, encoding: str) -> bytes:
    return f"ply\nformat {encoding} 1.0\n{header}end_header\n".encode() + body


TRIANGLE_AND_QUAD = (
    "element vertex 4\nproperty float x\nproperty float y\nproperty float z\nproperty uchar red\n"
    "element face 2\nproperty uchar flags\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\n"
)
CORNERS = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_ply_of_mixed_polygons(order: str) -> None:
    body = b"".join(struct.pack(order + "3fB", *corner, 200) for corner in CORNERS)
    body += struct.pack(order + "BB3iB", 7, 3, 0, 1, 2, 0)
    body += struct.pack(order + "BB4iB2f", 7, 4, 0, 1, 2, 3, 2, 0.5, 0.5)
    encoding = "binary_little_endian" if order == "<" else "binary_big_endian"
    mesh = parse_mesh(ply(TRIANGLE_AND_QUAD, body, encoding), "a.ply")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]
    assert mesh.attributes["red"].tolist() == [200.0] * 4
    assert "the file ends" in reason(ply(TRIANGLE_AND_QUAD, body[:-1], encoding), "a.ply")


def test_text_ply_of_mixed_polygons_equals_binary() -> None:
    body = b"0 0 0 200\n1 0 0 200\n1 1 0 200\n0 1 0 200\n7 3 0 1 2 0\n7 4 0 1 2 3 2 0.5 0.5\n"
    mesh = parse_mesh(ply(TRIANGLE_AND_QUAD, body, "ascii"), "a.ply")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]


def test_ply_triangle_strips() -> None:
    header = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element tristrips 1\nproperty list int int vertex_indices\n"
    body = b"0 0 0\n1 0 0\n0 1 0\n1 1 0\n8 0 1 2 3 -1 1 3 2\n"
    assert parse_mesh(ply(header, body, "ascii"), "a.ply").faces.tolist() == [[0, 1, 2], [2, 1, 3], [1, 3, 2]]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("element vertex 99999999999\nproperty float x\n", "99999999999 vertices, more than the limit"),
        (
            "element vertex 1000\nproperty float x\nproperty float y\nproperty float z\n",
            "the file ends inside its 1000",
        ),
        ("element vertex -4\n", "count '-4'"),
        ("element vertex 1\nproperty quaternion x\n", "property 'quaternion x' is not understood"),
        ("element vertex 1\nproperty float x\n", "no vertex element with"),
        ("element face 1\nproperty list uint int vertex_indices\n", "promises 4294967295 items"),
    ],
)
def test_binary_ply_reasons(header: str, words: str) -> None:
    assert words in reason(ply(header, b"\xff" * 40, "binary_little_endian"), "a.ply")


def test_ply_without_end_of_header_or_format() -> None:
    assert "end_header" in reason(b"ply\nformat ascii 1.0\n", "a.ply")
    assert "format" in reason(b"ply\nelement vertex 0\nend_header\n", "a.ply")
    assert "does not begin with 'ply'" in reason(b"PK\x03\x04", "a.ply")


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"x", "a.dae", "'.dae' is not an accepted mesh format (accepted: .obj, .off, .ply, .stl, .glb, .gltf)"),
        (b"x", "a.zip", "archive; unpack it first"),
        (b"x", "a.obj.bz2", "archive"),
        (b"x", "noending", "'noending' is not an accepted"),
        (b"", "a.obj", "the file is empty"),
        (b"  \n", "a.stl", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a.glb", "git lfs pull"),
    ],
)
def test_what_is_not_a_mesh_is_named(data: bytes, name: str, words: str) -> None:
    assert words in reason(data, name)


def test_limits_are_kept() -> None:
    assert "bytes, more than the limit of 10" in reason(exported("obj"), "a.obj", max_bytes=10)
    for kind in ("obj", "off", "ply", "stl", "glb"):
        assert "more than the limit of 20" in reason(exported(kind), f"a.{kind}", max_vertices=20)
        assert "more than the limit of 20" in reason(exported(kind), f"a.{kind}", max_faces=20)


def test_pipes_folders_and_missing_files_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.obj")
    (tmp_path / "folder.obj").mkdir()
    for name, words in (
        ("pipe.obj", "not a regular file"),
        ("folder.obj", "not a regular"),
        ("none.obj", "No such file"),
    ):
        with pytest.raises(ShapeRejected, match=words):
            read_mesh(tmp_path / name)


def test_rows_of_numbers_follow_lines() -> None:
    rows = number_rows(b"\n1 2\n\n 3\t4  5\r\n-6e1")
    assert rows.values.tolist() == [1, 2, 3, 4, 5, -60]
    assert (rows.starts.tolist(), rows.lengths.tolist()) == ([0, 2, 5], [2, 3, 1])
    assert len(number_rows(b"")) == 0
    with pytest.raises(ValueError, match="'3,5' is not a number"):
        number_rows(b"1 nan -inf 2 3,5 7")


def test_reasons_for_enormous_tokens_come_soon() -> None:
    for token in (b"9" * 3_000_000 + b"x", b"." * 3_000_000, b"1e" + b"5" * 3_000_000 + b"-", b"-" * 3_000_000):
        with pytest.raises(ValueError, match="is not a number"):
            number_rows(b"1 2 " + token)


def test_fans_and_strips_against_loops() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 8, 50)
    corners = rng.integers(0, 99, sizes.sum())
    expected, at = [], 0
    for size in sizes:
        polygon = corners[at : at + size].tolist()
        expected += [[polygon[0], polygon[k], polygon[k + 1]] for k in range(1, size - 1)]
        at += size
    assert fan(corners, sizes).tolist() == expected
    assert strip(np.array([5, 6, 7, 8, 9]), restart=None).tolist() == [[5, 6, 7], [7, 6, 8], [7, 8, 9]]
    assert strip(np.array([0, 1, -1, 2, 3, 4, 5])).tolist() == [[2, 3, 4], [4, 3, 5]]
    assert strip(np.array([0, 1])).shape == (0, 3)


@pytest.mark.parametrize("name", ["a.obj", "a.off", "a.ply", "a.stl", "a.glb", "text.ply", "text.stl"])
def test_damaged_files_are_read_or_rejected_never_anything_else(name: str) -> None:
    kinds = {"text.ply": exported("ply", encoding="ascii"), "text.stl": exported("stl_ascii")}
    good = kinds[name] if name in kinds else exported(name[2:])
    rng = np.random.default_rng(7)
    outcomes = {"read": 0, "rejected": 0}
    for _ in range(150):
        bad = bytearray(good[: rng.integers(1, len(good) + 1)] if rng.random() < 0.3 else good)
        for place in rng.integers(0, len(bad), rng.integers(1, 6)):
            bad[place] = rng.choice(list(b"0123456789.- \n")) if rng.random() < 0.8 else rng.integers(256)
        try:
            mesh = parse_mesh(bytes(bad), name, Limits(max_vertices=10_000, max_faces=10_000))
            assert mesh.faces.min() >= 0
            assert mesh.faces.max() < len(mesh.vertices)
            outcomes["read"] += 1
        except ShapeRejected:
            outcomes["rejected"] += 1
    assert min(outcomes.values()) > 0, outcomes
