"""Tables 1 and 2 of "Task-driven differentiable grouping for point cloud analysis"."""

from __future__ import annotations

from shapesys.reproduction.recipe import Data, Measure, Scale
from shapesys.reproduction.trained import TrainedRecipe, TrainedVariant

_SHAPES: dict[str, object] = {"count": 40, "val_fraction": 0.15, "test_fraction": 0.25}
_MADE = "10 built-in categories of procedural shapes, 40 of each, a network of a quarter of the width, 512 points"

_CLASSES: dict[Scale, str] = {"tiny": "tiny_classification", "paper": "paper_classification"}
_PLAIN: dict[Scale, str] = {"tiny": "tiny", "paper": "paper"}
_PARTS: dict[Scale, str] = {"tiny": "tiny", "paper": "paper"}

_LABELLED = Data(
    "procedural-clouds",
    "procedural",
    _SHAPES,
    changes={"views": ("cloud",), "cloud.points": 1024},
    differs=_MADE,
)

TABLE1 = TrainedRecipe(
    name="dpgnet.table1",
    title="classification: what it costs that centroids and points have features of one width",
    published_in="table 1 (ModelNet40, accuracy, mean of 3 runs)",
    variants=(
        TrainedVariant("PointNet++", "pointnet2", _PLAIN, published={"accuracy": "0.905 ± 0.002"}),
        TrainedVariant(
            "PointNet++ same dimensionality",
            "dpgnet",
            _CLASSES,
            {"model.iterations": 0},
            published={"accuracy": "0.902 ± 0.003"},
        ),
    ),
    measures=(Measure("accuracy", "oa/class", digits=3), Measure("mean-class accuracy", "macc/class", digits=3)),
    data={
        "tiny": _LABELLED,
        "paper": Data(
            "modelnet40-hdf5",
            "modelnet40_hdf5",
            sampler="paper",
            changes={"cloud.points": 2048},
            brought="the folder modelnet40_ply_hdf5_2048",
        ),
    },
    baseline="PointNet++",
)


def _grouped(iterations: int, accuracy: str, iou: str) -> TrainedVariant:
    label = "PointNet++ same dimensionality (0)" if iterations == 0 else f"{iterations}"
    published = {"accuracy": accuracy, "instance mIoU": iou}
    return TrainedVariant(label, "dpgnet", _PARTS, {"model.iterations": iterations}, published=published)


TABLE2 = TrainedRecipe(
    name="dpgnet.table2",
    title="part segmentation: iterations of differentiable grouping",
    published_in="table 2 (ShapeNet Part, 16 categories, 50 parts; one run each)",
    variants=(
        _grouped(0, "93.25", "83.48"),
        _grouped(1, "93.30", "83.82"),
        _grouped(2, "93.19", "83.43"),
        _grouped(3, "93.49", "83.71"),
        _grouped(5, "93.22", "83.68"),
    ),
    measures=(
        Measure("accuracy", "oa/point.restricted", 100),
        Measure("instance mIoU", "miou/instance.restricted", 100),
        Measure("category mIoU", "miou/category.restricted", 100),
    ),
    data={
        "tiny": _LABELLED,
        "paper": Data(
            "shapenet-part",
            "shapenet_part",
            sampler="paper",
            changes={"cloud.points": 4096},
            brought="the folder shapenetcore_partanno_segmentation_benchmark_v0_normal",
        ),
    },
    baseline="PointNet++ same dimensionality (0)",
    notes=(
        "the paper's first row is its PointNet++; that it has features of one width is our reading of section 3.3",
        "its IoU is not named; by its size it is the instance mIoU without normals",
    ),
)
