"""Labels of unseen clouds: every point of a cloud is labelled, however many it has, and passes may vote.

A cloud larger than the network's input is labelled in several goes of interleaved points: stored clouds are in the
order of farthest point sampling, so that every k-th point of one covers the shape evenly. Probabilities are averaged
over votes, and over the blocks of a room that share a point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation, PointPrediction
from shapesys.families.points.blocks import blocks_of
from shapesys.families.points.config import PointConfig, PointInference
from shapesys.families.points.objective import PointObjective
from shapesys.families.points.salient import with_saliency
from shapesys.families.points.sampling import fps_order
from shapesys.families.points.transforms import AXES, Points, centred, turn
from shapesys.nets.point_batch import PointBatch
from shapesys.samples.seeds import stable_hash

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pass:
    """One cloud as the network sees it.

    Attributes:
        owner: which observation it belongs to.
        rows: (k,) points of the observation that its first k points are; the others repeat some of them.
        cloud: of exactly as many points as the network takes.
    """

    owner: int
    rows: Rows
    cloud: Points


@torch.no_grad()
def infer(
    objective: PointObjective, observations: Sequence[Observation], config: PointInference, seed: int
) -> list[PointPrediction]:
    """Class probabilities, or those of each point's part, for every observation.

    Raises:
        ShapesysError: a cloud lacks what the network takes, such as its saliency map, or a category that the network
            is told is not known.
    """
    objective.eval()
    model = objective.config
    categories = [_category(objective, item) for item in observations]
    passes = (one for owner, item in enumerate(observations) for one in _passes(model, item, config, owner, seed))
    sums = [_Sums(len(item.columns["points"]), model.task) for item in observations]
    for group in _groups(passes, config.batch):
        batch = _batch(objective, group, [categories[one.owner] for one in group])
        probabilities = objective.label(batch).logits.float().softmax(dim=-1).cpu().numpy()
        for one, found in zip(group, probabilities, strict=True):
            sums[one.owner].add(one.rows, found)
    return [_prediction(objective, item, found) for item, found in zip(observations, sums, strict=True)]


class _Sums:
    """Probabilities of one observation, added up over its passes."""

    def __init__(self, points: int, task: str) -> None:
        self._points = points if task != "classification" else 1
        self._total: NDArray[np.float64] | None = None
        self._count = np.zeros(self._points)

    def add(self, rows: Rows, found: NDArray[np.float32]) -> None:
        """Add a pass: (L,) of the whole cloud, or (n, L) of which the first belong to these rows."""
        if self._total is None:
            self._total = np.zeros((self._points, found.shape[-1]))
        if found.ndim == 1:
            rows, found = np.zeros(1, np.int64), found[None]
        self._total[rows] += found[: len(rows)]
        self._count[rows] += 1

    def log_mean(self) -> NDArray[np.float32]:
        """(n, L) log of the mean probability."""
        assert self._total is not None
        mean = self._total / np.maximum(self._count, 1)[:, None]
        logs: NDArray[np.float32] = np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32)
        return logs


def _category(objective: PointObjective, item: Observation) -> int:
    """The category that the network is told, or any where it is not."""
    vocabulary = objective.vocabulary
    if not objective.config.tells_category:
        return 0
    if not item.category:
        raise ShapesysError(
            f"'{item.shape_id}': the network is told a shape's category; name it (--category), one of: "
            f"{', '.join(vocabulary.categories)}"
        )
    return vocabulary.class_of(item.category)


def _passes(model: PointConfig, item: Observation, config: PointInference, owner: int, seed: int) -> Iterator[Pass]:
    cloud = Points.of(model, item.columns, labelled=False)
    rng = np.random.default_rng([seed, stable_hash(item.shape_id)])
    if model.salient_points:
        cloud = with_saliency(model, cloud, item.columns, model.salient_points)
    count = model.salient_points or config.points
    framed = model.task == "scenes" or model.salient_points
    if model.task == "scenes":
        pieces = blocks_of(model, cloud, item.scale)
    else:
        pieces = [(np.arange(len(cloud.points)), cloud)]
    for vote in range(config.votes):
        for rows, piece in pieces:
            vary = _variation(config, model.up, vote, rng)
            goes = 1 if model.task == "classification" else -(-len(rows) // count)
            for first in range(goes):
                mine = np.arange(len(rows))[first::goes][:count]
                taken = piece.take(_filled(mine, count))
                # Varied last, as in training: a frame of unit radius would undo a scale.
                yield Pass(owner, rows[mine], vary(taken if framed else centred(taken, model.frame)))


def _variation(config: PointInference, up: str, vote: int, rng: np.random.Generator) -> Callable[[Points], Points]:
    """What one vote does to a cloud; the first vote sees it as it is."""
    if vote == 0:
        return lambda cloud: cloud
    if config.vote_by == "rotation":
        matrix = turn(AXES[up], 2 * np.pi * vote / config.votes).astype(np.float32)
        return lambda cloud: cloud.turned(matrix)
    scale = np.full(3, rng.uniform(0.8, 1.2), np.float32)
    return lambda cloud: cloud.scaled(scale)


def _filled(rows: Rows, count: int) -> Rows:
    """(count,) rows: these, then the same again as often as it takes."""
    return np.resize(rows, count)


def _groups(passes: Iterator[Pass], size: int) -> Iterator[list[Pass]]:
    group: list[Pass] = []
    for one in passes:
        group.append(one)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _batch(objective: PointObjective, group: Sequence[Pass], categories: Sequence[int]) -> PointBatch:
    model, device = objective.config, objective.first_part.device
    columns = [one.cloud.columns() for one in group]
    stacked = {name: torch.from_numpy(np.stack([each[name] for each in columns])).to(device) for name in columns[0]}
    if model.samples_needed:
        orders = [fps_order(each["points"], model.samples_needed, ordered=False) for each in columns]
        stacked["order"] = torch.from_numpy(np.stack(orders)).to(device)
    return objective.cloud_of(stacked | {"category_index": torch.tensor(categories, device=device)})


def _prediction(objective: PointObjective, item: Observation, found: _Sums) -> PointPrediction:
    scores = found.log_mean()
    if objective.config.task == "classification":
        return PointPrediction(item.shape_id, objective.vocabulary, class_scores=scores[0])
    return PointPrediction(item.shape_id, objective.vocabulary, part_scores=scores)
