"""PointNet: every point by itself, then the maximum over all (arXiv 1612.00593).

The idea in five lines. A function of a set must not depend on its order: an MLP, the same for all, is applied to
every point, and the maximum over the points, channel by channel, describes the cloud. Small networks of the same kind
(T-Nets) first turn the points, and later their features, into a pose of their own; a penalty keeps the turn of features
near a rotation. Points are labelled from their own features and the cloud's.

Legend: B clouds, N points.

What is open, and our choice: the variant of the DGCNN repository, without T-Nets, is `transforms = false`, but for its
head, which has one hidden layer there; dropout and protocol are the authors' released ones, see the presets;
checkpoints are never chosen on the test split.
"""

from __future__ import annotations

from typing import cast

from shapesys.config.base import Search, setting
from shapesys.families.base import TrainingData
from shapesys.families.points.config import PointConfig
from shapesys.families.points.family import point_family
from shapesys.families.points.objective import Labelled, PointObjective, label_count, told_categories
from shapesys.families.points.presets import (
    DGCNN_CLASSES,
    LAST,
    POINTNET2_CLASSES,
    POINTNET2_PARTS,
    TINY_CLASSES,
    TINY_PARTS,
    Sourced,
    preset,
    published,
    sized,
)
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet import PointNetClassifier, PointNetSegmenter

_CLASSES, _PARTS = (64, 64, 64, 128, 1024), (64, 128, 128, 512, 2048)


class PointNetConfig(PointConfig):
    """The published networks, and smaller ones of the same form."""

    transforms: bool = setting(True, help="T-Nets, of positions and of features")
    penalty: float = setting(1e-3, help="weight of the penalty on transforms that are not orthogonal", ge=0)
    width: float = setting(1.0, help="factor on all published widths", gt=0, search=Search(0.25, 1.0, log=True))


class PointNetObjective(PointObjective):
    """PointNet, whose transforms of features are kept near rotations."""

    def label(self, cloud: PointBatch) -> Labelled:
        logits, penalty = self.network(cloud)
        config = cast(PointNetConfig, self.config)
        return Labelled(logits, {"transform": (penalty, config.penalty)} if config.transforms else {})


def build(config: PointNetConfig, data: TrainingData) -> PointNetObjective:
    """Fresh weights for the data's labels.

    Raises:
        ShapesysError: the data has too few labels.
    """
    labels, inputs, drop = label_count(config, data.vocabulary), config.feature_count, config.dropout

    def scaled(*widths: int) -> list[int]:
        return [max(4, round(width * config.width)) for width in widths]

    if config.task == "classification":
        head = scaled(512, 256)
        classifier = PointNetClassifier(inputs, labels, scaled(*_CLASSES), config.transforms, head, (0.0, drop))
        return PointNetObjective(classifier, config, data)
    told, head, drops = told_categories(config, data.vocabulary), scaled(256, 256, 128), (drop, drop, 0.0)
    segmenter = PointNetSegmenter(inputs, labels, told, scaled(*_PARTS), config.transforms, head, drops)
    return PointNetObjective(segmenter, config, data)


_RELEASED: Sourced = (
    {
        "train.shapes_per_step": 32,
        "train.epochs": 250,
        "model.augment.tilt": 0.0,
        "model.augment.scale_low": 1.0,
        "model.augment.scale_high": 1.0,
        "model.augment.shift": 0.0,
    },
    "the authors' training script (charlesq34/pointnet), which turns clouds about the up axis and adds noise, no more",
)
_SMALL = sized(transforms=False, width=0.25, dropout=0.3)

FAMILY = point_family(
    name="pointnet",
    summary="PointNet, classification, parts and scenes (arXiv 1612.00593)",
    config=PointNetConfig,
    presets={
        "tiny": preset(
            "a quarter of the width, no T-Nets: a few hundred clouds on two CPU cores in a minute", TINY_CLASSES, _SMALL
        ),
        "tiny_parts": preset("the same for parts", _SMALL, TINY_PARTS),
        "paper": preset(
            "with T-Nets on 1,024 points: 89.2 % on ModelNet40", POINTNET2_CLASSES,
            published(transforms=True, penalty=1e-3, width=1.0, dropout=0.3),
            _RELEASED,
            LAST,
        ),
        "paper_parts": preset(
            "with T-Nets, told the category: 83.7 instance mIoU on ShapeNet Part", POINTNET2_PARTS,
            published(transforms=True, penalty=1e-3, width=1.0, dropout=0.2, told_category=True, normals=False), LAST,
        ),
        "smooth": preset(
            "without T-Nets by DGCNN's protocol: 90.7 % on ModelNet40 in SimpleView's comparison", DGCNN_CLASSES,
            published(transforms=False, width=1.0), LAST,
        ),
    },
    build=build,
)  # fmt: skip
