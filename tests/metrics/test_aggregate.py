"""Tables: micro and macro means, and nobody lost."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from shapesys.metrics.aggregate import STATUSES, statistics, summarise, summarise_table

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


def test_columns_give_the_numbers_of_a_loop_over_rows() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "shape_id": f"shape/{number:04d}",
            "category": str(rng.choice(["lamp", "chair", "table"])),
            "status": str(rng.choice(STATUSES[:3])),
            "cd": [float(rng.lognormal()), math.nan, None][rng.choice(3, p=[0.8, 0.1, 0.1])],
        }
        for number in range(3000)
    ]
    expected = [{"shape_id": f"shape/{number:04d}", "category": "mug"} for number in range(2990, 3010)]
    found = summarise_table(pa.Table.from_pylist(rows), ["cd"], pa.Table.from_pylist(expected))
    every = [*rows, *({**row, "status": "missing"} for row in expected[10:])]
    for name, group in [("", found.overall), *found.categories.items()]:
        chosen = [row for row in every if name in ("", row["category"])]
        values = np.array([row["cd"] for row in chosen if row.get("cd") is not None and not math.isnan(row["cd"])])
        assert group.counts == {status: sum(row["status"] == status for row in chosen) for status in STATUSES}
        assert (group.metrics["cd"].count, group.metrics["cd"].undefined) == (len(values), len(chosen) - len(values))
        if len(values):
            numbers = (group.metrics["cd"].mean, group.metrics["cd"].median, group.metrics["cd"].max)
            assert numbers == (values.mean(), np.median(values), values.max()), "to the last bit"
    assert list(found.categories) == ["chair", "lamp", "mug", "table"]
    assert found == summarise(rows, ["cd"], expected)


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
