"""Tables: micro and macro means, and nobody lost."""

import json
import math

import pytest

from shapesys.metrics.aggregate import statistics, summarise

ROWS = [
    {"shape_id": "a", "category": "chair", "status": "ok", "cd": 1.0, "f": 0.5},
    {"shape_id": "b", "category": "chair", "status": "ok", "cd": 3.0, "f": math.nan},
    {"shape_id": "c", "category": "chair", "status": "empty", "cd": 8.0, "f": 0.0},
    {"shape_id": "d", "category": "lamp", "status": "ok", "cd": 10.0, "f": 1.0},
    {"shape_id": "e", "category": "lamp", "status": "failed"},
]
EXPECTED = [{"shape_id": row["shape_id"], "category": row["category"]} for row in ROWS] + [
    {"shape_id": "x", "category": "mug"}
]


def test_micro_and_macro_means_differ_as_they_should() -> None:
    summary = summarise(ROWS, ["cd", "f"])
    assert summary.categories["chair"].metrics["cd"].mean == 4.0
    assert summary.overall.metrics["cd"].mean == 5.5
    assert summary.macro["cd"] == 7.0
    chair = summary.categories["chair"].metrics["cd"]
    assert (chair.min, chair.max, chair.median, chair.count, chair.undefined) == (1.0, 8.0, 3.0, 3, 0)


def test_every_shape_is_counted_once() -> None:
    summary = summarise(ROWS, ["cd"], EXPECTED)
    assert summary.overall.counts == {"ok": 3, "empty": 1, "failed": 1, "missing": 1}
    assert summary.categories["mug"].counts["missing"] == 1
    assert sum(sum(group.counts.values()) for group in summary.categories.values()) == len(EXPECTED)
    overall = summary.overall.metrics["cd"]
    assert (overall.count, overall.undefined) == (4, 2)
    assert math.isnan(summary.categories["mug"].metrics["cd"].mean)
    assert summary.macro["cd"] == 7.0


def test_undefined_values_stay_out_of_means_and_in_counts() -> None:
    found = summarise(ROWS, ["f"]).categories["chair"].metrics["f"]
    assert (found.mean, found.count, found.undefined) == (0.25, 2, 1)
    nothing = statistics([math.nan, None])
    assert math.isnan(nothing.median)
    assert (nothing.count, nothing.undefined) == (0, 2)


def test_json_has_no_nan() -> None:
    text = json.dumps(summarise(ROWS, ["cd", "unheard of"], EXPECTED).to_json(), allow_nan=False)
    plain = json.loads(text)
    assert plain["macro"] == {"cd": 7.0, "unheard of": None}
    assert plain["categories"]["lamp"]["counts"]["failed"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape_id": "a"}, "shape 'a' has two rows"),
        ({"status": "fine"}, "status 'fine'; accepted: ok, empty, failed, missing"),
        ({"category": ""}, "has no category"),
    ],
)
def test_misuse_is_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarise([ROWS[0], {**ROWS[1], **change}], ["cd"])
