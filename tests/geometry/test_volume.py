"""Enclosed volumes against those that solids have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.volume import enclosed_volume


def test_a_box_wherever_it_stands() -> None:
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    mesh = Mesh(np.asarray(box.vertices) + (100.0, -50.0, 7.0), np.asarray(box.faces))
    assert enclosed_volume(mesh) == pytest.approx(6.0)
    assert enclosed_volume(replace(mesh, faces=mesh.faces[:, ::-1])) == pytest.approx(-6.0)


def test_a_ball_in_single_precision() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    mesh = Mesh(np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32))
    assert enclosed_volume(mesh) == pytest.approx(np.pi / 6, rel=2e-3)


def test_no_faces_enclose_nothing() -> None:
    assert enclosed_volume(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))) == 0.0
