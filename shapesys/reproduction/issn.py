"""Tables and figures of "Learning category-level shape saliency via deep implicit surface networks"
(arXiv 2012.07290).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shapesys.reproduction.recipe import Data, Measure, Scale
from shapesys.reproduction.saliency import MapTable, MapVariant

MODELNET40 = (
    *("airplane", "bathtub", "bed", "bench", "bookshelf", "bottle", "bowl", "car", "chair", "cone", "cup", "curtain"),
    *("desk", "door", "dresser", "flower_pot", "glass_box", "guitar", "keyboard", "lamp", "laptop", "mantel"),
    *("monitor",),
    *("night_stand", "person", "piano", "plant", "radio", "range_hood", "sink", "sofa", "stairs", "stool", "table"),
    *("tent", "toilet", "tv_stand", "vase", "wardrobe", "xbox"),
)
SHAPENET_PART = (
    *("airplane", "bag", "cap", "car", "chair", "earphone", "guitar", "knife", "lamp", "laptop", "motorbike", "mug"),
    *("pistol", "rocket", "skateboard", "table"),
)
BUILT_IN = ("airplane", "bench", "bookshelf", "bottle", "car", "chair", "lamp", "mug", "sofa", "table")
TWIN_CATEGORIES = tuple(f"{name}-{twin}" for name in ("chair", "mug", "table") for twin in (1, 2))
IKEA = ("chair", "table")

PROCEDURAL = Data(
    "procedural-saliency",
    "procedural",
    {"categories": BUILT_IN, "count": 40, "val_fraction": 0.0, "test_fraction": 0.25},
    changes={"views": ("meshes", "sdf", "cloud"), "cloud.points": 2048},
    differs="10 built-in categories, 30 shapes of each to learn from and 10 to measure",
)
TWINS = Data(
    "procedural-twins",
    "procedural",
    {"categories": ("chair", "mug", "table"), "count": 40, "val_fraction": 0.0, "test_fraction": 0.25, "twins": True},
    changes={"views": ("meshes", "sdf", "cloud"), "cloud.points": 2048},
    differs="two categories each of the same chairs, mugs and tables, which no shape tells apart: whatever recognises "
    "more than half of them was told; 30 shapes of each to learn from and 10 to measure",
)
IKEA_MANUAL = Data(
    "ikea-manual",
    "ikea_manual",
    {"categories": IKEA},
    changes={"views": ("meshes", "sdf", "cloud"), "cloud.points": 2048},
    brought="the folder ikea_manual, with parts/<Category>/<item>/*.obj",
    differs="real furniture: 36 chairs, which face different ways, and 16 tables",
)
MODELNET40_SHAPES = Data(
    "modelnet40",
    "modelnet40",
    sampler="paper",
    changes={"views": ("meshes", "sdf", "cloud")},
    brought="the folder ModelNet40 with its OFF files",
)
SHAPENET = Data(
    "shapenet-part-shapes",
    "shapenet",
    {"categories": SHAPENET_PART},
    sampler="paper",
    changes={"views": ("meshes", "sdf", "cloud")},
    brought="the folder of ShapeNetCore with its synsets",
    differs="all models of the 16 categories of ShapeNet Part, split by all.csv or by a hash of their ids",
)

BOTH: Mapping[Scale, str] = {"tiny": "tiny", "paper": "paper"}
_ALONE: Mapping[Scale, str] = {"tiny": "tiny_contrast", "paper": "paper_contrast"}
PCSM = MapVariant("PCSM", key="pcsm", kind="classifier", family="dgcnn", presets=BOTH, trained_as="dgcnn")
TINY_LAMBDA, TINY_GAMMA = 5.0, 0.1
"""Factors on published weights at tiny scale: lambda is an error threshold, and small networks err that much more; a
thousand steps must not go to the contrast alone, as they do where gamma is much larger than lambda."""

PCA = MapVariant("PCA", key="pca", kind="geometry")
ISSN = MapVariant("ISSN (lambda 1e-3)", key="issn", kind="fields", family="issn", presets=BOTH)
CONTRAST = MapVariant(
    "ISSN-CSL (lambda 0, gamma 1)", key="csl-contrast", kind="fields", family="issn_csl", presets=_ALONE
)
CSL = MapVariant("ISSN-CSL (lambda 1e-3, gamma 0.1)", key="csl", kind="fields", family="issn_csl", presets=BOTH)

SMALL_NETWORKS = (
    "at tiny scale lambda is five times what a label says, since it is an error threshold and small networks err more; "
    "beside a lambda, gamma is a tenth of it, lest the few steps all go to the contrast"
)
TRUE_CATEGORY = (
    "a test shape's map is made for its true category, by that category's network or, by PCSM, as the gradient of that "
    "class: these maps know what an unknown shape would be asked for; PCA's know no category"
)
NOTES = (
    SMALL_NETWORKS,
    TRUE_CATEGORY,
    "maps are brought to [0, 1] by rank: the paper does not say how, but its PCSM lies with hardly any spread just "
    "below 1/3, where noise lies by rank, and nowhere near by least and greatest value; the last column has those",
    "the classifier behind PCSM is DGCNN, alpha = 1, of which the paper names neither; by PointNet, whose maximum most "
    "points never reach, most of a map is zero",
)
SSR, D_SYM = "ssr", "d_sym"
_SMOOTH = "smoothness of saliency maps (SSR, equation 5): lower is smoother"
_SYMMETRIC = "symmetry of saliency maps (d_sym, equation 6), of symmetric shapes: lower is more symmetric"
_WHERE = {"ModelNet40": (MODELNET40_SHAPES, MODELNET40), "ShapeNet": (SHAPENET, SHAPENET_PART)}

Row = tuple[MapVariant, str]
"""A method, and its mean, least and greatest value as printed."""


def _table(number: int, measured_on: str, measure: str, rows: Sequence[Row]) -> MapTable:
    paper, categories = _WHERE[measured_on]
    return MapTable(
        name=f"issn.table{number}",
        title=_SMOOTH if measure == SSR else _SYMMETRIC,
        published_in=f"table {number} ({measured_on})",
        variants=tuple(_printed(method, numbers) for method, numbers in rows),
        measures=(
            Measure("Mean", f"{measure}/rank", digits=3),
            Measure("Min", f"{measure}/rank", digits=3, statistic="min"),
            Measure("Max", f"{measure}/rank", digits=3, statistic="max"),
            Measure("Mean, min-max", f"{measure}/min_max", digits=3),
        ),
        data={"tiny": PROCEDURAL, "paper": paper, "ikea_manual": IKEA_MANUAL},
        notes=NOTES,
        shares="issn",
        categories={"tiny": BUILT_IN, "paper": categories, "ikea_manual": IKEA},
        metric_settings={"ikea_manual": {"symmetry_plane": "each"}},
    )


def _printed(method: MapVariant, numbers: str) -> MapVariant:
    return replace(method, published=dict(zip(("Mean", "Min", "Max"), numbers.split(), strict=True)))


def with_weights(published_lambda: float, gamma: float, group: str = "") -> MapVariant:
    """ISSN-CSL with other weights than the main ones; those that fail are forced."""
    weights = {"model.saliency_weight": published_lambda, "model.contrast_weight": gamma}
    tiny = {"model.saliency_weight": TINY_LAMBDA * published_lambda, "model.contrast_weight": TINY_GAMMA * gamma}
    failing = published_lambda == 0 and gamma < 1
    return MapVariant(
        f"ISSN-CSL (lambda {_short(published_lambda)}, gamma {_short(gamma)})",
        key=f"csl-{_short(published_lambda)}-{_short(gamma)}",
        kind="fields",
        family="issn_csl",
        presets=BOTH if published_lambda else _ALONE,
        changes=weights | ({"model.forced": True} if failing else {}),
        at_scale={"tiny": tiny if published_lambda else {}},
        group=group,
    )


def with_lambda(published_lambda: float, group: str = "") -> MapVariant:
    """ISSN with another lambda than the main one."""
    return MapVariant(
        f"ISSN (lambda {_short(published_lambda)})",
        key=f"issn-{_short(published_lambda)}",
        kind="fields",
        family="issn",
        presets=BOTH,
        changes={"model.saliency_weight": published_lambda},
        at_scale={"tiny": {"model.saliency_weight": TINY_LAMBDA * published_lambda}},
        group=group,
    )


def _short(value: float) -> str:
    """1e-3 as papers write it, 0.1 and 1 as they are."""
    return f"{value:.0e}".replace("e-0", "e-") if 0 < value < 0.1 else f"{value:g}"


TABLE1 = _table(
    1, "ModelNet40", SSR, (
        (PCA, "0.119 0.024 0.352"),
        (PCSM, "0.311 0.257 0.347"),
        (ISSN, "0.089 0.012 0.315"),
        (CONTRAST, "0.059 0.011 0.392"),
        (CSL, "0.042 0.009 0.178"),
    ),
)  # fmt: skip
TABLE2 = _table(
    2, "ShapeNet", SSR, (
        (PCA, "0.083 0.025 0.214"),
        (PCSM, "0.300 0.265 0.331"),
        (ISSN, "0.062 0.013 0.274"),
        (CONTRAST, "0.033 0.007 0.228"),
        (CSL, "0.043 0.004 0.243"),
    ),
)  # fmt: skip
TABLE3 = _table(
    3, "ModelNet40", D_SYM, (
        (PCA, "0.105 0.024 0.460"),
        (PCSM, "0.305 0.234 0.346"),
        (ISSN, "0.064 0.017 0.333"),
        (CONTRAST, "0.161 0.026 0.492"),
        (CSL, "0.157 0.016 0.507"),
    ),
)  # fmt: skip
TABLE4 = _table(
    4, "ShapeNet", D_SYM, (
        (PCA, "0.144 0.007 0.408"),
        (PCSM, "0.293 0.079 0.341"),
        (ISSN, "0.067 0.016 0.295"),
        (CONTRAST, "0.077 0.007 0.403"),
        (CSL, "0.073 0.001 0.500"),
    ),
)  # fmt: skip
_OTHER_WEIGHTS = (with_weights(1e-3, 1e-2), with_weights(1e-3, 1e-3), with_weights(1e-4, 1e-3))
TABLE7 = _table(
    7, "ShapeNet", SSR,
    tuple(zip(_OTHER_WEIGHTS, ("0.052 0.006 0.224", "0.059 0.010 0.247", "0.056 0.006 0.242"), strict=True)),
)  # fmt: skip
TABLE8 = _table(
    8, "ShapeNet", D_SYM,
    tuple(zip(_OTHER_WEIGHTS, ("0.073 0.008 0.493", "0.070 0.018 0.492", "0.085 0.009 0.496"), strict=True)),
)  # fmt: skip

_FIGURES = (
    "Figure 7: lambda in ISSN",
    "Figure 8: gamma in ISSN-CSL, lambda 0",
    "Figure 9: lambda and gamma in ISSN-CSL",
)
SWEEPS = MapTable(
    name="issn.sweeps",
    title="what lambda and gamma do to a map",
    published_in="figures 7 to 9 (appendix A), which are pictures",
    variants=(
        *(with_lambda(value, _FIGURES[0]) for value in (1e-1, 1e-2)),
        replace(ISSN, group=_FIGURES[0]),
        *(with_lambda(value, _FIGURES[0]) for value in (1e-4, 1e-5)),
        *(with_weights(0.0, value, _FIGURES[1]) for value in (1e-3, 1e-2, 1e-1)),
        replace(CONTRAST, group=_FIGURES[1]),
        replace(CSL, group=_FIGURES[2]),
        *(replace(variant, group=_FIGURES[2]) for variant in _OTHER_WEIGHTS),
    ),
    measures=(
        Measure("mean saliency", "saliency/mean", digits=3),
        Measure("greatest - least", "saliency/range", digits=3),
        Measure("SSR", f"{SSR}/rank", digits=3),
        Measure("d_sym", f"{D_SYM}/rank", digits=3),
    ),
    data={"tiny": PROCEDURAL, "paper": SHAPENET, "ikea_manual": IKEA_MANUAL},
    seeds=1,
    notes=(
        SMALL_NETWORKS,
        TRUE_CATEGORY,
        "of built-in shapes and ShapeNet, aeroplanes and chairs are measured",
        "weights that fail are forced, to show how",
        "mean, range and pictures are of maps as they are; SSR and d_sym are by rank, and tell nothing of a map whose "
        "range is next to nothing",
    ),
    shares="issn",
    categories={"tiny": BUILT_IN, "paper": SHAPENET_PART, "ikea_manual": IKEA},
    measured={"tiny": ("airplane", "chair"), "paper": ("airplane", "chair")},
    metric_settings={"ikea_manual": {"symmetry_plane": "each"}},
    pictured=3,
    coloured="none",
)
