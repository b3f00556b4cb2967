"""Points found by the core they lie in are those that a look at every point finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesys.families.convonet.points_by_core import PointsByCore
from shapesys.families.convonet.windows import within
from shapesys.fields.field import Box
from shapesys.fields.windows import WindowLattice

CORE = 0.5


def room(points: int) -> PointsByCore:
    cloud = torch.rand(points, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cloud = cloud * torch.tensor([3.0, 1.2, 0.4]) - torch.tensor([1.0, 0.2, 0.1])
    return PointsByCore.of(cloud, WindowLattice.over(Box((-1.1, -0.3, -0.2), (2.1, 1.1, 0.4)), CORE, 0.1))


@pytest.mark.parametrize("side", [0.1, CORE, 0.7, 1.0, 1.5, 2.6])
def test_points_in_a_cube_are_found_in_the_cloud_s_order(side: float) -> None:
    made = room(300)
    for number in range(made.lattice.count):
        window = made.lattice.window(number)
        offsets = made.cloud - torch.from_numpy(made.lattice.centre(window))
        assert torch.equal(made.in_cube(window, side), offsets[within(offsets, side)])


def test_every_point_is_in_one_core_and_windows_without_any_own_none() -> None:
    made = room(12)
    found = torch.cat(
        [made.in_core(window) + torch.from_numpy(made.lattice.centre(window)) for window in made.owning()]
    )
    assert len(made.owning()) < made.lattice.count
    np.testing.assert_allclose(np.sort(found.numpy(), axis=0), np.sort(made.cloud.numpy(), axis=0), atol=1e-12)
    assert all(float(made.in_core(window).abs().max()) <= CORE / 2 + 1e-12 for window in made.owning())
    others = {made.lattice.window(number) for number in range(made.lattice.count)} - set(made.owning())
    assert all(len(made.in_core(window)) == 0 for window in others)


def test_points_beyond_the_lattice_are_the_nearest_window_s() -> None:
    lattice = WindowLattice((0.0, 0.0, 0.0), 1.0, 0.1, (2, 1, 1))
    made = PointsByCore.of(torch.tensor([[-1.0, 0.5, 0.5], [2.0, 0.5, 0.5], [7.0, -3.0, 9.0]]), lattice)
    assert len(made.in_core((0, 0, 0))) == 1
    assert len(made.in_core((1, 0, 0))) == 2
