"""Chamfer conventions by name: the same two clouds give numbers that differ a thousandfold between papers.

Each convention states what the released evaluator computes, so that a number never travels without its meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from shapesys.errors import UsageError, unknown_name

Combine = Literal["half_sum", "sum", "accuracy", "completeness"]
"""How the two directions become one number; ``accuracy`` is prediction to truth alone, ``completeness`` the other."""

Against = Literal["truth", "scan"]
"""What a reconstruction is measured against: the shape's own clean surface, or the points that a scanner saw of it."""

Frame = Literal["unit_cube", "unit_sphere", "object", "as_given"]
"""Unit of length: longest side of the true bounding box, the unit-sphere frame, the file's own unit, or whatever
the caller's points are in. Of a bare scan, whose true surface nobody knows, the box and the sphere are its points'."""

_COMBINE: dict[str, Callable[[float, float], float]] = {
    "half_sum": lambda accuracy, completeness: 0.5 * (accuracy + completeness),
    "sum": lambda accuracy, completeness: accuracy + completeness,
    "accuracy": lambda accuracy, completeness: accuracy,
    "completeness": lambda accuracy, completeness: completeness,
}


@dataclass(frozen=True)
class Convention:
    """One way to print a Chamfer distance.

    Attributes:
        name: what reports print.
        squared: mean of squared distances instead of distances.
        combine: how the directions are joined.
        multiplier: factor of the printed number.
        frame: unit of length of the released evaluator.
        count_predicted: samples on the prediction; 0 where the evaluator takes what it is given.
        count_true: samples on the ground truth, or points of the scan; 0 likewise.
        note: where the convention comes from and what to beware of.
        empty: value for an empty prediction where the evaluator defines one, before the multiplier.
        against: what takes the place of the ground truth: ``truth`` or ``scan``.
        hausdorff: the evaluator prints the largest distance, of the same samples, beside the mean.
    """

    name: str
    squared: bool
    combine: Combine
    multiplier: float
    frame: Frame
    count_predicted: int
    count_true: int
    note: str
    empty: float | None = None
    against: Against = "truth"
    hausdorff: bool = False

    def value(self, accuracy: float, completeness: float) -> float:
        """The printed number from the mean (squared, where `squared`) distance of each direction."""
        return self.multiplier * _COMBINE[self.combine](accuracy, completeness)

    @property
    def value_if_empty(self) -> float:
        """The printed number of an empty prediction; NaN where the evaluator defines none."""
        return float("nan") if self.empty is None else self.multiplier * self.empty

    def describe(self) -> dict[str, str | float | int | bool | None]:
        """Every field, for the record beside a score."""
        return asdict(self)


def _c(
    name: str, squared: bool, combine: Combine, multiplier: float, frame: Frame, counts: tuple[int, int], note: str,
    empty: float | None = None, against: Against = "truth", hausdorff: bool = False,
) -> Convention:  # fmt: skip
    return Convention(name, squared, combine, multiplier, frame, counts[0], counts[1], note, empty, against, hausdorff)


_100K, _30K, _GIVEN = (100_000, 100_000), (30_000, 30_000), (0, 0)
_30K_TO_SCAN, _MILLION = (30_000, 29_929), (1_000_000, 0)
_ROOT_3 = 3.0**0.5

CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        _c("onet.chamfer_l1", False, "half_sum", 1.0, "unit_cube", _100K,
           "Occupancy Networks eval.py: unsquared Euclidean distance; the papers print it times 10", _ROOT_3),
        _c("onet.chamfer_l2", True, "half_sum", 1.0, "unit_cube", _100K,
           "Occupancy Networks eval.py: mean squared distance, half-sum", 3.0),
        _c("onet_legacy.chamfer", True, "sum", 1.0, "unit_cube", _100K,
           "Occupancy Networks before November 2019 (commit 2fa5496): key 'chamfer', sum of squared means", 6.0),
        _c("convonet", False, "half_sum", 10.0, "unit_cube", _100K,
           "onet.chamfer_l1 as the ConvONet and ONet tables print it: the unit is 1/10 of the longest side", _ROOT_3),
        _c("sa_convonet", False, "half_sum", 100.0, "unit_cube", _100K,
           "SA-ConvONet tables, as onet.chamfer_l1; the factor 100 is read off the tables, not stated", _ROOT_3),
        _c("tdgn", False, "half_sum", 10.0, "unit_cube", _100K,
           "Training data generating networks, table 2: 'Chamfer-L1' in the magnitude of the ONet tables; the"
           " evaluator is not public and the table's CvxNet and SIF columns appear to follow cvxnet", _ROOT_3),
        _c("deepsdf", True, "sum", 1.0, "object", _30K,
           "DeepSDF metrics/chamfer.py: in the un-normalised object frame; the paper prints it times 1000"),
        _c("ifnet.chamfer_l2", True, "half_sum", 1.0, "unit_cube", _100K,
           "IF-Net data_processing/evaluation.py: mean squared distance, half-sum"),
        _c("cvxnet", True, "sum", 100.0, "unit_cube", _100K,
           "CvxNet lib/utils.py: sum of squared means times 100; the F-score threshold 1e-4 is on squares"),
        _c("ldif", True, "sum", 1000.0, "unit_cube", _100K,
           "LDIF inference/metrics.py: times 1000 in one function and 100 in another"),
        _c("pixel2mesh", True, "sum", 1000.0, "as_given", _GIVEN,
           "Pixel2Mesh eval_testset.py: predicted vertices instead of samples, its own mesh scale"),
        _c("atlasnet", True, "sum", 1.0, "as_given", _GIVEN,
           "AtlasNet trainer_loss.py: the network's own points"),
        _c("pytorch3d", True, "sum", 1.0, "as_given", _GIVEN,
           "pytorch3d.loss.chamfer_distance defaults; its norm=1 is the Manhattan distance, not onet.chamfer_l1"),
        _c("sal", True, "sum", 1.0, "object", _30K,
           "SAL utils/general.py against registrations: sum of squared means"),
        _c("sal.to_scan", True, "accuracy", 1.0, "object", (30_000, 16_384),
           "SAL utils/general.py against the input scan: reconstruction to scan, squared", against="scan"),
        _c("sald.recon_to_truth", False, "accuracy", 1.0, "object", _30K,
           "SALD evaluate/eval.py: one-sided, unsquared, reconstruction to registration"),
        _c("sald.truth_to_recon", False, "completeness", 1.0, "object", _30K,
           "SALD evaluate/eval.py: one-sided, unsquared, registration to reconstruction"),
        _c("sald.recon_to_scan", False, "accuracy", 1.0, "object", _30K_TO_SCAN,
           "SALD evaluate/eval.py: one-sided, unsquared, reconstruction to 173 x 173 points of the scan",
           against="scan"),
        _c("sald.scan_to_recon", False, "completeness", 1.0, "object", _30K_TO_SCAN,
           "SALD evaluate/eval.py: one-sided, unsquared, 173 x 173 points of the scan to reconstruction",
           against="scan"),
        _c("digs.srb", False, "half_sum", 1.0, "object", _MILLION,
           "DiGS compute_metrics_srb.py: unsquared, half-sum, to all points of the ground truth", hausdorff=True),
        _c("digs.srb.scan_to_recon", False, "completeness", 1.0, "object", _MILLION,
           "DiGS compute_metrics_srb.py: one-sided, all points of the scan to the reconstruction",
           against="scan", hausdorff=True),
        _c("digs.shapenet", True, "sum", 1.0, "object", (30_000, 0),
           "DiGS compute_metrics_shapenet.py, eval_type DeepSDF: sum of squared means, to all points of the truth"),
        _c("unit_sphere.chamfer_l1", False, "half_sum", 1.0, "unit_sphere", _100K,
           "unsquared half-sum in the frame that shapes are trained in"),
        _c("unit_sphere.recon_to_scan", False, "accuracy", 1.0, "unit_sphere", _30K_TO_SCAN,
           "one-sided, unsquared, in the frame that shapes are trained in: scans of any unit count alike",
           against="scan"),
        _c("unit_sphere.scan_to_recon", False, "completeness", 1.0, "unit_sphere", _30K_TO_SCAN,
           "the same, from the points of the scan to the reconstruction", against="scan"),
    )
}  # fmt: skip


def convention(name: str) -> Convention:
    """The convention of that name.

    Raises:
        UsageError: unknown name; the message lists the nearest ones.
    """
    if name not in CONVENTIONS:
        raise unknown_name("Chamfer convention", name, CONVENTIONS)
    return CONVENTIONS[name]


def register(added: Convention) -> Convention:
    """Add a convention of the user's own.

    Raises:
        UsageError: another convention has this name, or its ``combine`` or ``against`` is unknown.
    """
    if CONVENTIONS.get(added.name, added) != added:
        raise UsageError(f"Chamfer convention '{added.name}' exists already with other fields; choose another name")
    if added.combine not in _COMBINE:
        raise unknown_name("way to combine directions", added.combine, _COMBINE)
    if added.against not in get_args(Against):
        raise unknown_name("thing to measure against", added.against, get_args(Against))
    CONVENTIONS[added.name] = added
    return added
