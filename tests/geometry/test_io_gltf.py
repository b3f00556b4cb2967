"""glTF: transforms, encodings, and everything a hostile scene can try."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import parse_mesh, read_mesh
from shapesys.geometry.mesh import Mesh

POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)


def inline(data: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def document(**changes: Any) -> dict[str, Any]:
    """Two triangles: indices in the first 12 bytes, positions after."""
    data = np.array([0, 1, 2, 0, 2, 3], dtype=np.uint16).tobytes() + POINTS.tobytes()
    base: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": inline(data), "byteLength": len(data)}],
        "bufferViews": [{"buffer": 0, "byteLength": 12}, {"buffer": 0, "byteOffset": 12, "byteLength": 48}],
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "count": 6, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC3"},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 1}, "indices": 0}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }
    return base | changes


def parse(content: dict[str, Any]) -> Mesh:
    return parse_mesh(json.dumps(content).encode(), "a.gltf")


def reason(content: dict[str, Any]) -> str:
    with pytest.raises(ShapeRejected) as caught:
        parse(content)
    assert caught.value.stage == "read"
    return caught.value.reason


def test_plain_square() -> None:
    mesh = parse(document())
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_nested_transforms_equal_the_reference_reader(tmp_path: Path) -> None:
    half = float(np.sqrt(0.5))
    nodes = [
        {"children": [1, 2], "rotation": [half, 0, 0, half], "translation": [1, 2, 3], "scale": [2, 3, 4]},
        {"mesh": 0, "matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]},
        {"mesh": 0, "rotation": [0.1, 0.2, 0.3, float(np.sqrt(0.86))]},
    ]
    path = tmp_path / "a.gltf"
    path.write_text(json.dumps(document(nodes=nodes)))
    reference = trimesh.load_scene(path, process=False).to_geometry()
    ours = read_mesh(path)
    key = lambda triangles: np.sort(np.round(triangles.mean(axis=1), 4), axis=0)  # noqa: E731
    np.testing.assert_allclose(key(ours.triangles), key(reference.triangles), atol=1e-4)


def test_mirroring_transform_turns_faces_round() -> None:
    mesh = parse(document(nodes=[{"mesh": 0, "scale": [-1, 1, 1]}]))
    assert np.all(mesh.face_normals[:, 2] == 1.0), "the front stays the front"
    assert mesh.vertices[:, 0].min() == -1.0


@pytest.mark.parametrize(
    ("mode", "faces"),
    [(4, [[0, 1, 2]]), (5, [[0, 1, 2], [2, 1, 3]]), (6, [[0, 1, 2], [0, 2, 3]])],
)
def test_unindexed_primitive_modes(mode: int, faces: list[list[int]]) -> None:
    meshes = [{"primitives": [{"attributes": {"POSITION": 1}, "mode": mode}]}]
    assert parse(document(meshes=meshes)).faces.tolist() == faces


def test_sparse_and_quantised_positions() -> None:
    content = document()
    replaced = struct.pack("<H2x3f", 3, 9, 9, 9)
    content["buffers"].append({"uri": inline(replaced), "byteLength": 16})
    content["bufferViews"] += [{"buffer": 1, "byteLength": 2}, {"buffer": 1, "byteOffset": 4, "byteLength": 12}]
    content["accessors"][1]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": 2, "componentType": 5123},
        "values": {"bufferView": 3},
    }
    assert parse(content).vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [9, 9, 9]]

    small = np.array([[0, 0, 0, 0], [127, 0, 0, 0], [127, 127, 0, 0], [-128, 127, 0, 0]], dtype=np.int8).tobytes()
    content = document()
    content["buffers"].append({"uri": inline(small), "byteLength": 16})
    content["bufferViews"][1] = {"buffer": 1, "byteLength": 16, "byteStride": 4}
    content["accessors"][1] |= {"componentType": 5120, "normalized": True}
    assert parse(content).vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 1, 0]]


@pytest.mark.parametrize("uri", ["../secret.bin", "/etc/passwd", "http://example.com/a.bin", "file:///etc/passwd",
                                 "sub/../../secret.bin", "%2e%2e/secret.bin", ""])  # fmt: skip
def test_buffers_stay_in_the_folder(tmp_path: Path, uri: str) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\0" * 60)
    folder = tmp_path / "shapes"
    folder.mkdir()
    (folder / "a.gltf").write_text(json.dumps(document(buffers=[{"uri": uri, "byteLength": 60}])))
    with pytest.raises(ShapeRejected, match="only files in its own folder"):
        read_mesh(folder / "a.gltf")


def test_a_link_out_of_the_folder_is_not_followed_but_subfolders_are_read(tmp_path: Path) -> None:
    data = np.array([0, 1, 2, 0, 2, 3], dtype=np.uint16).tobytes() + POINTS.tobytes()
    (tmp_path / "secret.bin").write_bytes(data)
    folder = tmp_path / "shapes"
    (folder / "sub folder").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "sub folder" / "a.bin").write_bytes(data)
    path = folder / "a.gltf"
    path.write_text(json.dumps(document(buffers=[{"uri": "link.bin", "byteLength": 60}])))
    with pytest.raises(ShapeRejected, match="outside its folder"):
        read_mesh(path)
    path.write_text(json.dumps(document(buffers=[{"uri": "sub%20folder/a.bin", "byteLength": 60}])))
    assert len(read_mesh(path).faces) == 2


def test_loops_and_exploding_graphs_are_refused() -> None:
    doubling = [{"children": [k + 1, k + 1]} for k in range(60)] + [{"mesh": 0}]
    assert "not a tree" in reason(document(nodes=doubling))
    assert "not a tree" in reason(document(nodes=[{"children": [0], "mesh": 0}]))
    deep = [{"children": [k + 1]} for k in range(5000)] + [{"mesh": 0}]
    assert "not a tree" in reason(document(nodes=deep))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"asset": {"version": "1.0"}}, "glTF version 1.0, expected 2.x"),
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "Draco-compressed"),
        ({"extensionsRequired": ["EXT_meshopt_compression"]}, "meshoptimizer-compressed"),
        ({"nodes": [{"mesh": 7}]}, "mesh 7 does not exist (1 in the file)"),
        ({"scenes": [{"nodes": [5]}]}, "node 5 does not exist"),
        ({"scenes": [{"nodes": []}]}, "no node of its scene shows one"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 1}, "mode": 0}]}]}, "only points or lines"),
        ({"meshes": []}, "mesh 0 does not exist"),
        ({"meshes": [], "nodes": []}, "node 0 does not exist"),
        ({"meshes": [], "nodes": [], "scenes": []}, "it holds no mesh"),
        ({"buffers": [{"uri": "data:text/plain,abc", "byteLength": 3}]}, "not base64"),
        ({"buffers": [{"uri": "data:;base64,@@@@", "byteLength": 3}]}, "broken base64"),
        ({"buffers": [{"uri": "data:;base64,AAAA", "byteLength": 3}]}, "past the end of its buffer"),
        ({"buffers": [{"uri": "data:;base64,AAAA", "byteLength": 60}]}, "promises 60 bytes, 3 found"),
        ({"buffers": [{"byteLength": 60}]}, "no binary chunk"),
    ],
)
def test_reasons(changes: dict[str, Any], words: str) -> None:
    assert words in reason(document(**changes))


def test_accessors_cannot_reach_outside_or_promise_the_world() -> None:
    content = document()
    content["accessors"][1]["count"] = 5
    assert "past the end" in reason(content)
    content["accessors"][1] = {"componentType": 5126, "count": 10**12, "type": "VEC3"}
    assert "more than the limit" in reason(content)
    content["accessors"][1] = {"bufferView": 1, "byteOffset": -12, "componentType": 5126, "count": 4, "type": "VEC3"}
    assert "expected a whole number >= 0" in reason(content)
    content = document()
    content["accessors"][1]["count"] = 2
    assert "vertex index 3 out of range, the primitive has 2 vertices" in reason(content)


def test_many_instances_of_a_big_mesh_stop_at_the_limit() -> None:
    nodes = [{"children": list(range(1, 2001))}] + [{"mesh": 0}] * 2000
    content = json.dumps(document(nodes=nodes)).encode()
    assert len(parse_mesh(content, "a.gltf").faces) == 4000
    with pytest.raises(ShapeRejected, match="404 vertices, more than the limit of 400"):
        parse_mesh(content, "a.gltf", Limits(max_vertices=400))


def test_nested_json_and_broken_text() -> None:
    for text in (b"[" * 100_000, b"{", b"[]", b"null", b"\xff\xfe{"):
        with pytest.raises(ShapeRejected):
            parse_mesh(text, "a.gltf")


def test_custom_scalars_are_kept_where_every_primitive_has_them() -> None:
    heat = np.array([0, 1, 2, 3], dtype=np.float32).tobytes()
    content = document()
    content["buffers"].append({"uri": inline(heat), "byteLength": 16})
    content["bufferViews"].append({"buffer": 1, "byteLength": 16})
    content["accessors"].append({"bufferView": 2, "componentType": 5126, "count": 4, "type": "SCALAR"})
    plain = content["meshes"][0]["primitives"][0]
    warm = {"attributes": {"POSITION": 1, "_HEAT": 2}, "indices": 0}
    content["meshes"] = [{"primitives": [warm, plain]}]
    assert parse(content).attributes == {}
    content["meshes"] = [{"primitives": [warm, warm]}]
    assert parse(content).attributes["heat"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
