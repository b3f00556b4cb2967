"""Tables and figures of "Learning category-level shape saliency via deep implicit surface networks"
(arXiv 2012.07290).
"""

from __future__ import annotations

from collections.abc import Mapping

from shapesys.reproduction.recipe import Data, Measure, Scale
from shapesys.reproduction.saliency import MapTable, MapVariant

MODELNET40 = (
    *("airplane", "bathtub", "bed", "bench", "bookshelf", "bottle", "bowl", "car", "chair", "cone", "cup", "curtain"),
    *(
        "desk",
        "door",
        "dresser",
        "flower_pot",
        "glass_box",
        "guitar",
        "keyboard",
        "lamp",
        "laptop",
        "mantel",
        "monitor",
    ),
    *("night_stand", "person", "piano", "plant", "radio", "range_hood", "sink", "sofa", "stairs", "stool", "table"),
    *("tent", "toilet", "tv_stand", "vase", "wardrobe", "xbox"),
)
SHAPENET_PART = (
    *("airplane", "bag", "cap", "car", "chair", "earphone", "guitar", "knife", "lamp", "laptop", "motorbike", "mug"),
    *("pistol", "rocket", "skateboard", "table"),
)
_BUILT_IN = ("airplane", "bench", "bookshelf", "bottle", "car", "chair", "lamp", "mug", "sofa", "table")
_IKEA = ("chair", "table")

_PROCEDURAL = Data(
    "procedural-saliency",
    "procedural",
    {"categories": _BUILT_IN, "count": 40, "val_fraction": 0.0, "test_fraction": 0.25},
    changes={"views": ("meshes", "sdf", "cloud"), "cloud.points": 2048},
    differs="10 built-in categories, 30 shapes of each to learn from and 10 to measure",
)
_IKEA_MANUAL = Data(
    "ikea-manual",
    "ikea_manual",
    {"categories": _IKEA},
    changes={"views": ("meshes", "sdf", "cloud"), "cloud.points": 2048},
    brought="the folder ikea_manual, with parts/<Category>/<item>/*.obj",
    differs="real furniture: 36 chairs, which face different ways, and 16 tables",
)
_MODELNET40 = Data(
    "modelnet40",
    "modelnet40",
    sampler="paper",
    changes={"views": ("meshes", "sdf", "cloud")},
    brought="the folder ModelNet40 with its OFF files",
)
_SHAPENET = Data(
    "shapenet-part-shapes",
    "shapenet",
    {"categories": SHAPENET_PART},
    sampler="paper",
    changes={"views": ("meshes", "sdf", "cloud")},
    brought="the folder of ShapeNetCore with its synsets",
    differs="all models of the 16 categories of ShapeNet Part, split by all.csv or by a hash of their ids",
)

_BOTH: Mapping[Scale, str] = {"tiny": "tiny", "paper": "paper"}
_ALONE: Mapping[Scale, str] = {"tiny": "tiny_contrast", "paper": "paper_contrast"}
_CLASSIFIER = MapVariant("PCSM", key="pcsm", kind="classifier", family="pointnet", presets=_BOTH)
_JUDGE = MapVariant("DGCNN", key="dgcnn", kind="none", family="dgcnn", presets=_BOTH)

Published = Mapping[str, tuple[str, str, str]]
"""Method -> mean, min and max as printed."""


def _methods(published: Published) -> tuple[MapVariant, ...]:
    """The rows of tables 1 to 4."""
    return (
        MapVariant("PCA", key="pca", kind="geometry", published=_statistics(published["PCA"])),
        MapVariant(
            "PCSM", key="pcsm", kind="classifier", family="pointnet", presets=_BOTH,
            published=_statistics(published["PCSM"]),
        ),
        MapVariant(
            "ISSN (lambda 1e-3)", key="issn", kind="fields", family="issn", presets=_BOTH,
            published=_statistics(published["ISSN"]),
        ),
        MapVariant(
            "ISSN-CSL (lambda 0, gamma 1)", key="csl-contrast", kind="fields", family="issn_csl", presets=_ALONE,
            published=_statistics(published["contrast"]),
        ),
        MapVariant(
            "ISSN-CSL (lambda 1e-3, gamma 0.1)", key="csl", kind="fields", family="issn_csl", presets=_BOTH,
            published=_statistics(published["both"]),
        ),
    )  # fmt: skip


def _statistics(printed: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("Mean", "Min", "Max"), printed, strict=True))


def _columns(name: str) -> tuple[Measure, ...]:
    return (
        Measure("Mean", name, digits=3),
        Measure("Min", name, digits=3, statistic="min"),
        Measure("Max", name, digits=3, statistic="max"),
    )


_NOTES = (
    "every map is rescaled to [0, 1] before it is measured, as the paper says of its figures",
    "the classifier behind PCSM is a PointNet, alpha = 1: the paper names neither",
)
_SSR, _D_SYM = "ssr/min_max", "d_sym/min_max"


def _table(
    number: int, title: str, measured_on: str, paper: Data, categories: tuple[str, ...], measure: str, rows: Published
) -> MapTable:
    return MapTable(
        name=f"issn.table{number}",
        title=title,
        published_in=f"table {number} ({measured_on})",
        variants=_methods(rows),
        measures=_columns(measure),
        data={"tiny": _PROCEDURAL, "paper": paper, "ikea_manual": _IKEA_MANUAL},
        baseline="PCA",
        notes=_NOTES,
        shares="issn",
        classifier=_CLASSIFIER,
        categories={"tiny": _BUILT_IN, "paper": categories, "ikea_manual": _IKEA},
        metric_settings={"ikea_manual": {"symmetry_plane": "each"}},
    )


_SMOOTH = "smoothness of saliency maps (SSR, equation 5): lower is smoother"
_SYMMETRIC = "symmetry of saliency maps (d_sym, equation 6), of symmetric shapes: lower is more symmetric"

TABLE1 = _table(
    1, _SMOOTH, "ModelNet40", _MODELNET40, MODELNET40, _SSR,
    {
        "PCA": ("0.119", "0.024", "0.352"),
        "PCSM": ("0.311", "0.257", "0.347"),
        "ISSN": ("0.089", "0.012", "0.315"),
        "contrast": ("0.059", "0.011", "0.392"),
        "both": ("0.042", "0.009", "0.178"),
    },
)  # fmt: skip
TABLE2 = _table(
    2, _SMOOTH, "ShapeNet", _SHAPENET, SHAPENET_PART, _SSR,
    {
        "PCA": ("0.083", "0.025", "0.214"),
        "PCSM": ("0.300", "0.265", "0.331"),
        "ISSN": ("0.062", "0.013", "0.274"),
        "contrast": ("0.033", "0.007", "0.228"),
        "both": ("0.043", "0.004", "0.243"),
    },
)  # fmt: skip
TABLE3 = _table(
    3, _SYMMETRIC, "ModelNet40", _MODELNET40, MODELNET40, _D_SYM,
    {
        "PCA": ("0.105", "0.024", "0.460"),
        "PCSM": ("0.305", "0.234", "0.346"),
        "ISSN": ("0.064", "0.017", "0.333"),
        "contrast": ("0.161", "0.026", "0.492"),
        "both": ("0.157", "0.016", "0.507"),
    },
)  # fmt: skip
TABLE4 = _table(
    4, _SYMMETRIC, "ShapeNet", _SHAPENET, SHAPENET_PART, _D_SYM,
    {
        "PCA": ("0.144", "0.007", "0.408"),
        "PCSM": ("0.293", "0.079", "0.341"),
        "ISSN": ("0.067", "0.016", "0.295"),
        "contrast": ("0.077", "0.007", "0.403"),
        "both": ("0.073", "0.001", "0.500"),
    },
)  # fmt: skip
