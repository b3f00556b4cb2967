"""Settings that every family on point clouds has: the task, what a point carries, and the protocol of training.

The protocol is worth up to three points of accuracy for one and the same network (the same PointNet++ is reported
between 89.7 and 93.0 on ModelNet40), so all of it is named here, and presets are named after who publishes it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.families.base import SaliencyUse

Task = Literal["classification", "parts", "scenes"]


class Augmentation(Config):
    """How a training cloud is varied. Rotations, one scale for all axes and shifts keep the stored order of farthest
    point sampling valid; scales by axis, dropped points and random subsets do not, so that it is made anew."""

    subset: Literal["prefix", "random"] = setting(
        "prefix", help="the stored cloud's first points, or as many at random (again and again where there are too few)"
    )
    rotation: Literal["none", "up", "any"] = setting("none", help="random turn about the up axis, or about any axis")
    tilt: float = setting(0.0, help="standard deviation of small turns about all axes, in radians", ge=0)
    tilt_clip: float = setting(0.18, help="largest of them", ge=0)
    scale_low: float = setting(1.0, help="least random scale", gt=0)
    scale_high: float = setting(1.0, help="greatest random scale", gt=0)
    scale_by_axis: bool = setting(False, help="a scale for each axis instead of one for all")
    shift: float = setting(0.0, help="greatest random shift along each axis", ge=0)
    jitter: float = setting(0.0, help="standard deviation of noise on every coordinate", ge=0)
    jitter_clip: float = setting(0.05, help="largest noise", ge=0)
    dropped: float = setting(0.0, help="greatest share of points that are replaced by the first one", ge=0, lt=1)
    shuffle: bool = setting(True, help="put the points in random order, on which ball queries depend")

    @model_validator(mode="after")
    def _scales_in_order(self) -> Augmentation:
        if self.scale_low > self.scale_high:
            raise ValueError(f"scale_low {self.scale_low:g} exceeds scale_high {self.scale_high:g}; swap them")
        return self

    @property
    def breaks_order(self) -> bool:
        """Whether the stored order of farthest point sampling does not hold any more."""
        by_axis = self.scale_by_axis and self.scale_low < self.scale_high
        return by_axis or self.dropped > 0 or self.subset == "random"


class Blocks(Config):
    """How rooms are cut for scene parsing: square columns of the floor plan, as PointNet's S3DIS protocol has them."""

    side: float = setting(1.0, help="side of a block, in the unit of the files", gt=0)
    stride: float = setting(0.5, help="distance of neighbouring blocks at inference, where overlapping ones vote", gt=0)
    least_points: int = setting(
        64, help="blocks with fewer points are trained on only in rooms without fuller ones", ge=1
    )

    @model_validator(mode="after")
    def _no_gaps(self) -> Blocks:
        if self.stride > self.side:
            raise ValueError(
                f"stride {self.stride:g} exceeds side {self.side:g}, so that points lie in no block; lower it"
            )
        return self


class PointConfig(Config):
    """What families on point clouds have in common."""

    task: Task = setting(
        "classification",
        help="the category of a shape, its parts (labels of points), or the objects of a room, by blocks",
    )
    up: Literal["y", "z"] = setting("y", help="axis that points up in the files")
    normals: bool = setting(False, help="give the network normals beside positions")
    colors: bool = setting(False, help="give the network colours beside positions")
    frame: Literal["stored", "mean_sphere"] = setting(
        "stored",
        help="positions as stored (box centre at the origin, farthest point at 1/1.03), or as the released classifiers "
        "have them (mean at the origin, farthest point at 1); blocks of rooms are in the files' unit either way",
    )
    told_category: bool = setting(True, help="tell a network that labels parts the shape's category, as benchmarks do")
    smoothing: float = setting(0.0, help="label smoothing of the cross-entropy", ge=0, lt=1, search=Search(0.0, 0.3))
    smoothing_over: Literal["others", "all"] = setting(
        "others", help="share the smoothed mass among the other labels (DGCNN's), or among all (torch's)"
    )
    dropout: float = setting(0.5, help="dropout in the head", ge=0, lt=1, search=Search(0.0, 0.6))
    bn_momentum: float = setting(0.1, help="batch norm: share of the newest batch in running statistics", gt=0, le=1)
    bn_factor: float = setting(1.0, help="factor on that share every bn_step_epochs", gt=0, le=1)
    bn_step_epochs: int = setting(20, help="epochs between such steps", ge=1)
    bn_floor: float = setting(0.01, help="least share", gt=0, le=1)
    salient_points: int = setting(
        0,
        help="train on and classify each cloud by its k most salient points of those that its saliency map covers "
        "(data.saliency), whatever train.points_per_shape and inference.points are; 0 = off",
        ge=0,
    )
    saliency_gradient: bool = setting(
        False,
        help="in training, multiply the gradient of each point's last features before the maximum by its saliency "
        "(data.saliency), rescaled to [0, 1] for each shape",
    )
    augment: Augmentation = Augmentation()
    blocks: Blocks = Blocks()

    @model_validator(mode="after")
    def _saliency_serves_classification(self) -> PointConfig:
        if self.task != "classification" and self.salient_points:
            raise ValueError(
                f"salient_points {self.salient_points} would leave points without a label, and task {self.task} labels "
                "every point; set it to 0, or task to classification"
            )
        if self.task != "classification" and self.saliency_gradient:
            raise ValueError(
                f"saliency_gradient weighs what points give to the class of their cloud, which task {self.task} does "
                "not predict; leave it out, or set task to classification"
            )
        if 0 < self.salient_points < self.samples_needed:
            raise ValueError(
                f"salient_points {self.salient_points} are fewer than the {self.samples_needed} that the network "
                "samples of them; raise it, or lower samples"
            )
        return self

    @property
    def feature_count(self) -> int:
        """Numbers that a point carries beside its position; blocks add its place in the room."""
        return 3 * (int(self.normals) + int(self.colors) + int(self.task == "scenes"))

    @property
    def tells_category(self) -> bool:
        """Whether the network takes a cloud's category as an input."""
        return self.task == "parts" and self.told_category

    @property
    def saliency_use(self) -> SaliencyUse:
        """What is done with saliency maps."""
        return SaliencyUse(bool(self.salient_points) or self.saliency_gradient, self.salient_points)

    @property
    def samples_needed(self) -> int:
        """Rows of the order of farthest point sampling that the network asks for; 0 where it samples no points."""
        return 0

    def bn_momentum_at(self, epoch: int) -> float:
        """The share of the newest batch in an epoch."""
        return max(
            self.bn_momentum * self.bn_factor ** (epoch // self.bn_step_epochs), min(self.bn_floor, self.bn_momentum)
        )


class PointInference(Config):
    """How an unseen cloud is labelled."""

    points: int = setting(
        1024, help="points that the network sees at a time; a larger cloud is labelled in several goes", ge=1
    )
    votes: int = setting(
        1, help="passes over each cloud, whose probabilities are averaged; the first is unchanged", ge=1
    )
    vote_by: Literal["rotation", "scale"] = setting(
        "rotation",
        help="what differs between passes: even turns about the up axis, or scales from 0.8 to 1.2 by chance",
    )
    batch: int = setting(16, help="clouds that pass the network together", ge=1)


def augmentation(name: str) -> dict[str, Any]:
    """The settings of a published augmentation as dotted paths, for presets."""
    return {f"model.augment.{field}": value for field, value in _PUBLISHED[name].items()}


_PUBLISHED: dict[str, dict[str, Any]] = {
    "pointnet2": {
        "rotation": "up",
        "tilt": 0.06,
        "tilt_clip": 0.18,
        "scale_low": 0.8,
        "scale_high": 1.25,
        "shift": 0.1,
        "jitter": 0.01,
        "jitter_clip": 0.05,
    },
    "pointnet2_parts": {"subset": "random", "jitter": 0.01, "jitter_clip": 0.05},
    "dgcnn": {"scale_low": 2 / 3, "scale_high": 1.5, "scale_by_axis": True, "shift": 0.2},
}
