"""Windows that overlap: their shares, and the one field made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.fields.extraction import extract
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.windows import Asked, BlendedField, WindowLattice
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.validation import validate

BOX = Box((-1.0, -0.7, -0.4), (1.1, 0.7, 0.4))
RADIUS = 0.35


def lattice(blend: float = 0.1) -> WindowLattice:
    return WindowLattice.over(BOX, 0.5, blend)


def points(count: int = 4000) -> Floats:
    rng = np.random.default_rng(0)
    return rng.uniform(BOX.low, BOX.high, (count, 3)).astype(np.float32)


def test_windows_cover_the_box_about_its_centre() -> None:
    found = lattice()
    assert found.counts == (5, 3, 2)
    np.testing.assert_allclose(found.low, (0.05 - 1.25, -0.75, -0.5))
    np.testing.assert_allclose(found.centre((2, 1, 0)), (0.05, 0.0, -0.25))
    assert [found.window(found.number(one)) for one in ((4, 2, 1), (0, 1, 0))] == [(4, 2, 1), (0, 1, 0)]


@pytest.mark.parametrize("blend", [0.0, 0.1, 0.5])
def test_shares_sum_to_one_where_all_windows_are_there(blend: float) -> None:
    where = points()
    deep = where[np.all(np.abs(where - (0.05, 0, 0)) < np.array([1.25, 0.75, 0.5]) - blend / 2, axis=1)]
    found = lattice(blend).shares(deep)
    np.testing.assert_allclose(np.bincount(found.query, found.share, minlength=len(deep)), 1.0, atol=1e-12)
    assert found.share.min() > 0


def test_a_share_falls_smoothly_across_a_border() -> None:
    """Along x through the border between two cores at x = 0.3."""
    along = np.linspace(0.2, 0.4, 201)
    found = lattice().shares(np.stack([along, np.zeros(201) + 0.01, np.zeros(201) + 0.2], axis=1).astype(np.float32))
    first = found.number == lattice().number((2, 1, 1))
    share = np.bincount(found.query[first], found.share[first], minlength=201)
    assert share[:50].min() == 1.0
    assert share[151:].max() == 0.0
    assert share[100] == pytest.approx(0.5, abs=1e-5)
    slope = np.diff(share) / np.diff(along)
    assert np.abs(np.diff(slope)).max() < 1.0  # no kink: a linear ramp would have one of 10
    assert slope.max() <= 1e-9


def test_a_window_sees_what_its_cube_holds() -> None:
    one = np.array([[0.05, 0.0, -0.25], [0.05, 0.0, -0.24]], np.float32)
    assert lattice().seeing(one, 0.5) == [(2, 1, 0)]
    wide = lattice().seeing(one, 1.1)
    assert wide == [(i, j, k) for i in (1, 2, 3) for j in (0, 1, 2) for k in (0, 1)]
    assert lattice().seeing(np.empty((0, 3), np.float32), 0.5) == []


def test_a_window_sees_exactly_what_lies_in_its_cube() -> None:
    rng = np.random.default_rng(0)
    for side in (0.3, 0.55, 1.2):
        few = rng.uniform(BOX.low, BOX.high, (12, 3)).astype(np.float32)
        expected = [
            index
            for index in np.ndindex(*lattice().counts)
            if (np.abs(few - lattice().centre(index)).max(axis=1) <= side / 2).any()
        ]
        assert lattice().seeing(few, side) == expected


def ball(asked: Sequence[Asked]) -> list[Floats]:
    """Every window knows the whole ball, in its own frame."""
    return [RADIUS - np.linalg.norm(one.points + lattice().centre(one.window), axis=1) for one in asked]


def field(answer: object = ball, windows: Sequence[int] | None = None) -> BlendedField:
    traits = FieldTraits(0.0, BOX, negative_inside=False, is_distance=False)
    numbers = np.arange(lattice().count) if windows is None else np.asarray(windows)
    assert callable(answer)
    return BlendedField(lattice(), numbers, answer, -5.0, traits, np.empty((0, 3), np.float32))


def test_windows_that_agree_give_what_they_agree_on() -> None:
    where = points()
    deep = where[np.all(np.abs(where - (0.05, 0, 0)) < (1.2, 0.7, 0.45), axis=1)]
    np.testing.assert_allclose(field().values(deep), RADIUS - np.linalg.norm(deep, axis=1), atol=1e-5)


def test_many_queries_are_answered_run_by_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counting(some: Sequence[Asked]) -> list[Floats]:
        asked.append(len(some))
        return ball(some)

    some = points()
    expected = field().values(some)
    monkeypatch.setattr("shapesys.fields.windows.MOST_QUERIES", 500)
    np.testing.assert_array_equal(field(counting).values(some), expected)
    assert len(asked) == 8
    assert max(asked) < lattice().count, "neighbours are in one run"


def test_where_no_window_sees_anything_the_value_is_that_of_elsewhere() -> None:
    assert (field(windows=[]).values(points(50)) == -5.0).all()


def test_windows_that_disagree_give_a_closed_surface_without_jumps() -> None:
    """Every window's ball is larger or smaller than its neighbours': the surface crosses twelve borders."""

    def disagreeing(asked: Sequence[Asked]) -> list[Floats]:
        return [value + 0.01 * (-1) ** sum(one.window) for value, one in zip(ball(asked), asked, strict=True)]

    mesh = extract(field(disagreeing), 96).mesh
    assert validate(mesh).watertight
    # Triangles beside each other turn with the ball and with the ramps between windows, nowhere abruptly.
    assert _sharpest(mesh) > np.cos(np.deg2rad(20.0))
    hard = BlendedField(WindowLattice.over(BOX, 0.5, 0.0), np.arange(30), disagreeing, -5.0, field().traits, points(0))
    broken = extract(hard, 96).mesh
    assert _sharpest(broken) < np.cos(np.deg2rad(60.0))


def _sharpest(mesh: Mesh) -> float:
    """The least cosine between the normals of triangles that share an edge, slivers left out."""
    faces, normals, areas = mesh.faces, mesh.face_normals, mesh.face_areas
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    pairs = owner[order].reshape(-1, 2)
    pairs = pairs[areas[pairs].min(axis=1) > 0.2 * np.median(areas)]
    return float(np.einsum("ij,ij->i", normals[pairs[:, 0]], normals[pairs[:, 1]]).min())


def test_too_many_windows_are_refused() -> None:
    with pytest.raises(ShapesysError, match="another unit"):
        WindowLattice.over(Box((0, 0, 0), (1e6, 1e6, 1e6)), 0.01, 0.0)
