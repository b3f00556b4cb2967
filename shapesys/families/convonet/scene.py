"""A scene of any size, seen window by window, and optimised for as a whole.

All windows share one network; an iteration of its optimisation asks some of them. Windows in which there is nothing to
see are skipped: they are outside. Features of windows are made when they are asked for, and as many are kept as fit.

Legend: M points of the scene, W windows.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from shapesys.families.convonet.config import Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import QuerySets, Steps, queries_about
from shapesys.families.convonet.points_by_core import PointsByCore
from shapesys.families.convonet.windows import memory_of_window, within
from shapesys.families.fields.occupancy import in_random_order
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.logit_field import in_parts
from shapesys.fields.memory import available_bytes
from shapesys.fields.windows import Answer, Asked, BlendedField, Index, WindowLattice
from shapesys.geometry.mesh import Floats
from shapesys.nets.scatter import Cells

FEATURES_SHARE = 0.25
"""Of the memory that is free, for features of windows."""
ELSEWHERE = -10.0
"""Logit where there is nothing to see."""
MARGIN = 0.25
"""Of the box about a scene's points, in cores: walls have a thickness that no scanner sees."""


@dataclass(frozen=True)
class Scene:
    """A cloud and the windows that see any of it.

    Attributes:
        points: of the cloud in random order, on the network's device.
        seeing: windows in which there are points, in order.
        limit: so many points of a window are seen: its first.
    """

    points: PointsByCore
    seeing: list[Index]
    limit: int

    @classmethod
    def of(cls, network: ConvONetObjective, cloud: Tensor, limit: int, generator: torch.Generator) -> Scene:
        """Windows over the box of a cloud, whose order is drawn.

        Raises:
            ShapesysError: there are more windows than anybody would want.
        """
        config = network.config
        points = cloud.cpu().numpy()
        lattice = WindowLattice.over(box_about(points, config.core), config.core, config.blend * config.core)
        shuffled = PointsByCore.of(in_random_order(cloud, generator), lattice)
        return cls(shuffled, lattice.seeing(points, config.side), limit)

    @property
    def lattice(self) -> WindowLattice:
        """Of the windows."""
        return self.points.lattice

    def seen_in(self, window: Index, side: float) -> Tensor:
        """(P, 3) points of a window of this side that the network sees, relative to its centre."""
        return self.points.in_cube(window, side)[: self.limit]


def box_about(points: Floats, core: float) -> Box:
    """Where a scene's surface is looked for."""
    low, high = points.min(axis=0) - MARGIN * core, points.max(axis=0) + MARGIN * core
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    return Box((x0, y0, z0), (x1, y1, z1))


@dataclass
class WindowAnswers:
    """Answers for windows of one scene; keeps the features of those asked last.

    Attributes:
        network: in evaluation mode.
        limit: bytes of features to keep; at least those of one window.
        share: of a GPU's memory for features, where others work on it, too.
        encoded: how many windows were encoded, those again that had been dropped.
    """

    network: ConvONetObjective
    scene: Scene
    limit: float
    share: float = 1.0
    encoded: int = 0
    _kept: OrderedDict[Index, Tensor] = field(default_factory=OrderedDict)

    def __call__(self, asked: Sequence[Asked]) -> list[Floats]:
        """What the windows say at their points."""
        return [self._answer(one) for one in asked]

    def to(self, device: torch.device) -> WindowAnswers:
        """The same by the network and the cloud on another device, where nothing is encoded yet."""
        scene = replace(self.scene, points=self.scene.points.to(device))
        limit = self.share * features_limit(device) if device.type == "cuda" else self.limit
        return WindowAnswers(copy.deepcopy(self.network).to(device), scene, limit, self.share)

    def shared_by(self, workers: int) -> WindowAnswers:
        """For one of so many processes on this machine, on a CPU, with its part of the memory, here or on a GPU."""
        moved = self.to(torch.device("cpu"))
        return replace(moved, limit=features_limit() / workers, share=1.0 / workers)

    @torch.no_grad()
    def _answer(self, asked: Asked) -> Floats:
        table = self._features(asked.window)
        return in_parts(lambda some: self.network.logits(some.unsqueeze(0), table)[0], asked.points, table.device)

    def _features(self, window: Index) -> Tensor:
        if window in self._kept:
            self._kept.move_to_end(window)
            return self._kept[window]
        points = self.scene.seen_in(window, self.network.config.side)
        table: Tensor = self.network.encoder(points.unsqueeze(0))
        self.encoded += 1
        self._kept[window] = table
        while len(self._kept) > 1 and len(self._kept) * table.numel() * table.element_size() > self.limit:
            self._kept.popitem(last=False)
        return table


def features_limit(device: torch.device | None = None) -> float:
    """Bytes of windows' features that may be kept, in the memory of a GPU or of this machine."""
    if device is not None and device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return FEATURES_SHARE * free
    return FEATURES_SHARE * available_bytes()


def scene_field(network: ConvONetObjective, scene: Scene, level: float, answer: Answer) -> BlendedField:
    """The field of a scene, as windows answer for it; its surface at this logit."""
    points = scene.points.cloud.cpu().numpy()
    box = box_about(points, network.config.core)
    traits = FieldTraits(level, box, negative_inside=False, is_distance=False)
    numbers = np.array([scene.lattice.number(one) for one in scene.seeing], np.int64)
    return BlendedField(scene.lattice, numbers, answer, ELSEWHERE, traits, points)


def windows_of(network: ConvONetObjective, scene: Scene, schedule: Schedule, generator: torch.Generator) -> Steps:
    """Each set of an iteration about the core of another window, at random; none again before all had their turn.

    Displaced points that leave what a window answers for would teach it about where it is never asked; they are
    reflected.
    """
    config, kept = network.config, dict[Index, tuple[Tensor, list[Cells], Tensor]]()
    with_points = scene.points.owning()
    waiting: list[Index] = []

    def step() -> Sequence[QuerySets]:
        return [_asked(_next()) for _ in range(schedule.batches)]

    def _next() -> Index:
        if not waiting:
            order = torch.randperm(len(with_points), generator=generator, device=generator.device).tolist()
            waiting.extend(with_points[row] for row in order)
        return waiting.pop()

    def _asked(window: Index) -> QuerySets:
        if window not in kept:
            there = scene.points.in_cube(window, config.side)
            seen = there[: scene.limit].unsqueeze(0)
            kept[window] = (seen, network.space.cells_of(seen), _core_of(window, there[: schedule.points]))
        points, cells, core = kept[window]
        queries = queries_about(core, 1, schedule, generator)
        queries[:, schedule.surface :] = reflected(queries[:, schedule.surface :], config.answered)
        return QuerySets(points, cells, queries, schedule.surface)

    def _core_of(window: Index, some: Tensor) -> Tensor:
        core = some[within(some, config.core)]
        return core if len(core) else scene.points.in_core(window)

    return step


def reflected(points: Tensor, side: float) -> Tensor:
    """Points in the cube of this side about the origin, those outside at their mirror images."""
    return 0.5 * side - ((points + 0.5 * side).remainder(2.0 * side) - side).abs()


def memory_facts(network: ConvONetObjective, scene: Scene) -> dict[str, float]:
    """Windows, those without anything to see, and what one takes in MiB."""
    memory = memory_of_window(network.config)
    return {
        "windows": float(scene.lattice.count),
        "windows_skipped": float(scene.lattice.count - len(scene.seeing)),
        "window_features_mib": memory.features / 2**20,
        "window_encoding_mib": memory.encoding / 2**20,
    }
