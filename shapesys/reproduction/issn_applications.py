"""What saliency maps are used for in "Learning category-level shape saliency via deep implicit surface networks"
(arXiv 2012.07290, section 5): parts of surfaces, better classifiers, salient points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

from shapesys.reproduction.issn import (
    BOTH,
    BUILT_IN,
    CSL,
    IKEA,
    IKEA_MANUAL,
    ISSN,
    MODELNET40,
    MODELNET40_SHAPES,
    PCA,
    PCSM,
    PROCEDURAL,
    SHAPENET,
    SHAPENET_PART,
    SMALL_NETWORKS,
    TRUE_CATEGORY,
    TWIN_CATEGORIES,
    TWINS,
)
from shapesys.reproduction.recipe import Data, Measure
from shapesys.reproduction.saliency import (
    KNOWN,
    LEFT_OUT,
    Clusters,
    CutVariant,
    Known,
    MapVariant,
    SalientParts,
    TopPoints,
    WeighedGradients,
    measure_name,
)

DGCNN = MapVariant("DGCNN", key="dgcnn", kind=None, family="dgcnn", presets=BOTH)
POINTNET2 = MapVariant("PointNet++", key="pointnet2", kind=None, family="pointnet2", presets=BOTH)

_MODELNET: Mapping[str, Data] = {"tiny": PROCEDURAL, "paper": MODELNET40_SHAPES, "ikea_manual": IKEA_MANUAL}
_CATEGORIES = {"tiny": BUILT_IN, "paper": MODELNET40, "ikea_manual": IKEA}


def _weighed(network: MapVariant, plain: str, weighed: str) -> tuple[MapVariant, MapVariant]:
    """A classifier as usual and with weighed gradients, with their published overall and mean-class accuracy."""
    return (
        replace(network, published=_accuracies(plain)),
        replace(
            network,
            label=f"{network.label} w/ saliency",
            key=f"{network.key}-weighed",
            changes={"model.saliency_gradient": True},
            published=_accuracies(weighed),
            over=network.label,
        ),
    )


def _accuracies(printed: str) -> dict[str, str]:
    return dict(zip(("Overall", "Avg. class"), printed.split(), strict=True))


TABLE5 = WeighedGradients(
    name="issn.table5",
    title="classification with gradients weighed by saliency in training (%)",
    published_in="table 5 (ModelNet40)",
    variants=(*_weighed(POINTNET2, "92.5 90.4", "93.3 91.3"), *_weighed(DGCNN, "93.3 91.0", "93.7 90.4")),
    measures=(Measure("Overall", "oa/class", 100, 1), Measure("Avg. class", "macc/class", 100, 1)),
    data=_MODELNET,
    notes=(
        f"maps are those of {CSL.label} of the training shapes, rescaled to [0, 1] for each shape; tests are as usual",
        "weighed is the gradient of each point's last feature before the maximum, once: the paper does not name the "
        "layer, and weighing at every layer would multiply",
        "published plain numbers are the paper's own runs; it quotes 90.7 / - of PointNet++ and 92.9 / 90.2 of DGCNN "
        "from their first publications",
        "in the published table DGCNN's mean over classes falls with saliency, from 91.0 to 90.4",
        SMALL_NETWORKS,
    ),
    shares="issn",
    categories=_CATEGORIES,
    weights=CSL,
)

_COUNTS = (32, 64, 128, 256, 512)
_ALL = 1024


def _top(count: int, known: Known) -> str:
    return f"{count} {known}"


def _ranked(method: MapVariant, printed: str) -> MapVariant:
    titles = [_top(count, "oracle") for count in _COUNTS]
    return replace(method, published=dict(zip(titles, printed.split(), strict=True)))


TABLE6 = TopPoints(
    name="issn.table6",
    title="overall accuracy (%) of DGCNN by a shape's most salient points; oracle and predicted are "
    "different tasks, never to be compared",
    published_in="table 6 (ModelNet40)",
    variants=(
        replace(DGCNN, label="all 1,024 points", key="all", published={"all 1,024": "93.3"}),
        _ranked(PCA, "75.3 79.5 84.1 87.0 91.1"),
        _ranked(PCSM, "85.6 87.9 90.7 92.3 92.9"),
        _ranked(ISSN, "96.5 98.0 98.2 98.6 99.0"),
        _ranked(CSL, "98.0 98.8 99.4 99.6 99.7"),
    ),
    measures=(
        Measure("all 1,024", measure_name(_ALL, "oracle"), 100, 1),
        *(Measure(_top(count, known), measure_name(count, known), 100, 1) for known in KNOWN for count in _COUNTS),
        Measure("no map", LEFT_OUT, digits=0),
    ),
    data={**_MODELNET, "twins": TWINS},
    notes=(
        "oracle: a test shape's points are ranked by the map of its true category, which tells the classifier what it "
        "is to find out; the paper does not say how it knows the category, but this would explain why its 32 points do "
        "better than all 1,024, so its numbers stand beside this protocol",
        "predicted: points are ranked by the map of the category that the classifier behind PCSM takes the cloud for, "
        "as one could with an unknown shape; nothing is published of it",
        "a shape that a method can make no map of is seen by its first points, which lie far apart; the last column "
        "counts these shapes",
        "training shapes are ranked by their true category in both; PCA and all 1,024 points know no category",
        "at tiny scale the DGCNN that judges sees 32 to 128 points, and trains for 100 epochs, as the 20 of its preset "
        "are too few for points that lie close together, on shapes that are not turned, as in its authors' PyTorch "
        "script",
        SMALL_NETWORKS,
    ),
    shares="issn",
    categories=_CATEGORIES | {"twins": TWIN_CATEGORIES},
    classifier=PCSM,
    judge=DGCNN,
    judge_settings_at={"tiny": {"train.epochs": 100, "model.augment.rotation": "none"}},
    counts={"tiny": _COUNTS[:3], "paper": _COUNTS},
    all_points=_ALL,
)

FIGURE6 = Clusters(
    name="issn.figure6",
    title="clusters of shapes by the Hausdorff distance of their 10 most salient points",
    published_in="figure 6 (ModelNet40, pictures alone)",
    variants=(MapVariant("10 points far apart", key="apart", kind=None), PCA, PCSM, ISSN, CSL),
    measures=(
        Measure("silhouette, distances", "silhouette/hausdorff", digits=3),
        Measure("silhouette, t-SNE", "silhouette/embedded", digits=3),
        Measure("left out", LEFT_OUT, digits=0),
    ),
    data=_MODELNET,
    baseline=PCSM.label,
    notes=(
        "10 points far apart are the first 10 of farthest point sampling, which no method chose: what the extents of "
        "shapes alone tell of their categories",
        "silhouettes of the true categories, from -1 to 1, are ours: the paper judges by eye that ISSN-CSL clusters "
        "best, and that ISSN does better than PCSM",
        "shapes that a method can make no map of are left out",
        "the Hausdorff distance is the symmetric one, of test shapes alone: the paper says neither which, nor which "
        "shapes",
        TRUE_CATEGORY,
        SMALL_NETWORKS,
    ),
    shares="issn",
    categories=_CATEGORIES,
)


def _cut(at: float, by: Literal["saliency", "area"], words: str) -> CutVariant:
    network = {one.name: getattr(ISSN, one.name) for one in fields(ISSN)}
    return CutVariant(**network | {"label": f"ISSN, cut {words}"}, cut_at=at, cut_by=by)


FIGURE5 = SalientParts(
    name="issn.figure5",
    title="category-salient and instance-specific parts of reconstructed shapes",
    published_in="figure 5 (ShapeNet, pictures alone)",
    variants=(_cut(0.5, "saliency", "at saliency 0.5"), _cut(0.5, "area", "at half of the area")),
    measures=(
        Measure("surfaces (%)", "parts/extracted", 100, 0),
        Measure("cut in two (%)", "parts/cut", 100, 0),
        Measure("salient area (%)", "parts/salient_area", 100, 1),
        Measure("salient area, least (%)", "parts/salient_area", 100, 1, statistic="min"),
        Measure("salient area, greatest (%)", "parts/salient_area", 100, 1, statistic="max"),
        Measure("saliency, salient part", "parts/salient_mean", digits=3),
        Measure("saliency, specific part", "parts/specific_mean", digits=3),
    ),
    data={"tiny": PROCEDURAL, "paper": SHAPENET, "ikea_manual": IKEA_MANUAL},
    seeds=1,
    notes=(
        "left the reconstructed surface coloured by saliency, from its least to its greatest value; then its "
        "category-salient and its instance-specific part",
        "the threshold is not published: 0.5 is where an error of the distance is twice lambda; half of the area cuts "
        "every shape",
        "3 unseen shapes of each category; measures are means over the shapes unless they say otherwise",
        "meshes of surfaces and parts lie in the runs' folders as GLB files",
        SMALL_NETWORKS,
    ),
    shares="issn",
    categories={"tiny": BUILT_IN, "paper": SHAPENET_PART, "ikea_manual": IKEA},
    resolution={"tiny": 64, "paper": 256},
)
