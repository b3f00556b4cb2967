"""How shapes become samples: every choice, with the published defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from shapesys.config.base import Config, setting
from shapesys.errors import UsageError, unknown_name
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import UNIT_SPHERE_MARGIN
from shapesys.geometry.scan import Scan
from shapesys.samples.isolation import Limits
from shapesys.samples.manifest import settings_digest
from shapesys.samples.views import VIEWS
from shapesys.sources.image import AnnotatedImage

SAMPLE_VIEWS = tuple(name for name in VIEWS if name not in ("shapes", "rejected"))

WORDS_FOR: dict[type, str] = {Mesh: "a mesh", Cloud: "a point cloud", Scan: "a scan", AnnotatedImage: "an image"}
VIEWS_OF: dict[type, tuple[str, ...]] = {
    Mesh: ("meshes", "sdf", "udf", "occupancy", "cloud"),
    Cloud: ("udf", "cloud"),
    Scan: ("meshes", "sdf", "udf", "occupancy", "cloud"),
    AnnotatedImage: ("superpixels",),
}
"""What a source gives -> the views that can be made of it."""
OBSERVED_VIEWS = frozenset({"udf", "cloud"})
"""Views of what was observed, where that is a scan; all others are of the clean shape."""
WHERE_NAMED = frozenset({"udf"})
"""Views that are made where `PrepareConfig.views` names them and nowhere else, so that a store from before they existed
is completed by the command that began it. Their settings are recorded with the view."""


class ChunkedConfig(Config):
    """Queries of one shape, in chunks."""

    count: int = setting(250_000, help="queries per shape", ge=1)
    chunk: int = setting(16_384, help="queries per chunk; a training step reads whole chunks", ge=1)

    @property
    def chunk_size(self) -> int:
        """Queries per chunk: no larger than all queries together."""
        return min(self.chunk, self.count)

    @property
    def chunks(self) -> int:
        """Chunks per shape; the last is completed with the first queries, so that all have one size."""
        return -(-self.count // self.chunk_size)


class QueryConfig(ChunkedConfig):
    """Signed-distance queries. ISSN: 250,000 in the unit sphere, denser near the surface, 16,384 of them per step.

    ISSN leaves the densities open; these are DeepSDF's (PreprocessMesh.cpp): 47 of 50 queries near the surface, half
    of them displaced with variance 0.005 and half with 0.0005, the rest uniform.
    """

    near_share: float = setting(0.94, help="share of the queries that lie near the surface", ge=0, le=1)
    wide_std: float = setting(0.005**0.5, help="standard deviation of the wider half around the surface", ge=0)
    narrow_std: float = setting(0.0005**0.5, help="standard deviation of the narrower half", ge=0)


class UnsignedConfig(ChunkedConfig):
    """Distances to the raw surface, as SAL (Atzmon and Lipman, CVPR 2020) samples: surface points, displaced twice.

    Each once by a Gaussian as wide as its distance to the k-th neighbour among the surface points, once by one of fixed
    width. SAL's `preprocess_dfaust.py`: 250,000 surface points, 50th neighbour, width 0.2 (in metres, of people).
    """

    count: int = setting(500_000, help="queries per shape, half of them displaced locally, half globally", ge=1)
    neighbour: int = setting(50, help="k: the local standard deviation is the distance to the k-th neighbour", ge=1)
    global_std: float = setting(0.2, help="the global standard deviation; SAL takes 1 for a single shape", ge=0)


class CloudConfig(Config):
    """Points of the surface, or of a cloud that the source gives."""

    points: int = setting(4096, help="points per shape; a smaller cloud keeps all of its own", ge=1)
    oversampling: int = setting(4, help="candidates on a mesh's surface for each point that is kept", ge=1)
    order: Literal["fps", "given"] = setting(
        "fps",
        help="fps: farthest point sampling, so that any prefix is such a sample; given: a cloud's first points as its "
        "file has them, which is what some published protocols train on",
    )


class OccupancyConfig(Config):
    """Uniform points with their inside bit, for volumetric IoU (Occupancy Networks uses 100,000)."""

    points: int = setting(100_000, help="points per shape", ge=1)
    padding: float = setting(0.1, help="margin of the bounding box, as a share of its longest side", ge=0)


class LimitConfig(Config):
    """What one shape may cost. Limits change which shapes succeed, not what their samples are."""

    seconds: float = setting(120.0, help="wall-clock seconds per shape", gt=0)
    memory_gib: float = setting(8.0, help="GiB of address space per shape (enforced on Linux)", gt=0)

    def as_limits(self) -> Limits:
        return Limits(seconds=self.seconds, memory_gib=self.memory_gib)


class PrepareConfig(Config):
    """Everything `prepare` can be told."""

    views: tuple[str, ...] = setting(
        (), help="views to make; where empty, all that the source can give but udf, which is made where it is named"
    )
    sdf: QueryConfig = QueryConfig()
    udf: UnsignedConfig = UnsignedConfig()
    cloud: CloudConfig = CloudConfig()
    occupancy: OccupancyConfig = OccupancyConfig()
    margin: float = setting(UNIT_SPHERE_MARGIN, help="the farthest vertex lies at radius 1 / margin", ge=1)
    seed: int = setting(0, help="seed of all random points", ge=0)
    limits: LimitConfig = LimitConfig()

    @field_validator("views")
    @classmethod
    def _known_views(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        for view in views:
            if view not in SAMPLE_VIEWS:
                raise ValueError(str(unknown_name("view", view, SAMPLE_VIEWS)))
        return tuple(name for name in SAMPLE_VIEWS if name in views)

    def of_what(self, gives: type) -> PrepareConfig:
        """The same with the views meant for a source: those named, or what can be made of what it gives by default.

        Raises:
            UsageError: a view was named that cannot be made of it.
        """
        able, word = VIEWS_OF[gives], WORDS_FOR[gives]
        for view in self.views:
            if view not in able:
                raise UsageError(
                    f"view '{view}' cannot be made of {word}, which is what this source gives; leave out --views, or "
                    f"choose among: {', '.join(able)}"
                )
        usual = tuple(view for view in able if view not in WHERE_NAMED)
        return self if self.views else self.model_copy(update={"views": usual})

    def recorded(self) -> dict[str, Any]:
        """The settings that the samples depend on, as plain JSON data."""
        absent = {view for view in WHERE_NAMED if view not in self.views}
        data: dict[str, Any] = self.model_dump(mode="json", exclude={"limits", *absent})
        return data

    def digest(self) -> str:
        """Digest of `recorded`."""
        return settings_digest(self.recorded())

    def chunking(self) -> dict[str, tuple[int, int]]:
        """Chunked view -> (chunks per shape, samples per chunk)."""
        chunked = {
            "sdf": (self.sdf.chunks, self.sdf.chunk_size),
            "udf": (self.udf.chunks, self.udf.chunk_size),
        }
        return {view: sizes for view, sizes in chunked.items() if view in self.views}


PRESETS: dict[str, PrepareConfig] = {
    "paper": PrepareConfig(),
    "tiny": PrepareConfig(
        sdf=QueryConfig(count=16_384, chunk=4096),
        udf=UnsignedConfig(count=16_384, chunk=4096, neighbour=4),
        cloud=CloudConfig(points=2048),
        occupancy=OccupancyConfig(points=20_000),
    ),
}
"""Named settings: `paper` as ISSN publishes, `tiny` for a laptop."""
