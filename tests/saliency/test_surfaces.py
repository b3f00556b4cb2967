"""What maps are drawn on where a store keeps clouds alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shapesys.saliency.surfaces import mesh_of_points, surface_of
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source


def test_points_become_solids_that_enclose_them() -> None:
    points = np.array([[0.0, 0.0, 0.0], [0.5, -0.5, 0.25]])
    mesh = mesh_of_points(20 * points)
    assert (len(mesh.vertices), len(mesh.faces)) == (12, 16)
    for point, corners in zip(20 * points, mesh.triangles.reshape(2, 8, 3, 3), strict=True):
        outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (np.einsum("fk,fk->f", outward, corners.mean(axis=1) - point) > 0).all()
        # An octahedron's volume is 4/3 r^3.
        volume = np.einsum("fk,fk->f", corners[:, 0] - point, outward).sum() / 6
        np.testing.assert_allclose(volume, 4 / 3 * 0.1**3)


def test_a_store_of_clouds_alone_can_be_drawn(tmp_path: Path) -> None:
    source = build_source("procedural", {"categories": ("mug",), "count": 1})
    settings = PRESETS["tiny"].override({"views": ("cloud",), "cloud.points": 64})
    prepare_locally(source, str(tmp_path / "store"), settings, isolate=False)
    store = Store.open(str(tmp_path / "store"))
    [name] = store.shape_ids()
    points = store.read("cloud", [name], ["points"])["points"][0]
    mesh = surface_of(store, name, points)
    np.testing.assert_allclose(mesh.vertices.reshape(64, 6, 3).mean(axis=1), points, atol=1e-6)
