"""Parts of a ball whose saliency is its height."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Mesh
from shapesys.saliency.parts import (
    AREA,
    CUT,
    EXTRACTED,
    MEASURES,
    SALIENT,
    SPECIFIC,
    Parts,
    cut_by_area,
    cut_by_saliency,
    mean_saliency,
    measures_of,
)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return extract(WithAttribute(Sphere(), "saliency", lambda points: points[:, 2]), 48).mesh


def test_a_threshold_of_saliency_cuts_where_saliency_crosses_it(ball: Mesh) -> None:
    found = measures_of(cut_by_saliency(ball, 0.25))
    assert set(found) == set(MEASURES)
    # A cap's area grows with its height, and so its mean height lies half way: from 0.25 to the ball's radius 0.5.
    assert found[AREA] == pytest.approx(0.25, abs=5e-3)
    assert found[SALIENT] == pytest.approx(0.375, abs=2e-3)
    assert found[SPECIFIC] == pytest.approx(-0.125, abs=2e-3)
    assert (found[EXTRACTED], found[CUT]) == (1.0, 1.0)


def test_a_share_of_the_area_cuts_any_surface(ball: Mesh) -> None:
    found = measures_of(cut_by_area(ball, 0.7))
    assert found[AREA] == pytest.approx(0.3, abs=1e-4)
    assert found[SALIENT] > 0.2 > found[SPECIFIC]


def test_a_part_may_be_empty(ball: Mesh) -> None:
    found = measures_of(cut_by_saliency(ball, 2.0))
    assert (found[EXTRACTED], found[CUT], found[AREA]) == (1.0, 0.0, 0.0)
    assert math.isnan(found[SALIENT])
    assert found[SPECIFIC] == pytest.approx(0.0, abs=1e-3)


def test_means_weigh_by_area() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [3, 0, 0], [0, 3, 0]], np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2], [3, 4, 5]]), {"saliency": np.array([1, 1, 1, 0, 0, 0], np.float32)})
    assert mean_saliency(mesh) == pytest.approx(0.1)
    assert measures_of(Parts(mesh, mesh, mesh))[AREA] == 1.0


def test_a_surface_without_saliency_is_refused() -> None:
    for cut in (cut_by_saliency, cut_by_area):
        with pytest.raises(UsageError, match="unknown attribute 'saliency'"):
            cut(extract(Sphere(), 16).mesh, 0.5)
