from __future__ import annotations

import numpy as np
import pytest

from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.extraction import extract
from shapesys.fields.field import UNIT_BOX, Box, Field, FieldTraits, JointField
from shapesys.fields.in_box import in_box
from shapesys.geometry.mesh import Floats

CENTRE, RADIUS = (10.0, -2.0, 0.5), 3.0
BALL = Sphere(RADIUS, CENTRE)


class Joint(WithAttribute):
    """The same, from one evaluation."""

    def values_and_attributes(self, points: Floats) -> tuple[Floats, dict[str, Floats]]:
        return self.values(points), dict(self.attributes(points))


def poles() -> np.ndarray:
    return np.asarray(CENTRE) + RADIUS * np.concatenate([np.eye(3), -np.eye(3)])


def test_a_box_about_points_leaves_a_margin_of_their_longest_side_on_every_side() -> None:
    box = Box.about(np.array([[0.0, 0, 0], [2, 1, 4]]), margin=0.25)
    assert (box.low, box.high) == ((-1.0, -1.0, -1.0), (3.0, 2.0, 5.0))
    assert Box.about(np.array([UNIT_BOX.low, UNIT_BOX.high])) == Box((-1.2, -1.2, -1.2), (1.2, 1.2, 1.2))


def test_a_surface_outside_its_field_s_own_box_is_found_whole_where_it_was_seen() -> None:
    assert extract(BALL, 32).mesh.is_empty
    found = extract(in_box(BALL, Box.about(poles())), 64)
    assert found.report.cut is None
    np.testing.assert_allclose(np.linalg.norm(found.mesh.vertices - CENTRE, axis=1), RADIUS, atol=0.01)
    assert found.mesh.face_areas.sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.01)


def test_all_else_stays_what_it_was() -> None:
    traits = FieldTraits(level=0.25, negative_inside=False, is_distance=False, clamp=0.1)
    box = Box.about(poles())
    height = WithAttribute(Sphere(RADIUS, CENTRE, traits=traits), "height", lambda points: points[:, 2])
    joint = Joint(height.base, height.name, height.function)
    for field in (height, joint):
        moved = in_box(field, box)
        assert isinstance(moved, Field)
        assert isinstance(moved, JointField) == isinstance(field, JointField)
        assert moved.traits == FieldTraits(0.25, box, False, False, 0.1)
        np.testing.assert_array_equal(moved.values(poles()), field.values(poles()))
        np.testing.assert_array_equal(moved.attributes(poles())["height"], field.attributes(poles())["height"])
    values, attributes = in_box(joint, box).values_and_attributes(poles())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(values, joint.values(poles()))
    np.testing.assert_array_equal(attributes["height"], joint.attributes(poles())["height"])
