"""What sign-agnostic learning claims, on scans: SALD (arXiv 2006.05400), SAL (arXiv 1911.10414) and DiGS (CVPR 2022).

Their tables are of D-FAUST, of ShapeNet and of the surface reconstruction benchmark, none of which comes with the
package. What is compared here is what they say of each other, on built-in scans of shapes that are known, and on data
that users bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.reproduction.recipe import Data, Measure, Scale
from shapesys.reproduction.trained import TrainedRecipe, TrainedVariant

_VIEWS: dict[str, Any] = {"views": ("meshes", "udf", "cloud", "occupancy"), "udf.count": 65_536}
_SOLID: Mapping[str, Any] = {"categories": ("bottle", "car", "chair", "sofa"), "count": 6, "test_fraction": 0.35}


def _scans(name: str, measured: int = 2, how: str = "", **changes: Any) -> Data:
    """Scans of shapes that are known, `measured` of each of four categories, with changes to the source's settings."""
    made = f"built-in scans of procedural shapes whose true surface is known: {measured} to be measured of each of 4"
    differs = f"{made} categories{how}"
    return Data(f"scans-{name}", "procedural_scans", {**_SOLID, **changes}, changes=_VIEWS, differs=differs)


CLEAN = _scans("clean")
ONE_EACH = _scans("one-each", measured=1, count=3)
HOLES = _scans("holes", how=", with holes", condition="holes")
NOISY = _scans("noisy", how=", with noise", condition="noisy")
SPARSE = _scans("sparse", how=", with few points", condition="sparse")
OUTLIERS = _scans("outliers", how=", with outliers", condition="outliers")
MANY = Data(
    "scans-of-categories",
    "procedural_scans",
    {"categories": ("car", "sofa"), "count": 40, "test_fraction": 0.2},
    changes=_VIEWS | {"udf.count": 16_384},
    differs="built-in scans of 40 procedural cars and 40 sofas, 16 of them unseen",
)
SOUPS = Data(
    "ikea-soups",
    "ikea_manual",
    {"categories": ("chair", "table")},
    changes={"views": ("meshes", "udf", "cloud"), "udf.count": 65_536},
    brought="the folder ikea_manual, with parts/<Category>/<item>/*.obj",
    differs="real furniture as triangle soups: open shells that overlap, 10 unseen chairs and tables",
)
PEOPLE = Data(
    "dfaust",
    "dfaust",
    {"split_train": "train.json", "split_test": "test.json"},
    sampler="sald",
    changes={"views": ("meshes", "udf", "cloud")},
    brought="Dynamic FAUST's scans, and SAL's split files beside them as train.json and test.json",
)
SCANS = Data(
    "scans-of-a-folder",
    "cloud_folder",
    {"category": "scan", "test_fraction": 0.99},
    changes={"views": ("udf", "cloud"), "udf.count": 65_536},
    brought="a folder of scans: XYZ, PLY, PCD, NPY, NPZ or CSV files",
    differs="measured against the scans alone, of which nobody knows the surface",
)
BENCHMARK = Data(
    "surface-reconstruction-benchmark",
    "cloud_folder",
    {"category": "scan", "test_fraction": 0.99},
    sampler="single",
    changes={"views": ("udf", "cloud")},
    brought="a folder of scans, such as the five of the surface reconstruction benchmark",
    differs="measured against the scans alone, of which nobody knows the surface",
)

_SINGLE: dict[Scale, str] = {"tiny": "single", "paper": "paper_single"}
_CODES: dict[Scale, str] = {"tiny": "tiny", "paper": "paper_codes"}
_ENCODED: dict[Scale, str] = {"tiny": "tiny_vae", "paper": "paper"}
_NO_DERIVATIVES: Mapping[str, Any] = {"model.derivative_weight": 0.0}
_OF_BARE_SCANS: Mapping[str, Any] = {"scan_chamfer": ("unit_sphere.recon_to_scan", "unit_sphere.scan_to_recon")}
_QUICK: Mapping[str, Any] = {"resolution": 96, "samples": 20_000, "chamfer": ("onet.chamfer_l1",)}
_MEASURED: Mapping[Scale, Mapping[str, Any]] = {"tiny": {**_QUICK, **_OF_BARE_SCANS}, "paper": _OF_BARE_SCANS}

_CHAMFER = Measure("Chamfer-L1 x100", "chamfer/onet.chamfer_l1", 100, 3)
_GRADIENT = Measure("gradient error", "gradient_error/sald", digits=3)
_ANGLE = Measure("angle (deg)", "gradient_error/angle", digits=1)
_IOU = Measure("IoU (%)", "iou/uniform_box", 100, 1)
_SPURIOUS = Measure("true area (%)", "precision/le0.05:unit_sphere", 100, 1)
_FOUND = Measure("area found (%)", "recall/le0.05:unit_sphere", 100, 1)
_TO_SCAN = Measure("to the scan x100", "chamfer/unit_sphere.recon_to_scan", 100, 3)
_FROM_SCAN = Measure("from the scan x100", "chamfer/unit_sphere.scan_to_recon", 100, 3)
_OF_FIELDS = (_CHAMFER, _GRADIENT, _ANGLE, _IOU, _SPURIOUS, _FOUND, _TO_SCAN, _FROM_SCAN)

_NOTES = (
    "Chamfer-L1 is half the sum of both mean distances, in units of the bounding box's longest side; gradient error "
    "is SALD's distance of directions at 2,048 points near the true surface",
    "true area: share of the reconstruction within 0.05 of the true surface, in the unit sphere's unit: what is beyond "
    "is a spurious sheet; area found: the same of the true surface",
    "to and from the scan: mean distances between a reconstruction and the points of a scan of which nothing else is "
    "known, in the unit sphere's unit; what closes a hole counts as far from the scan",
    "nothing is published of these shapes",
)

FITS = TrainedRecipe(
    name="sald.fits",
    title="one network per scan: with derivatives and without, at equal steps",
    published_in="arXiv 2006.05400, section 4 (other data)",
    variants=(
        TrainedVariant("SAL", "sal", _SINGLE),
        TrainedVariant("SAL, SALD's network", "sald", _SINGLE, _NO_DERIVATIVES),
        TrainedVariant("SALD", "sald", _SINGLE),
    ),
    measures=_OF_FIELDS,
    data={
        "tiny": CLEAN,
        "paper": BENCHMARK,
        "holes": HOLES,
        "noisy": NOISY,
        "sparse": SPARSE,
        "outliers": OUTLIERS,
        "ikea_manual": SOUPS,
        "scans": SCANS,
    },
    baseline="SAL, SALD's network",
    notes=(
        *_NOTES,
        "SALD's network without derivatives is the comparison: it differs in the weight of one term alone",
        "of soups nobody knows what is inside, so there is no IoU; left the soup, right the reconstruction",
    ),
    measured=_MEASURED,
)

SHAPES = TrainedRecipe(
    name="sald.shapes",
    title="one network of many scans: unseen instances, by trained codes and by an encoder",
    published_in="arXiv 2006.05400, section 4 (other data)",
    variants=(
        TrainedVariant("SAL, codes", "sald", _CODES, _NO_DERIVATIVES),
        TrainedVariant("SALD, codes", "sald", _CODES, over="SAL, codes"),
        TrainedVariant("SAL, encoder", "sald", _ENCODED, _NO_DERIVATIVES),
        TrainedVariant("SALD, encoder", "sald", _ENCODED, over="SAL, encoder"),
        TrainedVariant(
            "SALD, encoder, refined",
            "sald",
            _ENCODED,
            inference={"iterations": 200, "learning_rate": 5e-3},
            over="SALD, encoder",
        ),
    ),
    measures=_OF_FIELDS,
    data={"tiny": MANY, "paper": PEOPLE, "ikea_manual": SOUPS},
    notes=(
        *_NOTES,
        "SAL is SALD's network without derivatives, so that one term is all that differs",
        "refined: the encoded code is optimised at test time for 200 iterations",
    ),
    measured=_MEASURED,
)

LOSSES = TrainedRecipe(
    name="sal.losses",
    title="losses of an unsigned distance: which learn an inside",
    published_in="arXiv 1911.10414, section 3 (figures)",
    variants=(
        TrainedVariant("||f| - h|, Euclidean h", "sal", _SINGLE),
        TrainedVariant("h = 0 on, 1 off", "sal", {"tiny": "single_l0", "paper": "paper_single_l0"}),
        TrainedVariant("|f - h|", "sal", _SINGLE, {"model.loss": "plain_l1"}),
        TrainedVariant("(f - h)^2", "sal", _SINGLE, {"model.loss": "plain_l2"}),
    ),
    measures=(_CHAMFER, _IOU, _SPURIOUS, _FOUND, _TO_SCAN, _FROM_SCAN),
    data={"tiny": CLEAN, "paper": BENCHMARK, "holes": HOLES, "noisy": NOISY},
    baseline="||f| - h|, Euclidean h",
    notes=(
        *_NOTES,
        "|f - h| and its square are least for h itself, which is nowhere negative: what little surface there is "
        "between the samples is no surface of a solid",
    ),
    measured=_MEASURED,
)

DIVERGENCE = TrainedRecipe(
    name="digs.fits",
    title="one network per scan: divergence in place of normals, at equal steps",
    published_in="DiGS (CVPR 2022), section 4 (other data)",
    variants=(
        TrainedVariant("IGR, normals", "igr", _SINGLE),
        TrainedVariant("IGR, no normals", "igr", _SINGLE, {"model.normal_weight": 0.0}),
        TrainedVariant("DiGS, no normals", "digs", _SINGLE),
        TrainedVariant("SIREN, no normals", "digs", _SINGLE, {"model.divergence_weight": 0.0, "model.start": "siren"}),
    ),
    measures=_OF_FIELDS,
    data={"tiny": ONE_EACH, "paper": BENCHMARK, "holes": HOLES, "noisy": NOISY, "ikea_manual": SOUPS},
    baseline="IGR, normals",
    notes=(
        *_NOTES,
        "IGR takes the normals that the data has: of built-in scans they point outwards, of soups wherever their "
        "triangles do, and scans without any fail",
    ),
    measured=_MEASURED,
)
