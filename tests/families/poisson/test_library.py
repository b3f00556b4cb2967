"""What the library is asked, and what is made of its answers and complaints; nothing here needs it."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np
import pytest
from poisson_clouds import FakeOpen3D, ball

from shapesys.errors import MissingExtra, ShapesysError
from shapesys.families.poisson.config import PoissonConfig
from shapesys.families.poisson.library import estimated_normals, screened_poisson

POINTS, NORMALS = ball(50)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeOpen3D:
    fake = FakeOpen3D()
    monkeypatch.setitem(sys.modules, "open3d", fake.module())
    return fake


def test_every_setting_of_the_solver_reaches_it_and_one_thread_solves(library: FakeOpen3D) -> None:
    config = PoissonConfig(depth=7, samples_per_node=3.0, point_weight=4.0, scale=1.25, linear_fit=True)
    mesh, density = screened_poisson(POINTS, NORMALS, config)
    np.testing.assert_array_equal(library.asked["points"], POINTS.astype(np.float64))
    np.testing.assert_array_equal(library.asked["normals"], NORMALS.astype(np.float64))
    assert library.asked["settings"] == {
        "depth": 7, "samples_per_node": 3.0, "point_weight": 4.0, "scale": 1.25, "linear_fit": True, "n_threads": 1,
    }  # fmt: skip
    assert (mesh.vertices.dtype, mesh.faces.dtype, density.dtype) == (np.float32, np.int32, np.float32)
    np.testing.assert_array_equal(mesh.vertices, np.eye(3))
    np.testing.assert_array_equal(density, [5, 6, 7])


def test_normals_are_estimated_and_then_made_to_agree(library: FakeOpen3D) -> None:
    found = estimated_normals(POINTS, 12, 7)
    assert (library.asked["neighbours"], library.asked["orientation_neighbours"]) == (12, 7)
    np.testing.assert_array_equal(found, -POINTS.astype(np.float64))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "\x1b[1;31m[Open3D Error] (static std::tuple<int> open3d::geometry::Make(const open3d::PointCloud &)) "
            "/root/Open3D/cpp/open3d/geometry/Make.cpp:19: Not enough points.\n\x1b[0;m",
            "Open3D gave up solving for the surface: Not enough points.",
        ),
        ("QH6239 cocircular input sites\n\n- p0(v5): 0.19", "gave up solving for the surface: QH6239 cocircular input"),
    ],
)
def test_its_complaints_are_told_in_a_line(library: FakeOpen3D, said: str, told: str) -> None:
    library.error = said
    with pytest.raises(ShapesysError) as caught:
        screened_poisson(POINTS, NORMALS, PoissonConfig())
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ShapesysError, match="gave up estimating normals"):
        estimated_normals(POINTS, 12, 7)


class _Refusing(MetaPathFinder):
    """Finds no open3d, or one that does not load."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def find_spec(self, name: str, *args: Any) -> None:
        if name == "open3d":
            raise self._error


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.delitem(sys.modules, "open3d", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Refusing(error), *sys.meta_path])


def test_without_the_library_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, ModuleNotFoundError("No module named 'open3d'", name="open3d"))
    with pytest.raises(MissingExtra, match=r"needs 'open3d', .* pip install 'shapesys\[poisson\]'"):
        screened_poisson(POINTS, NORMALS, PoissonConfig())


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'plotly'", name="plotly"),
        ImportError("libGL.so.1: cannot open shared object file"),
        OSError("libX11.so.6: cannot open shared object file"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_library_that_does_not_load_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    refuse(monkeypatch, error)
    with pytest.raises(ShapesysError, match="is installed but cannot be loaded: ") as caught:
        screened_poisson(POINTS, NORMALS, PoissonConfig())
    assert str(error) in str(caught.value)
    assert not isinstance(caught.value, MissingExtra)
