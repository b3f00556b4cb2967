"""A scene of any size, seen window by window, and optimised for as a whole.

All windows share one network; an iteration of its optimisation asks some of them. Windows in which there is nothing to
see are skipped: they are outside. Features of windows are made when they are asked for, and as many are kept as fit.

Legend: M points of the scene, W windows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapesys.families.convonet.config import ConvONetConfig, Schedule
from shapesys.families.convonet.kept import Kept
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import QuerySets, Steps, queries_about
from shapesys.families.convonet.points_by_core import PointsByCore
from shapesys.families.convonet.windows import memory_of_window, within
from shapesys.families.fields.occupancy import in_random_order
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.logit_field import in_parts
from shapesys.fields.windows import Answer, Asked, BlendedField, Index, WindowLattice
from shapesys.geometry.mesh import Floats
from shapesys.nets.scatter import Cells

ELSEWHERE = -10.0
"""Logit where there is nothing to see."""
MARGIN = 0.125
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
        lattice = WindowLattice.over(box_about(points, config), config.core, config.blend * config.core)
        shuffled = PointsByCore.of(in_random_order(cloud, generator), lattice)
        return cls(shuffled, lattice.seeing(points, config.side), limit)

    @property
    def lattice(self) -> WindowLattice:
        """Of the windows."""
        return self.points.lattice

    def seen_in(self, window: Index, side: float) -> Tensor:
        """(P, 3) points of a window of this side that the network sees, relative to its centre."""
        return self.points.in_cube(window, side)[: self.limit]


def box_about(points: Floats, config: ConvONetConfig) -> Box:
    """Where the surface of a scene is looked for, given its points (M, 3).

    Beyond it is nothing that a window could blend with, so that the margin is wider than where its windows blend.
    """
    margin = (MARGIN + 0.5 * config.blend) * config.core
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    return Box((x0, y0, z0), (x1, y1, z1))


@dataclass(frozen=True)
class WindowAnswers:
    """Answers for windows of one scene.

    Attributes:
        network: in evaluation mode.
        features: (1, T, C) of windows, as many as there is room for.
    """

    network: ConvONetObjective
    scene: Scene
    features: Kept[Index, Tensor]

    @classmethod
    def by(cls, network: ConvONetObjective, scene: Scene, share: float = 1.0) -> WindowAnswers:
        """With features where the scene is, in a share of the room for them where others work there, too."""
        return cls(network, scene, Kept(scene.points.cloud.device, share))

    def __call__(self, asked: Sequence[Asked]) -> list[Floats]:
        """What the windows say at their points."""
        return [self._answer(one) for one in asked]

    def to(self, device: torch.device) -> WindowAnswers:
        """The same by the network and the cloud on another device, where nothing is encoded yet."""
        scene = replace(self.scene, points=self.scene.points.to(device))
        return WindowAnswers.by(copy.deepcopy(self.network).to(device), scene, self.features.share)

    def shared_by(self, workers: int) -> WindowAnswers:
        """For one of so many processes on this machine, on a CPU, with its part of the memory, here or on a GPU."""
        moved = self.to(torch.device("cpu"))
        return WindowAnswers.by(moved.network, moved.scene, 1.0 / workers)

    @torch.no_grad()
    def _answer(self, asked: Asked) -> Floats:
        table = self.features.of(asked.window, self._encoded)
        return in_parts(lambda some: self.network.logits(some.unsqueeze(0), table)[0], asked.points, table.device)

    def _encoded(self, window: Index) -> Tensor:
        points = self.scene.seen_in(window, self.network.config.side)
        table: Tensor = self.network.encoder(points.unsqueeze(0))
        return table


def scene_field(network: ConvONetObjective, scene: Scene, level: float, answer: Answer) -> BlendedField:
    """The field of a scene, as windows answer for it; its surface at this logit."""
    points = scene.points.cloud.cpu().numpy()
    box = box_about(points, network.config)
    traits = FieldTraits(level, box, negative_inside=False, is_distance=False)
    numbers = np.array([scene.lattice.number(one) for one in scene.seeing], np.int64)
    return BlendedField(scene.lattice, numbers, answer, ELSEWHERE, traits, points)


class _Looked(NamedTuple):
    """At a window: points that are seen of it (1, P, 3), their cells in every map, and points of its core (K, 3)."""

    seen: Tensor
    cells: tuple[Cells, ...]
    core: Tensor


def windows_of(network: ConvONetObjective, scene: Scene, schedule: Schedule, generator: torch.Generator) -> Steps:
    """Each set of an iteration about the core of another window, at random; none again before all had their turn.

    Displaced points that leave what a window answers for would teach it about where it is never asked; they are
    reflected.
    """
    config, kept = network.config, Kept[Index, _Looked](scene.points.cloud.device)
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
        there = kept.of(window, _looked_at)
        queries = queries_about(there.core, 1, schedule, generator)
        queries[:, schedule.surface :] = reflected(queries[:, schedule.surface :], config.answered)
        return QuerySets(there.seen, there.cells, queries, schedule.surface)

    def _looked_at(window: Index) -> _Looked:
        there = scene.points.in_cube(window, config.side)
        # A copy: what is kept of few points should not keep all of them.
        seen = there[: scene.limit].clone().unsqueeze(0)
        cells = tuple(network.space.cells_of(seen))
        return _Looked(seen, cells, _core_of(window, there[: schedule.points]))

    def _core_of(window: Index, some: Tensor) -> Tensor:
        core = some[within(some, config.core)]
        return core if len(core) else scene.points.in_core(window)

    return step


def reflected(points: Tensor, side: float) -> Tensor:
    """Points in the cube of this side about the origin, those outside at their mirror images."""
    return 0.5 * side - ((points + 0.5 * side).remainder(2.0 * side) - side).abs()


def scene_facts(network: ConvONetObjective, scene: Scene) -> dict[str, float]:
    """Windows, those without anything to see, what one takes in MiB, and how wide cells of features are."""
    memory = memory_of_window(network.config)
    return {
        "windows": float(scene.lattice.count),
        "windows_skipped": float(scene.lattice.count - len(scene.seeing)),
        "window_features_mib": memory.features / 2**20,
        "window_encoding_mib": memory.encoding / 2**20,
        "feature_cell": network.space.side / max(one.resolution for one in network.space.maps),
    }
