"""Volumetric IoU of shapes whose overlap is known."""

import math

import numpy as np
import pytest

from shapesys.metrics.volume import iou, iou_record, occupied


def box(points: np.ndarray, low: float) -> np.ndarray:
    """Signed distance (max norm) of a unit box shifted along x."""
    return np.abs(points - [low + 0.5, 0.5, 0.5]).max(axis=1) - 0.5


def test_half_overlapping_boxes_score_one_third() -> None:
    axis = (np.arange(60) + 0.5) / 30
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    one, two = (occupied(box(points, low), 0.0, negative_inside=True) for low in (0.0, 0.5))
    assert iou(one, two).value == pytest.approx(1 / 3)
    assert iou(one, one).value == 1.0
    assert iou(one, np.zeros_like(one)).value == 0.0


def test_the_level_is_outside_on_both_conventions() -> None:
    values = np.array([-1.0, 0.0, 1.0])
    assert occupied(values, 0.0, negative_inside=True).tolist() == [True, False, False]
    assert occupied(values, 0.0, negative_inside=False).tolist() == [False, False, True]


def test_two_empty_shapes_have_no_score_but_a_reason() -> None:
    found = iou(np.zeros(5, bool), np.zeros(5, bool))
    assert math.isnan(found.value)
    assert found.reason == "none of the 5 points lies inside either shape"


def test_record_names_the_points() -> None:
    record = iou_record(np.array([True, False]), np.array([True, True]), "uniform_box", seed=4)
    assert (record.name, record.value, record.count_true, record.seed) == ("iou/uniform_box", 0.5, 2, 4)
    assert record.floor == 1.0
    assert "given_by" not in record.definition
    given = iou_record(np.array([True, False]), np.array([True, True]), "uniform_box", given_by="occnet")
    assert (given.name, given.definition["given_by"]) == ("iou/uniform_box", "occnet")


@pytest.mark.parametrize(
    ("predicted", "truth", "message"),
    [
        (np.zeros(3), np.zeros(3, bool), "predicted has dtype float64"),
        (np.zeros(3, bool), np.zeros(4, bool), r"must both be \(n,\)"),
        (np.zeros(0, bool), np.zeros(0, bool), "n > 0"),
    ],
)
def test_misuse_is_named(predicted: np.ndarray, truth: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        iou(predicted, truth)
