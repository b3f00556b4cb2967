"""Cleaning takes away what one cannot see and nothing else; facts agree with an independent reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.validation import check, clean, equal_rows, validate


def box(offset: float = 0.0) -> Mesh:
    body = trimesh.creation.box()
    return Mesh(np.asarray(body.vertices) + offset, np.asarray(body.faces))


def joined(*parts: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + offset for part, offset in zip(parts, offsets, strict=True)]
    return Mesh(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def test_soup_becomes_a_watertight_box() -> None:
    soup = Mesh(box().triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3))
    assert validate(soup).boundary_edges == 36
    cleaned = clean(soup)
    assert (cleaned.merged_vertices, cleaned.unused_vertices) == (28, 0)
    facts = validate(cleaned.mesh)
    assert (facts.vertices, facts.faces, facts.components) == (8, 12, 1)
    assert facts.watertight
    assert facts.closed
    assert facts.oriented
    assert facts.area == pytest.approx(6.0)
    np.testing.assert_array_equal(cleaned.mesh.triangles, soup.triangles)


def test_clean_counts_what_it_drops_and_keeps_labels_and_attributes() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9], [2, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=np.float32)
    faces = np.array(
        [
            [0, 1, 2],  # kept
            [1, 1, 2],  # degenerate: a repeated index
            [0, 1, 4],  # degenerate: collinear
            [1, 2, 6],  # the first face again, by a vertex at the same place
            [0, 2, 1],  # the other side of the first face: kept
            [0, 1, 5],  # kept
        ]
    )
    heat = np.arange(7.0)
    cleaned = clean(Mesh(vertices, faces, {"heat": heat}, np.arange(6)))
    assert cleaned.mesh.face_labels is not None
    assert cleaned.mesh.face_labels.tolist() == [0, 4, 5]
    assert (cleaned.degenerate_faces, cleaned.duplicate_faces) == (2, 1)
    assert (cleaned.merged_vertices, cleaned.unused_vertices) == (1, 2)
    assert cleaned.mesh.attributes["heat"].tolist() == [0, 1, 2, 5]
    np.testing.assert_array_equal(cleaned.mesh.triangles, vertices[faces[[0, 4, 5]]])
    assert validate(cleaned.mesh).opposite_faces == 2


def test_cleaning_twice_changes_nothing() -> None:
    first = clean(joined(box(), box(0.25), box())).mesh
    second = clean(first)
    np.testing.assert_array_equal(second.mesh.faces, first.faces)
    assert (second.merged_vertices, second.degenerate_faces, second.duplicate_faces, second.unused_vertices) == (0,) * 4


def test_facts_of_defective_boxes() -> None:
    whole = box()
    opened = validate(Mesh(whole.vertices, whole.faces[1:]))
    assert (opened.boundary_edges, opened.watertight, opened.closed, opened.oriented) == (3, False, False, False)
    turned = whole.faces.copy()
    turned[0] = turned[0][::-1]
    flipped = validate(Mesh(whole.vertices, turned))
    assert (flipped.flipped_edges, flipped.watertight, flipped.oriented) == (3, True, False)
    two = validate(joined(whole, box(3.0)))
    assert (two.components, two.watertight) == (2, True)
    # Two boxes that share an edge: closed, though that edge has four faces.
    shared = joined(whole, whole.with_vertices(whole.vertices + np.array([1.0, 1.0, 0.0])))
    touching = validate(clean(shared).mesh)
    assert (touching.nonmanifold_edges, touching.watertight, touching.closed) == (1, False, True)
    doubled = Mesh(whole.vertices, np.concatenate([whole.faces, whole.faces[:, ::-1]]))
    assert validate(doubled).opposite_faces == 24
    assert validate(whole).opposite_faces == 0


def test_facts_agree_with_the_reference_on_real_meshes(shared_data: Path) -> None:
    watertight = 0
    for path in sorted((shared_data / "m3_basemesh" / "seat").glob("*.glb")):
        mesh = clean(read_mesh(path)).mesh
        reference = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        facts = validate(mesh)
        assert facts.watertight == reference.is_watertight, path
        assert facts.oriented or not reference.is_winding_consistent or not facts.watertight, path
        assert facts.components == len(trimesh.graph.connected_components(reference.edges)), path
        watertight += facts.watertight
    assert 0 < watertight < 29


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        ([[0, 0, 0]], np.empty((0, 3), int), "no faces"),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 3]], "vertex index 3 out of range for 3 vertices"),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, -1]], "vertex index -1"),
        (
            [[0, 0, 0], [1, 0, 0], [0, np.nan, 0]],
            [[0, 1, 2], [0, 0, 1]],
            "1 of 2 faces have a vertex that is not finite",
        ),
        ([[0, 0, 0], [1, 0, 0], [0, np.inf, 0]], [[0, 1, 2]], "not finite"),
        ([[0, 0, 0], [1e200, 0, 0], [0, 1e200, 0]], [[0, 1, 2]], "areas overflow"),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]], "all 1 faces are degenerate"),
    ],
)
def test_unusable_meshes_say_why(vertices: list[list[float]], faces: list[list[int]], words: str) -> None:
    mesh = Mesh(np.array(vertices, dtype=np.float64), np.asarray(faces))
    for function in (check, clean, validate):
        with pytest.raises(ShapeRejected, match=words) as caught:
            function(mesh)
        assert caught.value.stage == "validate"


def test_unused_vertices_may_be_anything() -> None:
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, np.inf]]), np.array([[0, 1, 2]]))
    assert len(clean(mesh).mesh.vertices) == 3


def test_equal_rows_against_comparison_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    points = rng.integers(0, 3, (80, 3)).astype(np.float64)
    points[5] = np.nan
    points[:20] *= -1.0  # minus zero equals zero
    same = (points[:, None] == points[None]).all(axis=2) | np.eye(80, dtype=bool)
    np.testing.assert_array_equal(equal_rows(points), same.argmax(axis=1))
