"""How shapes become samples: every choice, with the published defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from shapesys.config.base import Config, diff, setting
from shapesys.errors import UsageError, unknown_name
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import UNIT_SPHERE_MARGIN, FrameName, Framing
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.geometry.scan import Scan
from shapesys.samples.image_settings import ImageConfig
from shapesys.samples.isolation import Limits
from shapesys.samples.manifest import settings_digest
from shapesys.samples.views import VIEWS
from shapesys.sources.image import AnnotatedImage

SAMPLE_VIEWS = tuple(name for name in VIEWS if name not in ("shapes", "rejected"))

WORDS_FOR: dict[type, str] = {
    Mesh: "a mesh",
    Cloud: "a point cloud",
    Scan: "a scan",
    SampledSolid: "samples of a solid",
    AnnotatedImage: "an image",
}
VIEWS_OF: dict[type, tuple[str, ...]] = {
    Mesh: ("meshes", "sdf", "udf", "inside", "occupancy", "cloud", "images"),
    Cloud: ("udf", "cloud"),
    Scan: ("meshes", "sdf", "udf", "inside", "occupancy", "cloud", "images"),
    SampledSolid: ("udf", "inside", "occupancy", "cloud"),
    AnnotatedImage: ("superpixels",),
}
"""What a source gives -> the views that can be made of it. A source that gives pictures has `images`, too."""
OBSERVED_VIEWS = frozenset({"udf", "cloud"})
"""Views of what was observed, where that is a scan; all others are of the clean shape."""
WHERE_NAMED = frozenset({"udf", "inside", "images"})
"""Views that are made where `PrepareConfig.views` names them and nowhere else, so that a store from before they existed
is completed by the command that began it. Their settings are recorded with the view."""
UNSAID: dict[tuple[str, ...], Any] = {
    ("frame",): "unit_sphere",
    ("udf", "to"): "triangles",
    ("cloud", "noise"): 0.0,
}
"""Settings that stores from before them say nothing of -> what these were made with. It is never recorded, so that they
are completed, too."""


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
    Widths and distances are lengths of the frame: of `--frame mean` and `as_given`, in the unit of the files.
    """

    count: int = setting(500_000, help="queries per shape, half of them displaced locally, half globally", ge=1)
    neighbour: int = setting(50, help="k: the local standard deviation is the distance to the k-th neighbour", ge=1)
    global_std: float = setting(0.2, help="the global standard deviation; SAL takes 1 for a single shape", ge=0)
    to: Literal["triangles", "points"] = setting(
        "triangles",
        help="what distances are to: a mesh's triangles, or the points drawn on them before they are displaced; of a "
        "point cloud they are to all of its points, either way",
    )


class InsideConfig(ChunkedConfig):
    """Queries with their inside bit, and surface points beside them, as a training step of ConvONet takes both.

    Occupancy Networks: 100,000 uniform queries per shape in a cube a tenth larger than it; ConvONet's steps take 2,048
    of them and 3,000 surface points. Lengths are of the frame; ConvONet's is `--frame unit_cube`.
    """

    count: int = setting(100_000, help="queries per shape", ge=1)
    chunk: int = setting(2048, help="queries per chunk; a training step reads whole chunks", ge=1)
    near_share: float = setting(0.0, help="share of the queries that are displaced from the surface", ge=0, le=1)
    near_std: float = setting(0.01, help="standard deviation of what displaces them", needs="near_share", ge=0)
    padding: float = setting(0.1, help="how much larger than the shape the cube of queries is, as a share", ge=0)
    surface: int = setting(3000, help="surface points beside each chunk", ge=1)


class CloudConfig(Config):
    """Points of the surface, or of a cloud that the source gives."""

    points: int = setting(4096, help="points per shape; a smaller cloud keeps all of its own", ge=1)
    oversampling: int = setting(4, help="candidates on a mesh's surface for each point that is kept", ge=1)
    order: Literal["fps", "given"] = setting(
        "fps",
        help="fps: farthest point sampling, so that any prefix is such a sample; given: a cloud's first points as its "
        "file has them, or a mesh's as they are drawn, which is what some published protocols train on",
    )
    noise: float = setting(
        0.0, help="standard deviation of noise that is added to stored points, a length of the frame", ge=0
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
        (),
        help="views to make; where empty, all that the source can give but udf, inside and images, which are made "
        "where they are named",
    )
    sdf: QueryConfig = QueryConfig()
    udf: UnsignedConfig = UnsignedConfig()
    inside: InsideConfig = InsideConfig()
    cloud: CloudConfig = CloudConfig()
    occupancy: OccupancyConfig = OccupancyConfig()
    images: ImageConfig = ImageConfig()
    frame: FrameName = setting(
        "unit_sphere",
        help="where shapes lie: unit_sphere, about the box's centre; mean, the surface's mean (or the cloud's) at the "
        "origin, in the files' unit; as_given; mean_unit_cube, the mean at the origin and the largest |coordinate| 1; "
        "unit_cube, the box's centre at the origin and its longest side 1. A scan whose clean shape is known lies "
        "where that does",
    )
    margin: float = setting(
        UNIT_SPHERE_MARGIN, help="of the frame unit_sphere: the farthest vertex lies at radius 1 / margin", ge=1
    )
    seed: int = setting(0, help="seed of all random points", ge=0)
    limits: LimitConfig = LimitConfig()

    @field_validator("views")
    @classmethod
    def _known_views(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        for view in views:
            if view not in SAMPLE_VIEWS:
                raise ValueError(str(unknown_name("view", view, SAMPLE_VIEWS)))
        return tuple(name for name in SAMPLE_VIEWS if name in views)

    @field_validator("margin")
    @classmethod
    def _margin_of_the_sphere(cls, margin: float, info: ValidationInfo) -> float:
        frame = info.data.get("frame", "unit_sphere")
        if frame != "unit_sphere" and margin != UNIT_SPHERE_MARGIN:
            raise ValueError(f"only the frame unit_sphere has a margin; leave it out of frame {frame}")
        return margin

    @property
    def framing(self) -> Framing:
        """How every shape gets its frame."""
        return Framing(self.frame, self.margin)

    def of_what(self, gives: type, gives_images: bool = False) -> PrepareConfig:
        """The same with the views meant for a source: those named, or what can be made of what it gives by default.

        Args:
            gives_images: whether the source has pictures of its shapes.

        Raises:
            UsageError: a view was named that cannot be made of it, one that cannot be made in this frame, or settings
                of queries or of pictures where the source gives these.
        """
        word = WORDS_FOR[gives]
        able = tuple(view for view in SAMPLE_VIEWS if view in VIEWS_OF[gives] or (view == "images" and gives_images))
        for view in self.views:
            if view not in able:
                raise UsageError(
                    f"view '{view}' cannot be made of {word}, which is what this source gives; leave out --views, or "
                    f"choose among: {', '.join(able)}"
                )
        usual = tuple(view for view in able if view not in WHERE_NAMED)
        found = self if self.views else self.model_copy(update={"views": usual})
        found._check_frame(able)
        if gives is SampledSolid:
            found._check_given_queries()
        if gives_images and "images" in found.views:
            found._check_given_images()
        return found

    def _check_frame(self, able: tuple[str, ...]) -> None:
        """Refuse views to which the frame means nothing, and those that only the unit sphere has."""
        if self.framing.is_unit_sphere:
            return
        if "superpixels" in self.views:
            raise UsageError(f"an image lies in no frame; leave out --frame {self.frame}, or a --preset that sets it")
        if "sdf" in self.views:
            others = " ".join(view for view in able if view != "sdf")
            raise UsageError(
                f"view 'sdf' is made in the frame unit_sphere alone, since its queries fill that sphere; leave out "
                f"--frame {self.frame}, or name other views: --views {others}"
            )

    def _check_given_queries(self) -> None:
        """Refuse settings of how queries are drawn, where none are."""
        asked = {
            "inside.near_share": (self.inside.near_share, 0.0),
            "inside.padding": (self.inside.padding, InsideConfig().padding),
            "occupancy.padding": (self.occupancy.padding, OccupancyConfig().padding),
        }
        for path, (value, usual) in asked.items():
            if path.partition(".")[0] in self.views and value != usual:
                raise UsageError(
                    f"{path} = {value:g} cannot be had: this source gives {WORDS_FOR[SampledSolid]}, whose queries are "
                    "taken as they are; leave it out"
                )

    def _check_given_images(self) -> None:
        """Refuse settings of how pictures are rendered, where none is."""
        usual = self.images.model_copy(update={"views": ImageConfig().views})
        for path, _, value in diff(ImageConfig(), usual):
            raise UsageError(
                f"images.{path} = {value!r} cannot be had: this source gives pictures of its shapes, which are taken "
                "as they are; leave it out"
            )

    def recorded(self) -> dict[str, Any]:
        """The settings that the samples depend on, as plain JSON data."""
        absent = {view for view in WHERE_NAMED if view not in self.views}
        if not self.framing.is_unit_sphere:
            absent.add("margin")
        data: dict[str, Any] = self.model_dump(mode="json", exclude={"limits", *absent})
        for (*sections, name), before in UNSAID.items():
            holder = data
            for section in sections:
                holder = holder.get(section, {})
            if holder.get(name) == before:
                del holder[name]
        return data

    def digest(self) -> str:
        """Digest of `recorded`."""
        return settings_digest(self.recorded())

    def chunking(self) -> dict[str, tuple[int, int]]:
        """Chunked view -> (chunks per shape, samples per chunk)."""
        chunked: dict[str, ChunkedConfig] = {"sdf": self.sdf, "udf": self.udf, "inside": self.inside}
        found = {view: (one.chunks, one.chunk_size) for view, one in chunked.items()} | {
            "images": (self.images.views, 1)
        }
        return {view: chunks for view, chunks in found.items() if view in self.views}


_OF_SCANS = ("udf", "cloud", "meshes")
"""Views of the presets for scans; sources of bare clouds have no meshes."""
_OF_SOLIDS = ("meshes", "inside", "occupancy", "cloud")
PRESETS: dict[str, PrepareConfig] = {
    "paper": PrepareConfig(),
    "tiny": PrepareConfig(
        sdf=QueryConfig(count=16_384, chunk=4096),
        udf=UnsignedConfig(count=16_384, chunk=4096, neighbour=4),
        inside=InsideConfig(count=16_384, surface=1024),
        cloud=CloudConfig(points=2048),
        occupancy=OccupancyConfig(points=20_000),
    ),
    "sal": PrepareConfig(views=_OF_SCANS, frame="mean", cloud=CloudConfig(points=16_384)),
    "sald": PrepareConfig(
        views=_OF_SCANS,
        frame="as_given",
        udf=UnsignedConfig(neighbour=10, global_std=0.3),
        cloud=CloudConfig(points=29_929),
    ),
    "single": PrepareConfig(
        views=_OF_SCANS,
        frame="mean_unit_cube",
        udf=UnsignedConfig(global_std=1.0, to="points"),
        cloud=CloudConfig(points=16_384),
    ),
    "onet": PrepareConfig(
        views=_OF_SOLIDS,
        frame="unit_cube",
        cloud=CloudConfig(points=100_000, order="given", noise=0.005),
    ),
    "tiny_onet": PrepareConfig(
        views=_OF_SOLIDS,
        frame="unit_cube",
        inside=InsideConfig(count=16_384, surface=1024),
        cloud=CloudConfig(points=8192, order="given", noise=0.005),
        occupancy=OccupancyConfig(points=20_000),
    ),
}
"""Named settings: `paper` as ISSN publishes, `tiny` for a laptop, `onet` as Occupancy Networks and ConvONet do for
objects (100,000 uniform queries, 100,000 surface points, noise 0.005 in the unit cube), `tiny_onet` the same for a
laptop; and three that the released code of the sign-agnostic methods takes of 250,000 surface points, each displaced
twice:

`sal`: D-FAUST (`preprocess_dfaust.py`), in metres about the mean; 50th neighbour, 0.2.
`sald`: D-FAUST (the file of that name), as given; 10th neighbour, 0.3. It stores 500,000 further surface points for an
encoder and a normal term of weight 0; here, surface points are those that queries were displaced from.
`single`: one shape (SAL's `recon_dataset.py`), in the cube about the mean; 50th neighbour, 1.0, distances to points.

Their clouds have as many points as SAL (16,384) and SALD (173^2) measure against."""


def preset(name: str, gives: type | None = None) -> PrepareConfig:
    """Named settings, for a source that gives objects of this class: without views that cannot be made of them.

    Raises:
        UsageError: no such preset.
    """
    if name not in PRESETS:
        raise unknown_name("sampler preset", name, PRESETS)
    found = PRESETS[name]
    able = found.views if gives is None else VIEWS_OF[gives]
    return found.model_copy(update={"views": tuple(view for view in found.views if view in able)})
