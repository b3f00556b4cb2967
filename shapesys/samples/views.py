"""The views of the sample store: every table's columns, dtypes, shapes, units and meaning, declared once.

Frame of all coordinates: the shape's normalised frame (the unit sphere, unless the store was prepared with another
``--frame``; see `shapesys.geometry.normalise`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Column:
    """One column: Arrow type, the shape its flat list unfolds to ('' for scalars), unit and meaning."""

    name: str
    type: pa.DataType
    shape: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class View:
    """One table of the store. Chunked views hold one row per chunk of a shape, partitioned by chunk."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    chunked: bool = False

    @property
    def per_query(self) -> frozenset[str]:
        """Columns of a chunked view that have one row per query; others have as many in every chunk."""
        return frozenset(column.name for column in self.columns if column.shape.startswith("(n"))

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])


_FLOATS = pa.list_(pa.float32())
_INTS = pa.list_(pa.int32())
_ID = Column("shape_id", pa.string(), "", "", "category/name, unique in the store")

SHAPES = View(
    "shapes",
    "one row per prepared shape",
    (
        _ID,
        Column("category", pa.string(), "", "", "category name"),
        Column("split", pa.string(), "", "", "train, val or test"),
        Column("source", pa.string(), "", "", "registered source name"),
        Column("digest", pa.string(), "", "", "content digest of the input and of the settings"),
        Column("centre", pa.list_(pa.float64(), 3), "(3,)", "file unit", "origin of the normalised frame"),
        Column("scale", pa.float64(), "", "file unit", "length that becomes 1"),
        Column("faces", pa.int64(), "", "", "faces after cleaning"),
        Column("watertight", pa.bool_(), "", "", "every edge joins exactly two faces"),
        Column("symmetry_plane", pa.list_(pa.float64()), "(4,) or empty", "normalised", "n.x = d as nx, ny, nz, d"),
        Column("sign_method", pa.string(), "", "", "how inside was decided"),
        Column("sign_undecided", pa.float64(), "", "share", "of the bounding box, winding number near one half"),
        Column("sign_quality", pa.float64(), "", "share", "of the outer surface that separates inside from outside"),
        Column("inside_share", pa.float64(), "", "share", "of the bounding box, or of given queries, that is inside"),
        Column("parts", pa.list_(pa.string()), "(p,) or empty", "", "what the labels of the category's parts mean"),
        Column("sampler", pa.string(), "", "", "sampler settings as JSON"),
    ),
)

REJECTED = View(
    "rejected",
    "one row per shape, or view of a shape, that could not be prepared",
    (
        _ID,
        Column("category", pa.string(), "", "", "category name"),
        Column("split", pa.string(), "", "", "train, val or test; empty where the census could not tell"),
        Column("digest", pa.string(), "", "", "content digest of the input and of the settings"),
        Column("views", pa.list_(pa.string()), "(v,)", "", "the views the shape is missing from; all of them if empty"),
        Column("stage", pa.string(), "", "", "census, read, validate, normalise, sign, timeout, memory, crash, ..."),
        Column("reason", pa.string(), "", "", "what a person needs to know"),
    ),
)

MESHES = View(
    "meshes",
    "the cleaned, normalised surface: ground truth of the metrics and of the page",
    (
        _ID,
        Column("vertices", _FLOATS, "(V, 3)", "normalised", "vertex positions"),
        Column("faces", _INTS, "(F, 3)", "index", "vertex indices"),
        Column("face_labels", _INTS, "(F,) or empty", "", "part label of each face"),
    ),
)

SDF = View(
    "sdf",
    "one row per chunk of signed-distance queries, shuffled once at preparation",
    (
        _ID,
        Column("points", _FLOATS, "(n, 3)", "normalised", "query points"),
        Column("distance", _FLOATS, "(n,)", "normalised", "signed distance, negative inside"),
    ),
    chunked=True,
)

UDF = View(
    "udf",
    "one row per chunk of distances to the raw surface, shuffled once at preparation; no sign is needed",
    (
        _ID,
        Column("points", _FLOATS, "(n, 3)", "normalised", "query points"),
        Column("distance", _FLOATS, "(n,)", "normalised", "unsigned distance: to triangles, or to points (udf.to)"),
        Column("direction", _FLOATS, "(n, 3)", "unit", "away from the closest point; zero on the surface"),
        Column("surface", _FLOATS, "(n, 3)", "normalised", "the surface point that each query was displaced from"),
        Column("normals", _FLOATS, "(n, 3) or empty", "unit", "of these points, outward where the sign is trusted"),
        Column("spread", _FLOATS, "(n,)", "normalised", "distance of these points to their k-th neighbour"),
    ),
    chunked=True,
)

INSIDE = View(
    "inside",
    "one row per chunk of queries with their inside bit, shuffled once at preparation, and points of the surface",
    (
        _ID,
        Column("points", _FLOATS, "(n, 3)", "normalised", "query points"),
        Column("inside", pa.list_(pa.bool_()), "(n,)", "", "True inside the solid"),
        Column("near", pa.list_(pa.bool_()), "(n,)", "", "True of queries displaced from the surface, not uniform"),
        Column("surface", _FLOATS, "(m, 3)", "normalised", "points of the surface, or of its scan"),
    ),
    chunked=True,
)

OCCUPANCY = View(
    "occupancy",
    "uniform points of the shape's padded bounding box with their inside bit: volumetric IoU",
    (
        _ID,
        Column("points", _FLOATS, "(n, 3)", "normalised", "query points"),
        Column("inside", pa.list_(pa.bool_()), "(n,)", "", "True inside the solid"),
    ),
)

CLOUD = View(
    "cloud",
    "points in farthest-point-sampling order, unless cloud.order = given: any prefix is a farthest point sample",
    (
        _ID,
        Column("points", _FLOATS, "(n, 3)", "normalised", "surface points"),
        Column("normals", _FLOATS, "(n, 3) or empty", "unit", "outward normals where the sign is trusted"),
        Column("colors", _FLOATS, "(n, 3) or empty", "0 to 1", "red, green, blue"),
        Column("labels", _INTS, "(n,) or empty", "", "part label of each point"),
    ),
)

SUPERPIXELS = View(
    "superpixels",
    "an image with the segmentations that people drew on it",
    (
        _ID,
        Column("image", pa.binary(), "(bytes,)", "", "PNG, 8-bit RGB"),
        Column("annotations", pa.binary(), "(bytes,)", "", "PNG, 16-bit grey: the maps (a, h, w), one below the other"),
    ),
)

IMAGES = View(
    "images",
    "pictures of a shape, rendered or given; chunk k holds view k of every shape",
    (
        _ID,
        Column("image", pa.binary(), "(bytes,)", "", "PNG or JPEG; alpha: the share of a pixel that the shape covers"),
        Column(
            "camera",
            _FLOATS,
            "(5,) or empty",
            "degrees; 1.75",
            "azimuth, elevation, rotation in the image plane, distance (in units of 1.75), field of view",
        ),
        Column("world", _FLOATS, "(3, 4) or empty", "", "world to camera; of rendered ones, normalised; else as given"),
        Column(
            "intrinsics", _FLOATS, "(3, 3) or empty", "", "camera to image; of rendered ones, pixels; else as given"
        ),
    ),
    chunked=True,
)

VIEWS: dict[str, View] = {
    view.name: view for view in (SHAPES, REJECTED, MESHES, SDF, UDF, INSIDE, OCCUPANCY, CLOUD, SUPERPIXELS, IMAGES)
}
SIGNED_VIEWS = frozenset({"sdf", "inside", "occupancy"})
"""Views that need trusted signs; a shape without them is kept for the others."""
