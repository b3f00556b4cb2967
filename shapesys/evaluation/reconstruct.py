"""A mesh or a point cloud of the user's own, reconstructed by a trained run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from shapesys.config.base import Config, changed
from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.evaluation.suites import suite_of
from shapesys.evaluation.unseen import predict_unseen
from shapesys.families import registry
from shapesys.families.base import PICTURES, Family, FieldPrediction, Need, Observation
from shapesys.families.steps import OnStep
from shapesys.fields.cut import quantile_by_area, split_by_attribute
from shapesys.fields.extraction import ExtractionReport, ExtractionSettings, extract
from shapesys.fields.field import UNIT_BOX, Box, Field
from shapesys.fields.in_box import in_box
from shapesys.fields.network_field import SALIENCY
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.normalise import Framing, Normalisation
from shapesys.geometry.placement import AS_GIVEN, Placed, Placement
from shapesys.geometry.points import POINT_SUFFIXES, read_points
from shapesys.samples.cloud_samples import checked_scan
from shapesys.samples.image_views import photograph_tensor
from shapesys.samples.settings import CloudConfig, PrepareConfig, QueryConfig, UnsignedConfig
from shapesys.samples.shape import prepare_shape
from shapesys.samples.views import VIEWS, Column
from shapesys.sources.base import Census, ShapeRef, Source, digest_of
from shapesys.sources.image_files import IMAGE_SUFFIXES
from shapesys.training.checkpoint import chosen_of, restore
from shapesys.training.context import pick_device
from shapesys.training.run_dir import RunDirectory

_CLOUD_ONLY = frozenset(POINT_SUFFIXES) - {".ply", ".obj", ".off"}


Spread = Callable[[Field], AbstractContextManager[Field]]
"""Gives the same field, answered for by others while the context lasts."""


@dataclass(frozen=True)
class Reconstruction:
    """The surface in the file's own frame, with the field's attributes on its vertices; of a picture, in that of the
    shapes that the run was trained on.

    Attributes:
        observed: 'mesh', 'cloud' or 'picture', as the file was read.
        facts: what inference reports of the fit.
        report: what extraction reports.
        field: the inferred shape, in its normalised frame.
        frame: how that frame came from the file's as it was placed: as for the shapes that the run was trained on.
        placed: how the file was placed beside them.
    """

    mesh: Mesh
    observed: str
    facts: Mapping[str, float]
    report: ExtractionReport
    field: Field
    frame: Normalisation
    placed: Placed

    def attributes_at(self, points: Floats) -> Mapping[str, Floats]:
        """The field's attributes, such as saliency, at any points (n, 3) of the file's frame: named (n,) arrays."""
        return self.field.attributes(self.frame.apply(self.placed.apply(points)).astype(np.float32))

    def salient_parts(self, threshold: float) -> tuple[Mesh, Mesh]:
        """The category-salient and the instance-specific part (ISSN, figure 5): saliency at least / below a threshold.

        Raises:
            ShapesysError: the field has no saliency.
        """
        self._require_saliency("--salient-threshold")
        return split_by_attribute(self.mesh, SALIENCY, threshold)

    def salient_threshold(self, quantile: float) -> float:
        """The saliency below which this share of the surface's area lies.

        By area and not by vertices, which extraction places more densely where a surface curves or slants.

        Args:
            quantile: share of the area, from 0 to 1.

        Raises:
            ShapesysError: the field has no saliency, or the surface no area.
        """
        self._require_saliency("--salient-quantile")
        return quantile_by_area(self.mesh, self.mesh.attributes[SALIENCY], quantile)

    def _require_saliency(self, flag: str) -> None:
        if SALIENCY not in self.mesh.attributes:
            raise ShapesysError(f"this family's surfaces carry no saliency to cut by; leave out {flag}")


def reconstruct(
    run: RunDirectory,
    path: str | Path,
    resolution: int = 256,
    changes: Mapping[str, Any] | None = None,
    queries: int = 100_000,
    seed: int = 0,
    settings: ExtractionSettings | None = None,
    on_step: OnStep | None = None,
    spread: Spread = nullcontext,
    placement: Placement = AS_GIVEN,
) -> Reconstruction:
    """Infer the shape in a file with a run's checkpoint, and extract its surface.

    Args:
        path: a mesh, or a point cloud (PLY or OBJ without faces, XYZ, CSV, NPY, NPZ), with normals where the family
            needs to know inside from outside.
        resolution: cells along the box of the extracted surface.
        changes: changes to the run's inference settings, by name.
        queries: samples drawn around a mesh, or fewer where the run draws fewer around a cloud.
        settings: of the extraction.
        on_step: told of every iteration, where the run fits a network to each shape or optimises at test time.
        spread: lets others answer for the field while its surface is extracted.
        placement: how the file lies beside the shapes that the run was trained on.

    Raises:
        UsageError: the run predicts no surfaces, or `changes` are asked of a fit.
        ShapesysError: no checkpoint, or an unusable file; `ShapeRejected` names the stage and the reason.
    """
    checkpoint = chosen_of(run)
    family = registry.load(checkpoint.job().family)
    if family.predicts is not FieldPrediction:
        predicts = suite_of(family).predicts
        raise UsageError(f"run '{run.name}' predicts {predicts}, no surfaces; use: shapesys predict {run.path} {path}")
    objective, job, _ = restore(checkpoint, pick_device("auto"))
    if changes and family.one_network_each(job.model):
        raise UsageError(
            f"run '{run.name}' fits a network to each shape by the settings it began with; leave out "
            f"{', '.join(sorted(changes))}"
        )
    inference = changed(job.inference, changes or {})
    framing = Framing("as_given") if placement.unit else checkpoint.framing()
    need = family.observed(job.model)
    picture = family.pictures(job.model)
    observed = observe_file(Path(path), family, need, inference, framing, queries, seed, placement, picture)
    seen = Observation(Path(path).stem, observed.columns)
    [prediction] = predict_unseen(family, objective, job, [seen], inference, seed, on_step)
    assert isinstance(prediction, FieldPrediction)
    field = prediction.field
    # What lies in the unit sphere lies in the field's own box; other fields may know of another themselves.
    if not framing.is_unit_sphere and field.traits.box == UNIT_BOX and len(observed.points):
        field = in_box(field, Box.about(observed.points))
    with spread(field) as answering:
        found = extract(answering, resolution, settings)
    if found.mesh.is_empty:
        raise ShapesysError(f"the reconstruction of {path} has no surface: {found.report.empty}")
    vertices = observed.placed.undo(observed.frame.undo(found.mesh.vertices.astype(np.float64)))
    mesh = replace(found.mesh, vertices=vertices.astype(np.float32))
    return Reconstruction(mesh, observed.kind, prediction.facts, found.report, field, observed.frame, observed.placed)


@dataclass(frozen=True)
class ObservedFile:
    """What was seen of a file.

    Attributes:
        kind: 'mesh', 'cloud' or 'picture'.
        columns: those that the family needs, in the normalised frame.
        points: (n, 3) the file's points or the mesh's vertices, in that frame; none of a picture.
        frame: how it came from the file's as placed.
        placed: how the file was placed.
    """

    kind: str
    columns: Mapping[str, np.ndarray]
    points: Floats
    frame: Normalisation
    placed: Placed


def observe_file(
    path: Path,
    family: Family,
    need: Need,
    inference: Config,
    framing: Framing,
    queries: int,
    seed: int,
    placement: Placement = AS_GIVEN,
    picture: int = 0,
) -> ObservedFile:
    """What a family sees of a mesh, where the file holds faces, else of a point cloud.

    Args:
        need: the view, and the columns of it, that the family infers from.
        framing: how the shapes that the run was trained on got their frame.
        queries: samples drawn around a mesh, or fewer where the run draws fewer around a cloud.
        placement: how the file lies beside these shapes.
        picture: pixels a side of what the family sees of a photograph.

    Raises:
        UsageError: a picture, which the family does not see; or another file or a placement, where it sees pictures.
        ShapesysError: an unusable file, or one that the family cannot observe; `ShapeRejected` names the stage.
    """
    if need.view == PICTURES.view:
        return _observe_picture(path, picture, placement)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise UsageError(f"{path} is a picture, and the run sees {need.view} alone; give a mesh or a cloud")
    if path.suffix.lower() in _CLOUD_ONLY:
        return _observe_cloud(path, family, need, inference, framing, seed, placement)
    try:
        mesh = read_mesh(path)
    except ShapeRejected:
        if path.suffix.lower() not in POINT_SUFFIXES:
            raise
        return _observe_cloud(path, family, need, inference, framing, seed, placement)
    unsigned = family.unsigned(inference) if family.unsigned else UnsignedConfig()
    # By the distance to a neighbour, more points are sampled closer to the surface.
    count = min(queries, unsigned.count)
    unsigned = unsigned.override({"count": count, "chunk": count})
    placed = placement.about(mesh.vertices[np.unique(mesh.faces)])
    return _observe_mesh(placed.mesh(mesh), placed, path.stem, need, unsigned, framing, queries, seed)


def _observe_picture(path: Path, side: int, placement: Placement) -> ObservedFile:
    """The object in a photograph. Nothing tells how large it is: it is reconstructed in the frame of the shapes that
    the run was trained on."""
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UsageError(f"{path} is no picture, which is what the run sees; give one of: {', '.join(IMAGE_SUFFIXES)}")
    if placement != AS_GIVEN:
        raise UsageError("--up and --unit are of meshes and clouds; leave them out for a picture")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ShapeRejected("read", f"cannot read {path}: {error.strerror}") from None
    columns = {"picture": photograph_tensor(data, side)}
    nowhere, whole = np.empty((0, 3), np.float32), Normalisation((0.0, 0.0, 0.0), 1.0)
    return ObservedFile("picture", columns, nowhere, whole, placement.about(nowhere))


def _observe_mesh(
    mesh: Mesh,
    placed: Placed,
    name: str,
    need: Need,
    unsigned: UnsignedConfig,
    framing: Framing,
    queries: int,
    seed: int,
) -> ObservedFile:
    """The samples that preparation would give the family."""
    settings = PrepareConfig(
        views=(need.view,),
        sdf=QueryConfig(count=queries, chunk=queries),
        udf=unsigned,
        cloud=CloudConfig(points=queries, order="given"),
        frame=framing.name,
        margin=framing.margin,
        seed=seed,
    )
    source = _OneMesh(mesh, name)
    [ref] = source.census().shapes
    made = prepare_shape(source, ref, settings)
    rows = made.samples[need.view]
    of_view = {column.name: column for column in VIEWS[need.view].columns}
    columns = {name: np.concatenate([_unfolded(row[name], of_view[name]) for row in rows]) for name in need.columns}
    frame = Normalisation(tuple(made.shape["centre"]), made.shape["scale"])
    used = np.asarray(mesh.vertices[np.unique(mesh.faces)], np.float64)
    return ObservedFile("mesh", columns, frame.apply(used), frame, placed)


def _unfolded(values: Any, column: Column) -> np.ndarray:
    array = np.asarray(values, dtype=np.float32)
    return array.reshape(-1, 3) if column.shape.startswith("(n, 3)") else array


def _observe_cloud(
    path: Path, family: Family, need: Need, inference: Config, framing: Framing, seed: int, placement: Placement
) -> ObservedFile:
    if family.observe_points is None and family.observe_cloud is None:
        raise ShapesysError(f"family '{family.name}' cannot observe a point cloud; give a mesh")
    points, normals = read_points(path)
    checked_scan(Cloud(points, normals))
    placed = placement.about(points)
    points, normals = placed.apply(points), None if normals is None else placed.directions(normals)
    frame = framing.of_points(points)
    seen = frame.apply(points)
    made = _columns_of_cloud(path, family, seen, normals, inference, seed)
    if lacking := [name for name in need.columns if not len(made.get(name, ()))]:
        raise ShapesysError(
            f"{path} has points without {lacking[0]}, which the run learned from; give them as columns nx ny nz, a "
            f"mesh, or a run of family '{family.name}' that was trained without"
        )
    return ObservedFile("cloud", {name: made[name] for name in need.columns}, seen, frame, placed)


def _columns_of_cloud(
    path: Path, family: Family, points: Floats, normals: Floats | None, inference: Config, seed: int
) -> Mapping[str, np.ndarray]:
    if normals is not None and family.observe_cloud is not None:
        return family.observe_cloud(points, normals, inference, seed)
    if family.observe_points is not None:
        return family.observe_points(points, inference, seed)
    raise ShapesysError(
        f"{path} has points without normals, so inside and outside are unknown to family '{family.name}'; give "
        "oriented normals as columns nx ny nz, a mesh, or a run of a family that needs no signs"
    )


class _OneMesh(Source):
    """A source that holds one mesh, already read."""

    name: ClassVar[str] = "file"
    Settings: ClassVar[type[Config]] = Config

    def __init__(self, mesh: Mesh, stem: str) -> None:
        self._mesh = mesh
        self._stem = stem

    def census(self) -> Census:
        return Census.of([ShapeRef(f"own/{self._stem}", "own", "test", self.name)])

    def load(self, ref: ShapeRef) -> Mesh:
        return self._mesh

    def digest(self, ref: ShapeRef) -> str:
        return digest_of(self._mesh.vertices.tobytes(), self._mesh.faces.tobytes())
