"""The method itself, where its library is installed: surfaces of solids that are known."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from poisson_clouds import ball, seen

pytest.importorskip("open3d", reason="Poisson reconstruction needs 'open3d': pip install 'shapesys[poisson]'")

from shapesys.errors import ShapesysError
from shapesys.families.poisson.config import PoissonConfig, PoissonInference
from shapesys.families.poisson.inference import infer
from shapesys.families.poisson.method import PoissonMethod
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.volume import enclosed_volume

GIVEN = PoissonConfig(depth=5)
ESTIMATED = PoissonConfig(depth=5, normals="estimated")


def surface(
    model: PoissonConfig, points: Floats, normals: Floats | None = None, asked: PoissonInference | None = None
) -> Mesh:
    [prediction] = infer(PoissonMethod(model), [seen(points, normals)], asked or PoissonInference(), 0)
    return extract(prediction.field, 8).mesh


@pytest.mark.parametrize("model", [GIVEN, ESTIMATED], ids=["given", "estimated"])
def test_a_sphere_comes_back_closed_and_outward(model: PoissonConfig) -> None:
    found = surface(model, *ball())
    radii = np.linalg.norm(found.vertices, axis=1)
    assert radii.mean() == pytest.approx(0.7, abs=0.002)
    assert radii.std() < 0.005
    assert enclosed_volume(found) == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.01)


@pytest.mark.parametrize("model", [GIVEN, ESTIMATED], ids=["given", "estimated"])
def test_the_same_cloud_gives_the_same_mesh(model: PoissonConfig) -> None:
    first, second = surface(model, *ball()), surface(model, *ball())
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.faces, second.faces)


def test_normals_that_look_inward_turn_the_surface() -> None:
    points, normals = ball()
    assert enclosed_volume(surface(GIVEN, points, -normals)) < -1.0


def test_values_are_distances_to_the_surface() -> None:
    [prediction] = infer(PoissonMethod(GIVEN), [seen(*ball())], PoissonInference(), 0)
    points = np.array([[0, 0, 0], [0, 0, 0.6], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(prediction.field.values(points), [-0.7, -0.1, 0.3], atol=0.01)


def test_where_no_point_is_trimming_opens_the_surface() -> None:
    points, normals = ball(4000)
    seen_half = points[:, 2] > 0
    whole = surface(GIVEN, points[seen_half], normals[seen_half])
    cut = surface(GIVEN, points[seen_half], normals[seen_half], PoissonInference(trim=0.3))
    assert whole.vertices[:, 2].min() < -0.2
    assert cut.vertices[:, 2].min() > -0.2
    assert cut.vertices[:, 2].max() == pytest.approx(0.7, abs=0.01)


def test_a_deeper_octree_has_more_vertices() -> None:
    points, normals = ball(8000)
    counts = [len(surface(PoissonConfig(depth=depth), points, normals).vertices) for depth in (5, 6)]
    assert counts[1] > 2 * counts[0]


def test_points_in_a_plane_cannot_be_oriented() -> None:
    points = ball()[0] * np.array([1, 1, 0], np.float32)
    with pytest.raises(ShapesysError, match="'ball/1': Open3D gave up estimating normals: "):
        surface(ESTIMATED, points)


def test_no_display_is_needed() -> None:
    code = (
        "import numpy as np; from shapesys.families.poisson.library import screened_poisson;"
        "from shapesys.families.poisson.config import PoissonConfig;"
        "n = np.random.default_rng(0).standard_normal((500, 3)); n /= np.linalg.norm(n, axis=1, keepdims=True);"
        "print(len(screened_poisson(n, n, PoissonConfig(depth=5)).mesh.faces))"
    )
    headless = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=headless, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000, done.stdout
