"""Choy et al.'s cameras against projections worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.render import render, render_cut_out
from shapesys.geometry.shading import LIGHTS, Lights, corner_normals
from shapesys.geometry.viewpoint import Viewpoint, opening

SIZE = (137, 137)


def box(centre: tuple[float, float, float] = (3.0, -2.0, 5.0), sides: tuple[float, float, float] = (2, 1, 3)) -> Mesh:
    solid = trimesh.creation.box(sides)
    return Mesh(np.asarray(solid.vertices) + centre, np.asarray(solid.faces))


def ball(radius: float = 2.0) -> Mesh:
    solid = trimesh.creation.icosphere(5, radius)
    return Mesh(np.asarray(solid.vertices) + (1.0, 2.0, 3.0), np.asarray(solid.faces))


def test_a_lens_of_35_mm_before_32_mm_opens_49_degrees() -> None:
    assert opening(35.0) == pytest.approx(49.134, abs=1e-3)
    assert Viewpoint(0, 0).parameters == (0, 0, 0.0, 1.0, opening(35.0))


@pytest.mark.parametrize(
    ("azimuth", "elevation", "distance"), [(0.0, 25.0, 1.0), (130.0, 30.0, 0.65), (290.0, -5, 0.8)]
)
def test_corners_of_a_box_land_where_a_pinhole_puts_them(azimuth: float, elevation: float, distance: float) -> None:
    mesh, turn, rise = box(), np.deg2rad(azimuth), np.deg2rad(elevation)
    local = (mesh.vertices - (3.0, -2.0, 5.0)) / np.sqrt(4 + 1 + 9)  # in diagonals of the box
    # Turned so that the camera stands on -z, then tilted so that it stands level.
    x = np.cos(turn) * local[:, 0] + np.sin(turn) * local[:, 2]
    z = -np.sin(turn) * local[:, 0] + np.cos(turn) * local[:, 2]
    up = np.cos(rise) * local[:, 1] + np.sin(rise) * z
    ahead = 1.75 * distance + np.cos(rise) * z - np.sin(rise) * local[:, 1]
    focal = 35.0 / 32.0 * SIZE[0]
    expected = np.stack([68.5 - focal * x / ahead, 68.5 - focal * up / ahead], axis=1)
    found, depth = Viewpoint(azimuth, elevation, distance=distance).camera(mesh).project(mesh.vertices, SIZE)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(depth, ahead * np.sqrt(14.0))


def test_matrices_project_as_the_camera_does() -> None:
    mesh = box()
    camera = Viewpoint(70.0, 28.0, 15.0, 0.9, shift=(0.1, -0.2)).camera(mesh)
    pixels, depth = camera.project(mesh.vertices, (100, 140))
    points = np.column_stack([mesh.vertices, np.ones(8)]) @ camera.world_matrix.T @ camera.intrinsics((100, 140)).T
    np.testing.assert_allclose(points[:, 2], depth)
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], pixels)
    rotation = camera.world_matrix[:, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_rotation_turns_the_picture_counter_clockwise_and_shift_moves_the_middle() -> None:
    mesh = box()
    straight, turned = (
        Viewpoint(40.0, 25.0, turn).camera(mesh).project(mesh.vertices, SIZE)[0] for turn in (0.0, 30.0)
    )
    angle = np.deg2rad(30.0)
    x, y = (straight - 68.5).T  # y is down
    expected = np.stack([np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x], axis=1) + 68.5
    np.testing.assert_allclose(turned, expected, atol=1e-9)
    shifted = Viewpoint(40.0, 25.0, 30.0, shift=(0.25, 0.1)).camera(mesh)
    middle = shifted.project(np.array([[3.0, -2.0, 5.0]]), SIZE)[0][0]
    np.testing.assert_allclose(middle, (68.5 + 0.25 * 137, 68.5 - 0.1 * 137), atol=1e-9)


def test_alpha_is_the_share_of_a_pixel_that_a_sphere_covers() -> None:
    mesh = ball()
    viewpoint = Viewpoint(20.0, 25.0, distance=0.8)
    image = render_cut_out(mesh, viewpoint.camera(mesh), SIZE, supersample=4)
    distance = 0.8 * 1.75 * np.sqrt(3.0) * 2 * 2.0
    radius = 35.0 / 32.0 * 137 * np.tan(np.arcsin(2.0 / distance))
    row, column = np.mgrid[:137, :137] + 0.5
    away = np.hypot(row - 68.5, column - 68.5) - radius
    alpha = image[..., 3] / 255.0
    assert (alpha[away < -1] == 1).all()
    assert (image[away > 1] == 0).all()
    np.testing.assert_allclose(alpha, np.clip(0.5 - away, 0, 1), atol=0.2)
    assert alpha.sum() == pytest.approx(np.pi * radius**2, rel=2e-3)
    assert len(np.unique(image[..., 3])) > 8


def test_a_cut_out_over_white_is_the_picture_before_white() -> None:
    mesh = ball()
    camera = Viewpoint(20.0, 25.0).camera(mesh)
    image = render_cut_out(mesh, camera, SIZE, supersample=2, normals=corner_normals(mesh)).astype(float)
    alpha = image[..., 3:] / 255
    flat = alpha * image[..., :3] + (1 - alpha) * 255
    np.testing.assert_allclose(flat, render(mesh, camera, SIZE, supersample=2), atol=1.01)


def test_lights_and_colours_change_colours_alone() -> None:
    mesh = ball()
    camera = Viewpoint(20.0, 25.0).camera(mesh)
    usual = render_cut_out(mesh, camera, (40, 40))
    np.testing.assert_array_equal(usual, render_cut_out(mesh, camera, (40, 40), lights=LIGHTS))
    dark = render_cut_out(mesh, camera, (40, 40), lights=Lights(key=0.1))
    red = render_cut_out(mesh, camera, (40, 40), face_colors=np.full((len(mesh.faces), 3), (255, 0, 0), np.uint8))
    for other in (dark, red):
        np.testing.assert_array_equal(other[..., 3], usual[..., 3])
    assert dark[..., :3].sum() < 0.9 * usual[..., :3].sum()
    assert not red[..., 1:3].any()
