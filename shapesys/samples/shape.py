"""One shape, from what its source gives to the rows of every view.

Pure: the same shape and settings give the same samples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.fps import COMPILED_FROM, farthest_points
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.geometry.scan import Scan
from shapesys.geometry.signed_distance import SignedMesh
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.geometry.validation import clean, validate
from shapesys.samples.cloud_samples import (
    as_scanned,
    check_spread,
    checked_scan,
    cloud_row,
    prepare_cloud,
    rows_of_cloud,
)
from shapesys.samples.inside_queries import Draw, draw_from_mesh, draw_from_points, inside_rows, queries_of_mesh
from shapesys.samples.queries import box_points, cut_into_chunks, query_points
from shapesys.samples.settings import (
    OBSERVED_VIEWS,
    CloudConfig,
    OccupancyConfig,
    PrepareConfig,
    QueryConfig,
    UnsignedConfig,
)
from shapesys.samples.shape_samples import Row, Seeds, ShapeSamples, known_parts, shape_row
from shapesys.samples.solid_samples import prepare_solid
from shapesys.samples.unsigned_queries import Origins, chunked, unsigned_of_mesh
from shapesys.samples.views import SIGNED_VIEWS
from shapesys.sources.base import Loaded, ShapeRef, Source
from shapesys.sources.image import AnnotatedImage

NORMAL_PROBE = 1e-3
"""How far from the surface a normal's two sides are probed, in radii of the shape (1 in the unit sphere)."""


def prepare_shape(source: Source, ref: ShapeRef, settings: PrepareConfig) -> ShapeSamples:
    """Read the shape and make the views that are asked for of it.

    Raises:
        ShapeRejected: no view can be made of the shape; stage and reason say why.
    """
    loaded = source.load(ref)
    settings = settings.of_what(type(loaded), source.gives_images)
    made = _prepare_loaded(source, ref, loaded, settings)
    if source.gives_images and "images" in settings.views:
        return _with_given_images(made, source, ref, settings)
    return made


def _prepare_loaded(source: Source, ref: ShapeRef, loaded: Loaded, settings: PrepareConfig) -> ShapeSamples:
    """All views but given pictures."""
    if isinstance(loaded, Cloud):
        return prepare_cloud(source, ref, loaded, settings)
    if isinstance(loaded, SampledSolid):
        return prepare_solid(source, ref, loaded, settings)
    if isinstance(loaded, AnnotatedImage):
        return _prepare_image(source, ref, loaded, settings)
    if isinstance(loaded, Scan):
        return _prepare_mesh(source, ref, loaded.truth, settings, loaded.observed)
    return _prepare_mesh(source, ref, loaded, settings)


def _with_given_images(made: ShapeSamples, source: Source, ref: ShapeRef, settings: PrepareConfig) -> ShapeSamples:
    """The same with the view `images`, or without it where the source's files cannot be used.

    Raises:
        ShapeRejected: then no view is left.
    """
    # Imported on use: of the views, only this one and `superpixels` need an image library.
    from shapesys.samples.shape_images import given_rows

    try:
        rows = given_rows(source.images(ref, settings.images.views))
    except ShapeRejected as problem:
        reason = problem
        if made.reason is not None:
            reason = ShapeRejected(made.reason.stage, f"{made.reason.reason}; images: {problem.reason}")
        if not made.samples:
            raise reason from None
        return replace(made, missing=(*made.missing, "images"), reason=reason)
    return replace(made, samples=made.samples | {"images": rows})


def _prepare_image(source: Source, ref: ShapeRef, image: AnnotatedImage, settings: PrepareConfig) -> ShapeSamples:
    # Imported on use, as above.
    from shapesys.samples.image_rows import image_row

    frame = Normalisation((0.0, 0.0, 0.0), 1.0)
    return ShapeSamples(shape_row(source, ref, settings, frame, {}), {"superpixels": [image_row(image)]})


def _prepare_mesh(
    source: Source, ref: ShapeRef, loaded: Mesh, settings: PrepareConfig, observed: Cloud | Mesh | None = None
) -> ShapeSamples:
    """Clean, normalise, find signs, sample.

    Args:
        observed: what a scanner saw of the shape, in the same frame; the shape itself where None. It is normalised as
            the shape is, so that scans of one shape stay in one frame however noisy they are or whatever they lack.
    """
    cleaned = _cleaned(loaded)
    known_parts(source, ref, cleaned.face_labels)
    frame = settings.framing.of_mesh(cleaned)
    mesh = _in_frame(cleaned, frame)
    facts = validate(mesh)
    seeds = Seeds.of(settings.seed, ref.id)
    signed = SignedMesh(mesh, seed=seeds.sign)
    report = signed.report
    made = tuple(view for view in settings.views if report.trusted or view not in SIGNED_VIEWS)
    missing = tuple(view for view in settings.views if view not in made)
    reason = ShapeRejected("sign", report.reason) if missing else None
    if reason and not made:
        raise reason
    scanned = {} if observed is None else _scan_rows(observed, frame, settings, seeds)
    if "inside" in made:
        draw = draw_from_mesh(mesh) if observed is None else _draw_from_scan(observed, frame)
        queries = queries_of_mesh(mesh, signed, settings.inside, seeds.inside)
        scanned["inside"] = inside_rows(queries, draw, settings.inside, seeds.inside)
    drawn = [view for view in made if view != "images" or not source.gives_images]
    samples = {view: scanned.get(view) or _view_rows(view, mesh, signed, settings, seeds) for view in drawn}
    surface = {
        "faces": facts.faces,
        "watertight": facts.watertight,
        "sign_method": report.method.value,
        "sign_undecided": report.undecided,
        "sign_quality": report.quality,
        "inside_share": report.inside,
    }
    return ShapeSamples(shape_row(source, ref, settings, frame, surface), samples, missing, reason)


def warm_up() -> None:
    """Load, and where needed compile, what the first shape would otherwise have to wait for."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    # One face is missing, so that the path for open meshes is loaded as well.
    signed = SignedMesh(Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2]], dtype=np.int32)))
    signed.distance(corners)
    farthest_points(np.resize(corners, (COMPILED_FROM // len(corners), 3)), len(corners))


def _cleaned(mesh: Mesh) -> Mesh:
    cleaned = clean(mesh).mesh
    check_spread(cleaned.vertices, "vertices")
    return cleaned


def _in_frame(mesh: Mesh, frame: Normalisation) -> Mesh:
    """The mesh as it is stored: all samples refer to these rounded vertices."""
    vertices = frame.apply(mesh.vertices.astype(np.float64)).astype(np.float32)
    labels = None if mesh.face_labels is None else mesh.face_labels.astype(np.int32)
    return Mesh(vertices, mesh.faces.astype(np.int32), face_labels=labels)


def _scan_rows(
    observed: Cloud | Mesh, frame: Normalisation, settings: PrepareConfig, seeds: Seeds
) -> dict[str, list[Row]]:
    """Those views that are of what was observed."""
    views = [view for view in settings.views if view in OBSERVED_VIEWS]
    if isinstance(observed, Cloud):
        return rows_of_cloud(checked_scan(observed), frame, views, settings, seeds)
    mesh = _in_frame(_cleaned(observed), frame)
    signed = SignedMesh(mesh, seed=seeds.sign)
    return {view: _view_rows(view, mesh, signed, settings, seeds) for view in views}


def _draw_from_scan(observed: Cloud | Mesh, frame: Normalisation) -> Draw:
    if isinstance(observed, Mesh):
        return draw_from_mesh(_in_frame(_cleaned(observed), frame))
    return draw_from_points(frame.apply(np.asarray(checked_scan(observed).points, np.float64)))


def _view_rows(view: str, mesh: Mesh, signed: SignedMesh, settings: PrepareConfig, seeds: Seeds) -> list[Row]:
    radius = settings.framing.radius_of(mesh.vertices)
    if view == "sdf":
        return sdf_rows(mesh, signed, settings.sdf, seeds)
    if view == "udf":
        return udf_rows(mesh, signed, settings.udf, seeds, radius)
    if view == "occupancy":
        return [occupancy_row(mesh, signed, settings.occupancy, seeds)]
    if view == "cloud":
        return [surface_cloud_row(mesh, signed, settings.cloud, seeds, radius)]
    if view == "images":
        from shapesys.samples.shape_images import rendered_rows

        return rendered_rows(mesh, settings.images, seeds.images)
    labels = np.empty(0, np.int32) if mesh.face_labels is None else mesh.face_labels
    return [{"vertices": mesh.vertices, "faces": mesh.faces, "face_labels": labels}]


def sdf_rows(mesh: Mesh, signed: SignedMesh, config: QueryConfig, seeds: Seeds) -> list[Row]:
    """One row per chunk: points (n, 3) and signed distance (n,)."""
    points = query_points(mesh, config, seeds.surface, seeds.noise)
    distance = signed.distance(points).distance
    return [
        {"points": points[rows], "distance": distance[rows]}
        for rows in cut_into_chunks(len(points), config.chunk_size, seeds.order)
    ]


def udf_rows(mesh: Mesh, signed: SignedMesh, config: UnsignedConfig, seeds: Seeds, radius: float = 1.0) -> list[Row]:
    """One row per chunk of queries about the surface, see `unsigned_of_mesh`."""

    def sample(count: int, seed: int) -> Origins:
        found = sample_surface(mesh, count, seed)
        return Origins(found.points, _outward(found, signed, radius))

    def to(points: Floats) -> tuple[Floats, Floats]:
        found = signed.unsigned(points)
        return found.distance, found.closest

    return chunked(unsigned_of_mesh(sample, to, config, seeds.unsigned, radius), config, seeds.order)


def occupancy_row(mesh: Mesh, signed: SignedMesh, config: OccupancyConfig, seeds: Seeds) -> Row:
    """Points (n, 3) uniform in the padded bounding box, and which are inside."""
    points = box_points(mesh, config.points, config.padding, seeds.occupancy)
    return {"points": points, "inside": signed.inside(points)}


def surface_cloud_row(mesh: Mesh, signed: SignedMesh, config: CloudConfig, seeds: Seeds, radius: float = 1.0) -> Row:
    """Surface points (n, 3) in farthest-point order, from the candidate farthest from the frame's origin on; or as
    they are drawn, uniform over the area."""
    chosen = _chosen_of_surface(mesh, config, seeds.cloud)
    labels = None if mesh.face_labels is None else mesh.face_labels[chosen.faces]
    points = as_scanned(chosen.points, config, seeds.cloud)
    return cloud_row(points, Cloud(chosen.points, _outward(chosen, signed, radius), None, labels))


def _chosen_of_surface(mesh: Mesh, config: CloudConfig, seed: int) -> SurfaceSample:
    if config.order == "given":
        drawn = sample_surface(mesh, config.points, seed)
        return _taken(drawn, np.random.default_rng(seed).permutation(config.points))
    candidates = sample_surface(mesh, config.points * config.oversampling, seed)
    start = int(np.square(candidates.points).sum(axis=1).argmax())
    return _taken(candidates, farthest_points(candidates.points, config.points, start))


def _taken(sample: SurfaceSample, rows: Ints) -> SurfaceSample:
    return SurfaceSample(sample.points[rows], sample.normals[rows], sample.faces[rows])


def _outward(sample: SurfaceSample, signed: SignedMesh, radius: float) -> NDArray[np.float32]:
    """The normals (n, 3), turned where the inside is in front of them; as the file has them without trusted signs."""
    if not signed.report.trusted:
        return sample.normals
    step: Floats = np.float32(NORMAL_PROBE * radius) * sample.normals
    inward = signed.inside(sample.points + step) & ~signed.inside(sample.points - step)
    return np.where(inward[:, None], -sample.normals, sample.normals)
