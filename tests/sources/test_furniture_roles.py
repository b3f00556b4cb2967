"""Roles of furniture parts on items put together from boxes, and how few of the real items go against a person."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh

from shapesys.geometry.mesh import Mesh
from shapesys.sources.furniture_roles import Role, face_roles


def box(size: tuple[float, float, float], at: tuple[float, float, float]) -> Mesh:
    """A box of this size around a point, turned into a finer mesh so that faces can be told apart by height."""
    made = trimesh.creation.box(size).subdivide().subdivide()
    return Mesh(np.asarray(made.vertices) + at, np.asarray(made.faces))


def joined(*parts: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + offset for part, offset in zip(parts, offsets, strict=True)]
    return Mesh(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def legs(x: float, z: float, height: float) -> list[Mesh]:
    return [box((0.05, height, 0.05), (sx * x, height / 2, sz * z)) for sx in (-1, 1) for sz in (-1, 1)]


def roles(parts: list[Mesh], has_back: bool) -> list[str]:
    found = face_roles(parts, has_back)
    assert [len(labels) for labels in found] == [len(part.faces) for part in parts]
    assert all(len(np.unique(labels)) == 1 for labels in found)
    return [Role(int(labels[0])).name for labels in found]


def test_a_table_with_shelf_apron_stretcher_and_modesty_panel() -> None:
    top, shelf = box((1.2, 0.04, 0.8), (0, 0.73, 0)), box((1.0, 0.02, 0.6), (0, 0.2, 0))
    apron, stretcher = box((1.1, 0.08, 0.02), (0, 0.67, 0.35)), box((0.03, 0.03, 0.7), (0.55, 0.1, 0))
    modesty = box((1.0, 0.4, 0.02), (0, 0.5, 0.3))
    parts = [top, shelf, apron, stretcher, modesty, *legs(0.55, 0.35, 0.71)]
    assert roles(parts, False) == ["TOP", "SHELF", "BAR", "BAR", "PANEL", *["LEG"] * 4]


def test_a_solid_side_is_a_panel_and_a_frame_with_rails_is_a_leg() -> None:
    top, solid = box((1.2, 0.04, 0.8), (0, 0.73, 0)), box((0.03, 0.71, 0.75), (-0.55, 0.355, 0))
    posts = [box((0.05, 0.71, 0.05), (0.55, 0.355, z)) for z in (-0.35, 0.35)]
    frame = joined(*posts, *(box((0.04, 0.05, 0.65), (0.55, y, 0)) for y in (0.2, 0.45, 0.65)))
    assert roles([top, solid, frame], False) == ["TOP", "PANEL", "LEG"]


def test_a_square_side_turned_by_any_angle_of_its_axes_covers_its_own_rectangle() -> None:
    """Principal axes of a square are arbitrary; a box at 45 degrees would be covered by half only."""
    top, side = box((1.0, 0.04, 1.0), (0, 1.0, 0)), box((0.03, 0.98, 0.98), (0.4, 0.49, 0))
    assert roles([top, side], False) == ["TOP", "PANEL"]


def test_a_chair_with_spindles_armrests_and_a_front_board() -> None:
    seat, rail = box((0.45, 0.04, 0.45), (0, 0.45, 0)), box((0.4, 0.06, 0.03), (0, 0.93, 0.2))
    spindles = [box((0.02, 0.45, 0.02), (x, 0.7, 0.2)) for x in (-0.1, 0.1)]
    arms = [box((0.04, 0.03, 0.4), (side * 0.22, 0.65, 0)) for side in (-1, 1)]
    front = box((0.42, 0.15, 0.02), (0, 0.35, -0.2))
    parts = [seat, rail, *spindles, *arms, front, *legs(0.2, 0.2, 0.43)]
    expected = ["TOP", "PANEL", "PANEL", "PANEL", "BAR", "BAR", "BAR", *["LEG"] * 4]
    assert roles(parts, True) == expected


@pytest.mark.parametrize("rise", [0.0, 0.45])
def test_a_shell_is_cut_at_the_seat_and_a_stool_is_not(rise: float) -> None:
    seat = box((0.45, 0.03, 0.45), (0, 0.45, 0))
    shell = joined(seat, box((0.45, rise, 0.03), (0, 0.45 + rise / 2, 0.2))) if rise else seat
    parts = [shell, *legs(0.2, 0.2, 0.43)]
    labels, *others = face_roles(parts, True)
    assert {int(label) for other in others for label in other} == {Role.LEG}
    heights = shell.triangles[:, :, 1].mean(axis=1)
    assert (labels[heights < 0.48] == Role.TOP).all()
    assert (labels[heights > 0.52] == Role.PANEL).all()
    assert (Role.PANEL in labels) == bool(rise)


def test_scale_and_place_do_not_matter() -> None:
    parts = [box((1.2, 0.04, 0.8), (0, 0.73, 0)), box((0.5, 0.4, 0.02), (0, 0.5, 0.3)), *legs(0.55, 0.35, 0.71)]
    moved = [part.with_vertices(part.vertices * 37.0 + (5.0, -80.0, 2.0)) for part in parts]
    for left, right in zip(face_roles(parts, False), face_roles(moved, False), strict=True):
        np.testing.assert_array_equal(left, right)


def test_real_items_have_the_parts_that_a_person_sees(shared_data: Any) -> None:
    from shapesys.sources.registry import build_source

    source = build_source("ikea_manual", {"root": str(shared_data / "ikea_manual")})
    seen = {
        "chair/lerhamn": {"seat", "back", "leg", "bar"},
        "chair/kyrre": {"seat", "leg"},
        "chair/preben": {"seat", "back", "leg", "bar"},
        "chair/glenn": {"seat", "back", "leg", "bar"},
        "table/lack": {"top", "leg", "shelf"},
        "table/jokkmokk": {"top", "leg"},
        "bench/silveran": {"seat", "panel", "leg", "bar"},
    }
    shapes = {ref.id: ref for ref in source.shapes()}
    for name, expected in seen.items():
        labels = source.load(shapes[name]).face_labels
        names = source.part_names(shapes[name].category)
        assert {names[label] for label in np.unique(labels)} == expected, name
