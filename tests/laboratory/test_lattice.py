"""Zero level sets on a lattice, and their lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shapesys.geometry.mesh import Floats
from shapesys.laboratory.lattice import Lattice, length

LATTICE = Lattice(101)


def circle(x: float, y: float, radius: float) -> Floats:
    return LATTICE.square((LATTICE.points - torch.tensor([x, y])).norm(dim=1) - radius)


def test_a_circle_is_one_path_of_its_own_length_around_its_centre() -> None:
    [path] = LATTICE.zero_set(circle(0.3, -0.2, 0.4))
    assert length([path]) == pytest.approx(2 * math.pi * 0.4, rel=1e-3)
    np.testing.assert_allclose(np.hypot(path[:, 0] - 0.3, path[:, 1] + 0.2), 0.4, atol=1e-3)
    np.testing.assert_array_equal(path[0], path[-1])


def test_pieces_are_counted_where_they_are_asked_for() -> None:
    paths = LATTICE.zero_set(circle(0.0, 0.0, 0.5))
    right = length(paths, lambda middles: middles[:, 0] > 0.25)
    assert right == pytest.approx(2 * math.acos(0.5) * 0.5, abs=0.03)
    assert length(paths, lambda middles: np.zeros(len(middles), bool)) == 0.0


def test_two_circles_are_two_parts_and_what_leaves_the_square_is_open() -> None:
    both = np.minimum(circle(-0.5, 0.0, 0.2), circle(0.5, 0.0, 0.2))
    assert len(LATTICE.zero_set(both)) == 2
    [line] = LATTICE.zero_set(LATTICE.square(LATTICE.points[:, 1] - 0.305))
    assert length([line]) == pytest.approx(2.0)
    np.testing.assert_allclose(line[:, 1], 0.305, atol=1e-6)
    assert LATTICE.zero_set(circle(0.0, 0.0, -0.1)) == []
