"""Pictures against geometry worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.errors import UsageError
from shapesys.geometry import render as rendering
from shapesys.geometry.camera import Camera
from shapesys.geometry.colormap import VIRIDIS
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.raster import rasterise
from shapesys.geometry.shading import corner_normals


def ball(subdivisions: int = 4) -> Mesh:
    solid = trimesh.creation.icosphere(subdivisions)
    return Mesh(np.asarray(solid.vertices), np.asarray(solid.faces))


def square(half: float = 1.0, height: float = 0.0) -> Mesh:
    corners = np.array([[-half, height, -half], [half, height, -half], [half, height, half], [-half, height, half]])
    return Mesh(corners, np.array([[0, 2, 1], [0, 3, 2]]))


def test_silhouette_of_a_sphere_has_its_area():
    camera, size = Camera.look_at((0.0, 0.0, -4.0), field_of_view=40.0), (300, 300)
    radius = camera.focal_length(size) * np.tan(np.arcsin(1 / 4))
    covered = np.isfinite(rendering.depth(ball(), camera, size)).sum()
    assert covered == pytest.approx(np.pi * radius**2, rel=3e-3)


def test_orbit_frames_the_ball_exactly():
    camera = Camera.orbit(30.0, 20.0, radius=1.0)
    rows, columns = np.nonzero(np.isfinite(rendering.depth(ball(5), camera, (200, 200))))
    assert rows.min() <= 1
    assert rows.max() >= 198
    assert columns.min() <= 1
    assert columns.max() >= 198


def test_depth_of_a_slanted_plane_at_every_pixel():
    camera, size = Camera.look_at((0.0, 2.0, -2.0)), (64, 96)
    image = rendering.depth(square(half=1.5), camera, size)
    row, column = np.mgrid[: size[0], : size[1]] + 0.5
    slope = np.stack([column - size[1] / 2, size[0] / 2 - row, np.full(size, camera.focal_length(size))], axis=-1)
    rays = (slope / camera.focal_length(size)) @ camera.axes
    expected = -2.0 / rays[..., 1]
    visible = np.isfinite(image)
    assert visible.mean() > 0.5
    np.testing.assert_allclose(image[visible], expected[visible], rtol=1e-9)


def test_depth_of_a_sphere_equals_ray_casting():
    solid = trimesh.creation.icosphere(3)
    camera, size = Camera.orbit(40.0, 25.0), (41, 41)
    image = rendering.depth(ball(3), camera, size)
    row, column = np.mgrid[: size[0], : size[1]] + 0.5
    slope = np.stack([column - size[1] / 2, size[0] / 2 - row, np.full(size, camera.focal_length(size))], axis=-1)
    rays = ((slope / camera.focal_length(size)) @ camera.axes).reshape(-1, 3)
    origins = np.tile(camera.position, (len(rays), 1))
    hit, ray, _ = solid.ray.intersects_location(origins, rays, multiple_hits=False)
    expected = np.full(len(rays), np.inf)
    expected[ray] = (hit - origins[ray]) @ camera.axes[2]
    both = np.isfinite(expected) & np.isfinite(image.ravel())
    assert both.sum() > 800
    assert np.isfinite(expected).sum() - both.sum() <= 8
    np.testing.assert_allclose(image.ravel()[both], expected[both], rtol=1e-6)


def test_the_nearer_face_wins_in_either_order():
    near, far = square(height=1.0), square(height=0.0)
    camera = Camera.look_at((0.0, 4.0, -0.01))
    for first, second in ((near, far), (far, near)):
        mesh = Mesh(np.concatenate([first.vertices, second.vertices]), np.concatenate([first.faces, second.faces + 4]))
        assert rendering.depth(mesh, camera, (9, 9))[4, 4] == pytest.approx(3.0, abs=1e-4)


def test_barycentric_weights_reproduce_the_surface_point():
    mesh, camera, size = ball(2), Camera.orbit(10.0, 30.0), (50, 60)
    seen = rasterise(mesh, camera, size)
    points = np.einsum("pk,pkc->pc", seen.barycentric, mesh.triangles[seen.face])
    pixels, depth = camera.project(points, size)
    row, column = np.divmod(seen.pixel, size[1])
    np.testing.assert_allclose(pixels, np.stack([column, row], axis=1) + 0.5, atol=1e-9)
    np.testing.assert_allclose(depth, seen.depth, rtol=1e-12)


def test_chunks_do_not_change_the_picture(monkeypatch):
    mesh, camera = ball(3), Camera.orbit(0.0, 10.0)
    whole = rendering.depth(mesh, camera, (64, 64))
    monkeypatch.setattr("shapesys.geometry.raster._FRAGMENTS_AT_ONCE", 100)
    np.testing.assert_array_equal(rendering.depth(mesh, camera, (64, 64)), whole)


def test_faces_behind_the_camera_are_not_seen():
    assert np.isinf(rendering.depth(square(), Camera.look_at((0.0, 1.0, -3.0), target=(0.0, 1.0, -9.0)), (8, 8))).all()


def test_smooth_corners_follow_the_sphere_and_sharp_ones_the_box():
    mesh = ball(4)
    assert np.abs(corner_normals(mesh) - mesh.triangles).max() < 0.01
    box = trimesh.creation.box()
    cube = Mesh(np.asarray(box.vertices), np.asarray(box.faces))
    np.testing.assert_allclose(corner_normals(cube), np.repeat(cube.face_normals[:, None], 3, axis=1), atol=1e-12)


def test_attribute_colours_reach_the_pixels():
    mesh = square()
    mesh.attributes["saliency"] = np.array([1.0, 1.0, 1.0, 1.0])
    image = rendering.render(
        mesh, Camera.look_at((0.0, 3.0, -0.01)), (9, 9), "saliency", value_range=(0.0, 1.0), background=(1, 2, 3)
    )
    yellow = image[4, 4] / VIRIDIS[255]
    np.testing.assert_allclose(yellow, yellow[0], atol=0.03)
    corner = rendering.render(mesh, Camera.look_at((0.0, 30.0, -0.01)), (9, 9), background=(1, 2, 3))[0, 0]
    np.testing.assert_array_equal(corner, [1, 2, 3])


def test_unknown_attribute_and_misfit_colours_are_refused():
    camera = Camera.orbit(0.0, 20.0)
    mesh = square()
    mesh.attributes["saliency"] = np.zeros(4)
    with pytest.raises(UsageError, match="did you mean saliency"):
        rendering.render(mesh, camera, (8, 8), "salience")
    with pytest.raises(ValueError, match=r"needs \(4, 3\)"):
        rendering.render(mesh, camera, (8, 8), np.zeros((5, 3)))


def test_camera_refuses_a_view_along_its_up_direction():
    with pytest.raises(ValueError, match="parallel"):
        Camera.look_at((0.0, 3.0, 0.0))


def test_contact_sheet_keeps_order_and_png_keeps_pixels(tmp_path):
    from PIL import Image

    images = [np.full((4, 5, 3), shade, dtype=np.uint8) for shade in (10, 20, 30)]
    sheet = rendering.contact_sheet(images, columns=2)
    assert sheet.shape == (8, 10, 3)
    assert sheet[0, 0, 0] == 10
    assert sheet[0, 9, 0] == 20
    assert sheet[7, 0, 0] == 30
    assert sheet[7, 9, 0] == 255
    rendering.write_png(sheet, tmp_path / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), sheet)
    with pytest.raises(ValueError, match="labels"):
        rendering.contact_sheet(images, 2, ["one"])
