"""DPGNet: "Task-driven differentiable grouping for point cloud analysis" (Cheng, Xu and Quan), in PointNet++.

The idea in five lines. Superpixel sampling networks replace the hard assignment of SLIC by a soft one, so that the
grouping of pixels can be learnt from a task. Here the centroids of PointNet++ no longer stay at farthest points: in
each iteration a centroid moves to the mean of the points in its ball, weighted with exp(-distance of features), and
takes new features there. The gradient of the task reaches the features through the weights. `grouping = grid` is the
paper's straightforward extension instead: soft SLIC on a uniform grid, each point against its 27 surrounding cliques.

Legend: B clouds, N points.

Algorithm 1 leaves much open; every choice is a setting with its reason here and in `shapesys.nets.grouping`.
`iterations = 0` is PointNet++ with features of one width, to the bit: the baseline of the paper's tables. The gains of
table 2 (at most 0.34 points of IoU, one run each) are within the noise of a seed, so `shapesys reproduce dpgnet.table2`
prints the spread over seeds beside them.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import model_validator

from shapesys.config.base import Search, setting
from shapesys.families.base import TrainingData
from shapesys.families.points.config import PointConfig
from shapesys.families.points.family import point_family
from shapesys.families.points.objective import Labelled, PointObjective, label_count, told_categories
from shapesys.families.points.presets import (
    BEST,
    LAST,
    POINTNET2_CLASSES,
    SCENES,
    TINY_CLASSES,
    TINY_PARTS,
    TINY_SCENES,
    Sourced,
    preset,
    published,
    sized,
)
from shapesys.nets.dpgnet import DPGNetClassifier, DPGNetSegmenter
from shapesys.nets.grid_network import GridClassifier, GridSegmenter
from shapesys.nets.grouping import Grouping
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet2 import PointNet2Spec
from shapesys.nets.set_abstraction import Level


class DPGNetConfig(PointConfig):
    """Algorithm 1, or the grid variant of section 3.1."""

    grouping: Literal["balls", "grid"] = setting("balls", help="algorithm 1 in PointNet++, or soft SLIC on a 3-D grid")
    iterations: int = setting(
        1, help="of the grouping; 0 is plain PointNet++ of one width, or cliques that stay cells", ge=0, le=20,
        search=Search(choices=(0, 1, 2, 3, 5)),
    )  # fmt: skip
    distance: Literal["l2", "sq"] = setting(
        "l2",
        help="balls: distance of features, the norm (algorithm 1) or its square (equation 1)",
        search=Search(choices=("l2", "sq")),
    )
    temperature: Literal["width", "one", "learned"] = setting(
        "width",
        help="balls: what multiplies distances: 1 / sqrt(width), since distances grow with it; 1 as written; learned",
        search=Search(choices=("width", "one", "learned")),
    )
    normalise: bool = setting(
        True, help="balls: divide by the sum of similarities in a ball, as equation 2 and not algorithm 1"
    )
    regroup: bool = setting(
        False, help="balls: make them anew around moved centroids before their features are computed"
    )
    mask_copies: bool = setting(
        True, help="balls: count every point of one once, however often its padded table repeats it"
    )
    share_weights: bool = setting(True, help="balls: one network for all iterations, so that parameters stay as many")
    assignment: Literal["softmax", "written"] = setting(
        "softmax", help="grid: share each point among its candidates (superpixel sampling), or weigh it as equation 1"
    )
    cells: int = setting(8, help="grid: cells along each axis", ge=2, le=64)
    position_scale: float = setting(5.0, help="grid: weight of positions beside features in distances", ge=0)
    samples: int = setting(
        512, help="balls: centroids of the first level; the others keep their published share of them", ge=16
    )
    radius: float = setting(1.0, help="balls: factor on all published radii", gt=0, search=Search(0.5, 2.0, log=True))
    neighbours: float = setting(1.0, help="balls: factor on the published numbers of neighbours", gt=0)
    width: int = setting(128, help="channels of points and centroids alike", ge=8, search=Search(choices=(32, 64, 128)))

    @model_validator(mode="after")
    def _cliques_are_no_points(self) -> DPGNetConfig:
        if self.saliency_gradient and self.grouping == "grid":
            raise ValueError("saliency_gradient weighs features of points, and a grid's are those of cells; use balls")
        return self

    @property
    def samples_needed(self) -> int:
        return self.samples if self.grouping == "balls" else 0


class DPGNetObjective(PointObjective):
    """DPGNet; logs how the grouping goes: effective points of a ball, how far centroids moved."""

    def label(self, cloud: PointBatch) -> Labelled:
        logits, facts = self.network(cloud)
        return Labelled(logits, statistics={name: value.float().mean() for name, value in facts.items()})


_BALLS: dict[str, tuple[tuple[int, float, int], ...]] = {
    "classification": ((512, 0.2, 32), (128, 0.4, 64)),
    "parts": ((512, 0.2, 64), (128, 0.4, 64)),
    "scenes": ((1024, 0.1, 32), (256, 0.2, 32), (64, 0.4, 32), (16, 0.8, 32)),
}
_PROPAGATION = {
    "classification": (),
    "parts": ((256, 256), (256, 128), (128, 128, 128)),
    "scenes": ((256, 256), (256, 256), (256, 128), (128, 128, 128)),
}


def spec_of(config: DPGNetConfig) -> PointNet2Spec:
    """PointNet++'s levels of a task, with features of one width but for the level that takes all points."""
    share = config.samples / _BALLS[config.task][0][0]
    levels = [
        Level(
            max(4, round(npoint * share)),
            (radius * config.radius,),
            (max(2, round(count * config.neighbours)),),
            ((config.width,) * 3,),
        )
        for npoint, radius, count in _BALLS[config.task]
    ]
    if config.task != "scenes":
        levels.append(Level(None, (), (), (_scaled(config, 256, 512, 1024),)))
    return PointNet2Spec(tuple(levels), tuple(_scaled(config, *widths) for widths in _PROPAGATION[config.task]))


def _scaled(config: DPGNetConfig, *widths: int) -> tuple[int, ...]:
    """Published widths beside the published 128 channels, for this width."""
    return tuple(max(4, width * config.width // 128) for width in widths)


def build(config: DPGNetConfig, data: TrainingData) -> DPGNetObjective:
    """Fresh weights for the data's labels.

    Raises:
        ShapesysError: the data has too few labels.
    """
    network = _in_balls(config, data) if config.grouping == "balls" else _on_grid(config, data)
    return DPGNetObjective(network, config, data)


def _in_balls(config: DPGNetConfig, data: TrainingData) -> torch.nn.Module:
    labels, inputs, drop = label_count(config, data.vocabulary), config.feature_count, config.dropout
    moving = Grouping(
        config.iterations, config.distance, config.normalise, config.temperature, config.regroup, config.mask_copies,
        config.share_weights,
    )  # fmt: skip
    lift = (max(4, config.width // 2), config.width)
    if config.task == "classification":
        two = _scaled(config, 512, 256)
        return DPGNetClassifier(spec_of(config), inputs, labels, moving, lift, two, (drop, drop))
    told, one = told_categories(config, data.vocabulary), _scaled(config, 128)
    return DPGNetSegmenter(spec_of(config), inputs, labels, moving, told, lift, one, (drop,))


def _on_grid(config: DPGNetConfig, data: TrainingData) -> torch.nn.Module:
    labels, inputs, drop = label_count(config, data.vocabulary), config.feature_count, config.dropout
    grid = (config.cells, config.iterations, config.assignment, config.position_scale)
    widths = _scaled(config, 64, 64, 128)
    if config.task == "classification":
        cliques, two = _scaled(config, 128, 256, 1024), _scaled(config, 512, 256)
        return GridClassifier(inputs, labels, widths, *grid, cliques, two, (drop, drop))
    told, both = told_categories(config, data.vocabulary), _scaled(config, 128, 128)
    return GridSegmenter(inputs, labels, told, widths, *grid, both, both, (drop, 0.0))


_PROTOCOL: Sourced = (
    {
        "model.task": "parts",
        "model.frame": "mean_sphere",
        "model.bn_momentum": 0.1,
        "model.bn_factor": 0.5,
        "model.bn_step_epochs": 20,
        "model.bn_floor": 0.01,
        "model.augment.subset": "random",
        "model.augment.scale_low": 0.8,
        "model.augment.scale_high": 1.25,
        "model.augment.shift": 0.1,
        "train.points_per_shape": 2048,
        "train.weight_decay": 1e-4,
        "train.lr_step_epochs": 20,
        "train.lr_floor": 1e-5,
        "inference.points": 2048,
    },
    "not stated; the defaults of the PyTorch code that the paper's settings equal (yanx27/Pointnet_Pointnet2_pytorch)",
)
_STATED: Sourced = (
    {
        "train.optimiser": "adam",
        "train.shapes_per_step": 16,
        "train.learning_rate": 1e-3,
        "train.lr_factor": 0.5,
        "train.epochs": 250,
    },
    "section 4",
)
_NETWORK: Sourced = (
    {
        "model.samples": 512,
        "model.radius": 1.0,
        "model.neighbours": 1.0,
        "model.width": 128,
        "model.dropout": 0.5,
    },
    "not stated; PointNet++'s levels as its authors released them, with features of 128 channels throughout",
)
_SMALL = sized(samples=128, radius=1.4, neighbours=0.5, width=32, dropout=0.3)

FAMILY = point_family(
    name="dpgnet",
    summary="differentiable grouping in PointNet++, parts, classification and scenes",
    config=DPGNetConfig,
    presets={
        "tiny": preset("parts: a few hundred clouds on two CPU cores in minutes", _SMALL, TINY_PARTS),
        "tiny_classification": preset("the same for classification", TINY_CLASSES, _SMALL),
        "tiny_scenes": preset(
            "the same for rooms", sized(samples=256, radius=1.5, neighbours=0.5, width=32), TINY_SCENES
        ),
        "paper": preset("table 2: ShapeNet Part, 2,048 points", _PROTOCOL, _STATED, _NETWORK, BEST),
        "paper_classification": preset(
            "ModelNet40, 1,024 points; with 0 iterations it is table 1's", POINTNET2_CLASSES, _NETWORK, LAST
        ),
        "paper_scenes": preset(
            "section 3.2's scene parsing, for which the paper has no numbers", SCENES,
            published(samples=1024, radius=1.0, neighbours=1.0, width=128, dropout=0.5), LAST,
        ),
    },
    build=build,
)  # fmt: skip
