"""Generated rooms: closed in, furnished without overlap, every point with the right class and normal."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.sources.procedural import generate as generate_shape
from shapesys.sources.procedural_rooms import CLASSES, generate, things
from shapesys.sources.procedural_rooms.scene import Footprint, Thing, placed, quad, standing
from shapesys.sources.registry import build_source

SEEDS = (0, 3, 6, 8)
ROOMS = {seed: things(seed, ceiling=True) for seed in SEEDS}


def of(room: list[Thing], *kinds: str) -> list[Mesh]:
    return [thing.mesh for thing in room if thing.kind in kinds]


def area(meshes: list[Mesh]) -> float:
    return float(sum(mesh.face_areas.sum() for mesh in meshes))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shell_closes_the_room_but_for_the_glass(seed: int) -> None:
    room = ROOMS[seed]
    (floor,), (ceiling,), (door,) = of(room, "floor"), of(room, "ceiling"), of(room, "door")
    width, _, depth = np.ptp(floor.vertices, axis=0)
    height = ceiling.vertices[0, 1]
    assert 9.0 <= width * depth <= 36.0
    inner = [mesh for mesh in of(room, "wall") if _on_a_wall(mesh, width, depth)]
    windows = [mesh.bounds for mesh in of(room, "window")]
    holes = area([door])
    for side in {tuple(np.sign(low.round(3) * (np.ptp([low, high], axis=0) < 1e-9))) for low, high in windows}:
        mine = [b for b in windows if tuple(np.sign(b[0].round(3) * (np.ptp(b, axis=0) < 1e-9))) == side]
        low, high = np.min([b[0] for b in mine], axis=0), np.max([b[1] for b in mine], axis=0)
        holes += float(np.prod(sorted(high - low)[1:]))
    assert area(inner) + holes == pytest.approx(2 * height * (width + depth), rel=1e-9)
    # Every surface of the shell is seen from the middle of the room.
    for mesh in (floor, ceiling, door, *inner):
        towards = np.array([0.0, 0.5 * height, 0.0]) - mesh.triangles[:, 0]
        assert (np.einsum("fc,fc->f", mesh.face_normals, towards) > 0).all()


def _on_a_wall(mesh: Mesh, width: float, depth: float) -> bool:
    x, z = np.abs(mesh.vertices[:, 0]), np.abs(mesh.vertices[:, 2])
    return bool(np.allclose(x, width / 2) or np.allclose(z, depth / 2))


@pytest.mark.parametrize("seed", SEEDS)
def test_furniture_stands_on_the_floor_inside_the_room(seed: int) -> None:
    room = ROOMS[seed]
    (floor,) = of(room, "floor")
    half = np.abs(floor.vertices).max(axis=0)
    furniture = [thing for thing in room if thing.kind in ("bench", "bookshelf", "chair", "lamp", "sofa", "table")]
    assert furniture
    for thing in furniture:
        assert thing.mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=1e-9)
        assert (np.abs(thing.mesh.vertices[:, [0, 2]]) <= half[[0, 2]] + 1e-9).all()
    tops = [mesh.vertices[:, 1].max() for mesh in of(room, "table")]
    for mesh in of(room, "mug", "bottle"):
        low = mesh.vertices[:, 1].min()
        assert min(abs(low - top) for top in tops) < 1e-9
        assert np.ptp(mesh.vertices[:, 1]) < 0.33


@pytest.mark.parametrize("seed", SEEDS)
def test_furniture_does_not_overlap(seed: int) -> None:
    """Outlines of any two pieces, as convex hulls on the floor, are apart."""
    hulls = [
        thing.mesh.vertices[:, [0, 2]] for thing in ROOMS[seed] if thing.kind in ("chair", "sofa", "table", "bench")
    ]
    angles = np.linspace(0, np.pi, 360, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    spans = [((hull @ directions).min(axis=0), (hull @ directions).max(axis=0)) for hull in hulls]
    for at, (low, high) in enumerate(spans):
        for other_low, other_high in spans[:at]:
            assert np.maximum(low - other_high, other_low - high).max() > 0.0


def back_of(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Middle of a seat on the floor (x, z), and where its back, its highest points, is from there."""
    middle = 0.5 * (mesh.bounds[0] + mesh.bounds[1])
    high = mesh.vertices[mesh.vertices[:, 1] > 0.9 * mesh.bounds[1][1]].mean(axis=0)
    return middle[[0, 2]], (high - middle)[[0, 2]]


def test_sofas_have_their_back_to_the_wall_and_chairs_face_their_table() -> None:
    sofas = [back_of(mesh) for room in ROOMS.values() for mesh in of(room, "sofa")]
    assert len(sofas) >= 2
    for middle, back in sofas:
        assert back @ middle > 0
    (table,) = of(ROOMS[6], "table")
    seats = [back_of(mesh) for mesh in of(ROOMS[6], "chair")]
    assert len(seats) == 4
    for middle, back in seats:
        away = middle - back_of(table)[0]
        assert back @ away > 0.9 * np.linalg.norm(back) * np.linalg.norm(away)


def test_footprints_overlap_exactly_when_their_rectangles_do() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 60)] * 2), axis=-1).reshape(-1, 2)
    for _ in range(200):
        one, other = (Footprint(*rng.uniform(-1, 1, 2), *rng.uniform(0.1, 0.9, 2), rng.uniform(0, 7)) for _ in range(2))
        inside = grid * (one.half_x, one.half_z) @ one.axes + (one.x, one.z)
        local = np.abs((inside - (other.x, other.z)) @ other.axes.T)
        shared = (local <= (other.half_x, other.half_z)).all(axis=1).any()
        assert not shared or one.overlaps(other)
        assert one.overlaps(other) == other.overlaps(one)
        if one.overlaps(other):
            near = (local <= np.add((other.half_x, other.half_z), 0.05)).all(axis=1).any()
            assert near


def test_a_placed_mesh_fills_its_footprint() -> None:
    mesh, size = standing(generate_shape("chair", 4))
    place = Footprint(1.0, -2.0, 0.5 * size[0], 0.5 * size[2], 0.7)
    local = (placed(mesh, place).vertices[:, [0, 2]] - (1.0, -2.0)) @ place.axes.T
    np.testing.assert_allclose([local.min(0), local.max(0)], [-size[[0, 2]] / 2, size[[0, 2]] / 2], atol=1e-9)
    turned = placed(mesh, place)
    np.testing.assert_allclose(turned.face_areas, mesh.face_areas)
    volume = [np.einsum("ij,ij->", m.triangles[:, 0], m.face_cross) for m in (mesh, turned)]
    assert volume[0] == pytest.approx(volume[1]), "turned, not mirrored"
    np.testing.assert_allclose(quad((0, 0, 0), (0, 0, 2), (3, 0, 0)).face_normals, [[0, 1, 0]] * 2)


def test_clouds_are_labelled_coloured_and_the_same_every_time() -> None:
    cloud = generate(6, 4096)
    assert len(cloud) == 4096
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1.0, atol=1e-5)
    assert cloud.colors.min() >= 0.0
    assert cloud.colors.max() <= 1.0
    floor = cloud.labels == CLASSES.index("floor")
    np.testing.assert_allclose(cloud.points[floor, 1], 0.0, atol=1e-9)
    np.testing.assert_allclose(cloud.normals[floor], np.tile([0, 1, 0], (floor.sum(), 1)), atol=1e-9)
    assert cloud.colors[floor].std(axis=0).max() < 0.03, "one paint and noise"
    again = generate(6, 4096)
    for name in ("points", "normals", "colors", "labels"):
        np.testing.assert_array_equal(getattr(cloud, name), getattr(again, name))
    assert not np.array_equal(cloud.points, generate(7, 4096).points)


def test_the_source_lists_what_it_generates() -> None:
    source = build_source("procedural_rooms", {"count": 40, "points": 1024, "seed": 5})
    source = pickle.loads(pickle.dumps(source))
    found = source.census()
    assert found.shapes[0].id == "room/room-00000005"
    counts = found.counts()
    assert sum(counts.values()) == 40
    assert min(counts.values()) > 0
    loaded = source.load(found.shapes[1])
    np.testing.assert_array_equal(loaded.points, generate(6, 1024).points)
    names = source.part_names("room")
    assert loaded.labels.max() < len(names) == len(CLASSES) - 1
    closed = build_source("procedural_rooms", {"count": 40, "points": 1024, "seed": 5, "ceiling": True})
    assert closed.part_names("room") == (*names, "ceiling")
    assert closed.digest(found.shapes[1]) != source.digest(found.shapes[1]) == source.digest(found.shapes[1])
    assert source.part_names("chair") == ()
    with pytest.raises(UsageError, match="leave nothing to train on"):
        build_source("procedural_rooms", {"val_fraction": 0.5, "test_fraction": 0.5})
    with pytest.raises(ShapeRejected, match="seed -1 is outside"):
        generate(-1, 1024)
