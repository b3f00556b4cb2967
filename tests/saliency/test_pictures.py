"""Colours of pictured maps, planes and parts."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.cut import split_by_attribute
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.plane import Plane
from shapesys.saliency.pictures import picture_of_map, picture_of_part, picture_of_plane

SIZE = (64, 64)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    """A ball whose saliency is its height: y points up in pictures."""
    return extract(WithAttribute(Sphere(), "saliency", lambda points: points[:, 1]), 32).mesh


def colours(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour of the drawn pixels of the uppermost and of the lowest eighth."""
    drawn = (picture < 250).any(axis=2)
    few = len(picture) // 8
    upper, lower = (picture[rows][drawn[rows]] for rows in (slice(0, few), slice(-few, None)))
    return upper.mean(axis=0), lower.mean(axis=0)


def test_the_most_salient_end_is_yellow_whatever_the_scale(ball: Mesh) -> None:
    points = ball.vertices
    for scale in (1.0, 1e-4):
        upper, lower = colours(picture_of_map(ball, points, scale * points[:, 1], SIZE))
        assert upper[1] > upper[2] + 40
        assert lower[2] > lower[1] + 20


def test_a_flat_map_looks_flat_as_it_is_and_not_by_rank(ball: Mesh) -> None:
    points = ball.vertices
    flat = 0.5 + 1e-4 * points[:, 1]
    upper, lower = colours(picture_of_map(ball, points, flat, SIZE, "none"))
    np.testing.assert_allclose(upper / upper.sum(), lower / lower.sum(), atol=0.05)
    upper, lower = colours(picture_of_map(ball, points, flat, SIZE, "rank"))
    assert np.abs(upper / upper.sum() - lower / lower.sum()).max() > 0.2


def test_a_point_colours_the_surface_around_it_and_nothing_is_interpolated(ball: Mesh) -> None:
    ends = np.array([[0, 0.5, 0], [0, -0.5, 0]], np.float32)
    picture = picture_of_map(ball, ends, np.array([1.0, 0.0]), SIZE)
    drawn = picture[(picture < 250).all(axis=2)].astype(float)
    hue = drawn / drawn.sum(axis=1, keepdims=True)
    # Yellow has hardly any blue, dark violet hardly any green; only pixels across the border are between.
    assert np.mean((hue[:, 2] < 0.15) | (hue[:, 1] < 0.15)) > 0.9


def test_the_sides_of_a_plane_have_two_colours(ball: Mesh) -> None:
    upper, lower = colours(picture_of_plane(ball, Plane((0.0, 1.0, 0.0)), SIZE))
    assert upper[0] > upper[2] + 40
    assert lower[2] > lower[0] + 40


def test_parts_stand_where_they_are_on_the_whole_in_its_colours(ball: Mesh) -> None:
    salient, specific = split_by_attribute(ball, "saliency", 0.1)
    whole, above, below = (picture_of_part(part, ball, SIZE) for part in (ball, salient, specific))
    covered = [(picture < 250).any(axis=2) for picture in (whole, above, below)]
    assert 0 < covered[1].sum() < covered[0].sum()
    assert (covered[0] | covered[1] | covered[2]).sum() == covered[0].sum()
    # What one sees of the upper part from above its cut looks as on the whole, but for shading along the cut.
    same = np.abs(whole.astype(int) - above)[covered[1]].max(axis=1) <= 8
    assert same.mean() > 0.8
