"""What a store knows of a shape that surfaces are measured against: its clean surface, a scan of it, its inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.planes import plane_of
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.plane import Plane
from shapesys.geometry.surface import SurfaceSample
from shapesys.metrics.region import Region
from shapesys.metrics.sampled import ScanPoints
from shapesys.samples.solid_samples import SIGN_METHOD
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import UNSEEN


@dataclass(frozen=True)
class Truth:
    """What the store knows of a shape, in its normalised frame.

    Attributes:
        category, split: as prepared.
        mesh: the surface; None of a bare scan, whose surface nobody knows, and of samples of a solid.
        normalisation: the way back to the file's frame.
        cloud: (n, 3) points in farthest-point order: of a scan where the source gives one, else of the surface.
        symmetry: finds the shape's mirror plane, or None; not asked where nothing is measured by it.
        occupancy: points (m, 3) and inside (m,), or None where the sign could not be trusted.
        origin: where the cloud comes from, for the record of what is measured against it.
        given_by: the source that gave the occupancy, likewise; empty where it was sampled.
        unseen: label of faces that nobody can see; None where there are none.
        sample: points and normals of the true surface, where these were given in place of a mesh; None elsewhere.
    """

    category: str
    split: str
    mesh: Mesh | None
    normalisation: Normalisation
    cloud: Floats
    symmetry: Callable[[], Plane | None]
    occupancy: tuple[Floats, Any] | None
    origin: str = "as given"
    given_by: str = ""
    unseen: int | None = None
    sample: SurfaceSample | None = None

    @property
    def surface(self) -> Mesh | SurfaceSample | None:
        """The true surface, or what there is of it."""
        return self.sample if self.mesh is None else self.mesh

    def of_what_is_seen(self) -> tuple[Truth, Region]:
        """The same without faces that nobody can see, and where a room is measured then.

        Raises:
            ShapesysError: nobody knows what can be seen.
        """
        mesh = self.mesh
        if mesh is None and self.sample is None:
            raise ShapesysError(
                "walls can be removed where the true surface is known, as a mesh or as clean samples with normals; "
                "leave out --remove-walls, or prepare with --cloud.noise 0"
            )
        if mesh is not None and mesh.face_labels is not None and self.unseen is not None:
            kept = mesh.face_labels != self.unseen
            mesh = Mesh(mesh.vertices, mesh.faces[kept], face_labels=mesh.face_labels[kept])
        points = self.cloud if mesh is None else mesh.vertices[np.unique(mesh.faces)]
        return replace(self, mesh=mesh), Region.of_room(points)

    @property
    def scan(self) -> ScanPoints:
        """The cloud, as something to measure against."""
        return ScanPoints(self.cloud, self.origin)


def read(store: Store, shape: Mapping[str, Any], settings: EvaluateConfig) -> Truth:
    """The ground truth of a shape, given its row of the `shapes` view."""
    shape_id, centre = shape["shape_id"], shape["centre"]
    given = shape.get("sign_method") == SIGN_METHOD
    cloud = store.read("cloud", [shape_id], ["points", "normals"] if given else ["points"])
    return Truth(
        category=shape["category"],
        split=shape["split"],
        mesh=store.mesh(shape_id) if "meshes" in store.views else None,
        normalisation=Normalisation((centre[0], centre[1], centre[2]), shape["scale"]),
        cloud=cloud["points"][0],
        symmetry=partial(plane_of, store, shape, settings.planes()),
        occupancy=_occupancy(store, shape_id),
        origin=_origin(store),
        given_by=_source(store) if given else "",
        unseen=shape["parts"].index(UNSEEN) if UNSEEN in (shape.get("parts") or ()) else None,
        sample=_sample(store, cloud["points"][0], cloud["normals"][0]) if given else None,
    )


def _sample(store: Store, points: Floats, normals: Floats) -> SurfaceSample | None:
    """The given samples (n, 3) of the surface, where they are stored with their normals and without noise."""
    if store.manifest.settings.get("cloud", {}).get("noise", 0.0) or len(normals) != len(points):
        return None
    return SurfaceSample(points, normals, np.zeros(len(points), np.int32))


def _occupancy(store: Store, shape_id: str) -> tuple[np.ndarray, np.ndarray] | None:
    if "occupancy" not in store.views:
        return None
    rows = store.read("occupancy", [shape_id])
    return rows["points"][0], rows["inside"][0]


def _origin(store: Store) -> str:
    """``procedural_scans, up to 4096 points in fps order``: of a source of meshes, these are samples of them."""
    cloud = store.manifest.settings.get("cloud", {})
    return f"{_source(store)}, up to {cloud.get('points')} points in {cloud.get('order', 'fps')} order"


def _source(store: Store) -> str:
    return str(store.manifest.source.get("name", "unknown source"))
