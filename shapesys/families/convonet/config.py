"""Settings of ConvONet: where features are, the networks between, and what is done with an unseen cloud."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.families.fields.occupancy_config import LEVEL, CloudConfig
from shapesys.nets.conv_encoder import ConvEncoder
from shapesys.nets.feature_maps import PLANES, FeatureSpace, grid_map, plane_maps
from shapesys.nets.local_decoder import LocalDecoder
from shapesys.nets.local_pointnet import Pooling
from shapesys.nets.unet3d import GROUPS, without_groups


class ConvONetConfig(CloudConfig):
    """The maps of features and the networks; published sizes are the defaults."""

    core: float = setting(
        0.0,
        help="for scenes of any size: side of the cube in the middle of a window that the network answers for, while "
        "`side` is that of the window, in which it sees; 0: it sees shapes as wholes",
        ge=0,
    )
    blend: float = setting(
        0.25,
        help="width over which neighbouring windows' answers blend, as a share of the core",
        needs="core",
        ge=0,
        le=1,
    )
    window_queries: int = setting(1024, help="queries of a window in each training step", needs="core", ge=1)
    planes: Literal[0, 1, 3] = setting(3, help="planes with features: none, the ground's (xz), or xz, xy and yz")
    plane_resolution: int = setting(64, help="cells along a side of each plane", needs="planes", ge=4)
    plane_depth: int = setting(4, help="levels of the planes' U-Net", needs="planes", ge=1, le=8)
    plane_filters: int = setting(
        32, help="filters of its first level; twice as many at each further one", needs="planes", ge=1
    )
    grid_resolution: int = setting(0, help="cells along a side of the grid of features; 0 for no grid", ge=0)
    grid_levels: int = setting(3, help="levels of the grid's U-Net", needs="grid_resolution", ge=1, le=8)
    grid_filters: int = setting(
        32, help="filters of its first level; twice as many at each further one", needs="grid_resolution", ge=1
    )
    in_cells: bool = setting(
        False,
        help="tell the networks where in its cell of the grid a point is, not where in the cube, as released for "
        "crops: what they learn is the same everywhere",
        needs="grid_resolution",
    )
    channels: int = setting(32, help="channels of a feature", ge=1, search=Search(choices=(16, 32, 64)))
    hidden: int = setting(32, help="width of the network that sees points", ge=1)
    blocks: int = setting(5, help="residual blocks of the network that sees points", ge=1)
    pooling: Pooling = setting("max", help="max or mean over the points of a cell, after each of these blocks")
    decoder_hidden: int = setting(32, help="width of the decoder", ge=1)
    decoder_blocks: int = setting(5, help="residual blocks of the decoder", ge=1)

    @model_validator(mode="after")
    def _has_features_that_fit(self) -> ConvONetConfig:
        if not (self.planes or self.grid_resolution):
            raise ValueError("planes = 0 and grid_resolution = 0 leave no features; set one of them")
        if self.planes:
            _check_resolution("plane", self.plane_resolution, "plane_depth", self.plane_depth)
        if self.grid_resolution:
            self._check_grid()
        if self.answered > self.side:
            raise ValueError(
                f"a window of side {self.side:g} does not see all of its core of {self.core:g} and the "
                f"{self.blend * self.core:g} over which it blends; lower core or blend, or raise side"
            )
        return self

    def _check_grid(self) -> None:
        if self.grid_resolution == 1:
            raise ValueError("grid_resolution = 1 leaves nothing to read between; take 2 or more, or 0 for no grid")
        _check_resolution("grid", self.grid_resolution, "grid_levels", self.grid_levels)
        odd = without_groups(self.channels, self.grid_levels, self.grid_filters)
        if odd:
            raise ValueError(
                f"channels = {self.channels} and grid_filters = {self.grid_filters} make {odd} channels, which do not "
                f"fall into {GROUPS} groups to normalise; take multiples of {2 * GROUPS}, or at most {GROUPS}"
            )

    @property
    def answered(self) -> float:
        """Side of the cube that a window answers for: its core, and where it blends with others."""
        return self.core * (1.0 + self.blend)

    def space(self) -> FeatureSpace:
        """Where features are."""
        planes = plane_maps(self.plane_resolution, PLANES[: self.planes]) if self.planes else ()
        grid = (grid_map(self.grid_resolution),) if self.grid_resolution else ()
        return FeatureSpace((*planes, *grid), self.side, self.grid_resolution if self.in_cells else 0)

    def encoder(self) -> ConvEncoder:
        """Fresh weights."""
        return ConvEncoder(
            self.space(),
            self.channels,
            self.hidden,
            self.blocks,
            self.pooling,
            self.plane_depth,
            self.plane_filters,
            self.grid_levels,
            self.grid_filters,
        )

    def decoder(self) -> LocalDecoder:
        """Fresh weights."""
        return LocalDecoder(self.channels, self.decoder_hidden, self.decoder_blocks)


def _check_resolution(which: str, resolution: int, name: str, levels: int) -> None:
    divisor = 2 ** (levels - 1)
    if resolution % divisor:
        below, above = resolution // divisor * divisor, -(-resolution // divisor) * divisor
        raise ValueError(
            f"{which}_resolution = {resolution} cannot be halved {levels - 1} times, as a U-Net with {name} = {levels} "
            f"does; take {f'{below} or ' if below else ''}{above}, or a smaller {name}"
        )


Part = Literal["network", "encoder"]


@dataclass(frozen=True)
class Schedule:
    """How a network is optimised for one cloud.

    Attributes:
        points: of the cloud that it is optimised for; of a scene, in each window at most.
        as_trained: whether it sees only as many of these as in training, while queries are of all of them; a small
            network takes many more points than it has learnt from for a thicker surface.
        start: probability of being inside that counts as one half from then on: logits are shifted by it, since the
            signs that they begin with mostly stay. Lower keeps thin parts, of whose inside a network is unsure.
        iterations: of Adam.
        learning_rate: at first; times `decay` every `decay_every` iterations.
        batches: sets of queries per iteration, whose losses are averaged.
        surface, off_surface: queries of each: points of the cloud, and points displaced from it.
        std: standard deviation of what displaces them.
        part: what is optimised.
        norms: whether its group norms are, too.
        level: probability of being inside at which the surface is taken afterwards.
    """

    points: int = 30_000
    as_trained: bool = False
    start: float = 0.5
    iterations: int = 720
    learning_rate: float = 3e-5
    decay: float = 0.3
    decay_every: int = 300
    batches: int = 16
    surface: int = 512
    off_surface: int = 1536
    std: float = 0.1
    part: Part = "network"
    norms: bool = True
    level: float = 0.5

    def seen(self, trained_on: int) -> int:
        """Points that the network sees, which has learnt from so many."""
        return min(self.points, trained_on) if self.as_trained else self.points


SCHEDULES = {
    "objects": Schedule(),
    "rooms": Schedule(batches=6, surface=1536, off_surface=512),
    "windows": Schedule(
        points=65_536,
        iterations=2000,
        decay_every=800,
        batches=3,
        surface=16_384,
        off_surface=49_152,
        part="encoder",
        norms=False,
        level=0.25,
    ),
    "paper": Schedule(iterations=1000, decay_every=400),
    "tiny": Schedule(
        points=8192, as_trained=True, start=LEVEL, iterations=300, learning_rate=1e-4, decay_every=150, batches=4
    ),
}
"""`objects`, `rooms` and `windows` as the released settings for ShapeNet chairs, for synthetic rooms and ScanNet, and
for crops of Matterport3D; `paper` as readers of the paper report it; `tiny`, ours, for a laptop. Released
scripts write surfaces of objects and rooms at 0.4, 0.45 and 0.5."""

ScheduleName = Literal["objects", "rooms", "windows", "paper", "tiny"]


class ConvONetInference(Config):
    """What is done with an unseen cloud: one pass through the network, or an optimisation of a copy of it.

    Settings that are left out are those of the schedule.
    """

    schedule: ScheduleName | None = setting(
        None, help="optimise a copy of the network for each cloud, without signs, by this schedule; none: do not"
    )
    points: int | None = setting(
        None,
        help="points that the network sees, of a cloud or in each window of a scene: without a schedule by default as "
        "many as in training; with one, those that it is optimised for",
        ge=1,
    )
    as_trained: bool | None = setting(
        None,
        help="see only as many of the points as in training, while queries are of all of them",
        needs="schedule",
    )
    level: float | None = setting(
        None,
        help="probability of being inside at which the surface is; without a schedule 0.2, as published; with one "
        "what counts as one half, but for published windows",
        gt=0,
        lt=1,
        search=Search(0.1, 0.6),
    )
    start: float | None = setting(
        None,
        help="probability of being inside that counts as one half from then on: signs begin as those of the surface "
        "there",
        needs="schedule",
        gt=0,
        lt=1,
        search=Search(0.1, 0.5),
    )
    part: Part | None = setting(None, help="what is optimised: the network, or its encoder alone", needs="schedule")
    norms: bool | None = setting(None, help="optimise its group norms as well", needs="schedule")
    iterations: int | None = setting(
        None, help="of Adam", needs="schedule", ge=0, search=Search(choices=(100, 300, 600, 1000))
    )
    learning_rate: float | None = setting(
        None, help="Adam's rate at first", needs="schedule", gt=0, search=Search(1e-5, 1e-3, log=True)
    )
    decay: float | None = setting(
        None, help="what the rate is multiplied by now and then", needs="schedule", gt=0, le=1
    )
    decay_every: int | None = setting(None, help="iterations between two decays", needs="schedule", ge=1)
    batches: int | None = setting(
        None, help="sets of queries per iteration; the cloud is encoded once for all of them", needs="schedule", ge=1
    )
    surface: int | None = setting(None, help="points of the cloud in each set", needs="schedule", ge=1)
    off_surface: int | None = setting(None, help="displaced points in each set", needs="schedule", ge=1)
    std: float | None = setting(
        None,
        help="standard deviation of their displacement, a length of the frame",
        needs="schedule",
        gt=0,
        search=Search(0.02, 0.2, log=True),
    )
    plateau: float = setting(
        0.0,
        help="stop once 50 iterations lower the mean loss, less its floor, by less than this share of it; 0: never",
        needs="schedule",
        ge=0,
        lt=1,
    )

    def planned(self) -> Schedule | None:
        """The schedule with what is set in its place; None without."""
        if self.schedule is None:
            return None
        usual = SCHEDULES[self.schedule]
        given: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(Schedule)}
        return Schedule(**{name: getattr(usual, name) if value is None else value for name, value in given.items()})

    def stands_for(self) -> dict[str, Any]:
        """All values of the schedule."""
        planned = self.planned()
        return asdict(planned) if planned else {}

    def seen_points(self, trained_on: int) -> int:
        """Of the cloud or in each window, by a network that has learnt from so many."""
        planned = self.planned()
        return planned.seen(trained_on) if planned else self.points or trained_on

    @property
    def surface_level(self) -> float:
        """Probability of being inside at which the surface is."""
        planned = self.planned()
        return planned.level if planned else self.level or LEVEL
