"""Splitting a mesh along an attribute's iso-line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from solids import same_mesh

from shapesys.errors import ShapesysError, UsageError
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.cut import quantile_by_area, split_by_attribute
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Mesh


@pytest.fixture(scope="module")
def ball() -> Mesh:
    mesh = extract(WithAttribute(Sphere(), "height", lambda points: points[:, 2]), 64).mesh
    exact = {"height": mesh.vertices[:, 2], "color": mesh.vertices.copy()}
    return dataclasses.replace(mesh, attributes=exact, face_labels=np.arange(len(mesh.faces)) % 3)


def test_the_cut_is_straight_and_loses_nothing(ball: Mesh) -> None:
    above, below = split_by_attribute(ball, "height", 0.2001)
    assert above.vertices[:, 2].min() == pytest.approx(0.2001, abs=1e-6)
    assert below.vertices[:, 2].max() == pytest.approx(0.2001, abs=1e-6)
    assert above.face_areas.sum() + below.face_areas.sum() == pytest.approx(ball.face_areas.sum(), rel=1e-5)
    assert above.face_areas.sum() == pytest.approx(2 * np.pi * 0.5 * 0.3, rel=0.01)
    ring = np.isclose(above.attributes["height"], 0.2001)
    assert ring.sum() == np.isclose(below.attributes["height"], 0.2001).sum() > 50


def test_orientation_attributes_and_labels_survive(ball: Mesh) -> None:
    for part in split_by_attribute(ball, "height", 0.1003):
        outward = np.einsum("ij,ij->i", part.face_normals, part.triangles.mean(axis=1))
        assert (outward[part.face_areas > 1e-9] > 0).all()
        np.testing.assert_allclose(part.attributes["color"], part.vertices, atol=1e-6)
        assert part.face_labels is not None
        assert len(part.face_labels) == len(part.faces)
    parts = split_by_attribute(ball, "height", 0.1003)
    for label in range(3):
        areas = [part.face_areas[part.face_labels == label].sum() for part in parts]
        assert sum(areas) == pytest.approx(ball.face_areas[ball.face_labels == label].sum(), rel=1e-5)


def test_a_threshold_outside_leaves_one_part_empty(ball: Mesh) -> None:
    above, below = split_by_attribute(ball, "height", -2.0)
    assert below.is_empty
    assert same_mesh(above, ball)


def test_an_unknown_attribute_is_named(ball: Mesh) -> None:
    with pytest.raises(UsageError, match="did you mean height"):
        split_by_attribute(ball, "hight", 0.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_a_quantile_leaves_its_share_of_the_area_below(ball: Mesh, share: float) -> None:
    threshold = quantile_by_area(ball, ball.attributes["height"], share)
    # Archimedes: the area of a sphere between two heights grows with their distance.
    assert threshold == pytest.approx(0.5 * (2 * share - 1), abs=2e-3)
    above, below = split_by_attribute(ball, "height", threshold)
    assert below.face_areas.sum() / ball.face_areas.sum() == pytest.approx(share, abs=1e-5)
    assert above.face_areas.sum() / ball.face_areas.sum() == pytest.approx(1 - share, abs=1e-5)


def test_what_covers_more_than_its_share_stays_above(ball: Mesh) -> None:
    capped = np.clip(ball.attributes["height"], -0.1, 0.2).astype(np.float32)
    mesh = dataclasses.replace(ball, attributes={"height": capped})
    for share, least in ((0.9, 0.2), (0.05, -0.1)):
        threshold = quantile_by_area(mesh, capped, share)
        assert threshold == pytest.approx(least, abs=1e-6)
        above, _ = split_by_attribute(mesh, "height", threshold)
        assert above.attributes["height"].min() == pytest.approx(least, abs=1e-6)
        assert above.face_areas.sum() > (1 - share) * mesh.face_areas.sum()


def test_a_quantile_that_cannot_be_is_refused(ball: Mesh) -> None:
    with pytest.raises(UsageError, match=r"the quantile is 50; give a share of the surface from 0 to 1"):
        quantile_by_area(ball, ball.attributes["height"], 50)
    flat = ball.with_vertices(np.zeros_like(ball.vertices))
    with pytest.raises(ShapesysError, match="no area to take a quantile of"):
        quantile_by_area(flat, ball.attributes["height"], 0.5)
