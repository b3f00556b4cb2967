from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from shapesys.metrics.aggregate import summarise
from shapesys.reproduction.finding import Finding, value_of
from shapesys.reproduction.recipe import Data, Measure
from shapesys.reproduction.table import laid_out, plain, shown, shown_gain, table_of
from shapesys.reproduction.trained import TrainedRecipe, TrainedVariant

RECIPE = TrainedRecipe(
    name="paper.table1",
    title="a table",
    published_in="table 1",
    variants=(
        TrainedVariant("plain", "pointnet", {"tiny": "tiny"}, published={"accuracy": "90.0"}),
        TrainedVariant("better", "pointnet", {"tiny": "tiny"}, {"model.width": 0.5}),
    ),
    measures=(Measure("accuracy", "oa/class", 100, 1), Measure("IoU", "iou/part.free", digits=3)),
    data={"tiny": Data("none", "procedural")},
    baseline="plain",
)


def finding(variant: str, seed: int, accuracy: float, iou: float | None = None) -> Finding:
    summary: dict[str, Any] = {"whole_set": {"oa/class": {"value": accuracy}}, "overall": {"metrics": {}}}
    if iou is not None:
        summary["overall"]["metrics"]["iou/part.free"] = {"mean": iou}
    return Finding(variant, seed, f"runs/{variant}", summary)


FINDINGS = [
    finding("plain", 0, 0.90, 0.5),
    finding("plain", 1, 0.92),
    finding("better", 0, 0.93),
    finding("better", 1, 0.93),
    finding("better", 2, 0.99),
]


def test_mean_spread_and_gain_are_taken_over_seeds() -> None:
    lines = table_of(RECIPE, FINDINGS)
    measure = RECIPE.measures[0]
    base, better = (line.cells["accuracy"] for line in lines)
    assert base.mean == pytest.approx(91.0)
    assert base.spread == pytest.approx(math.sqrt(2.0))
    assert (base.published, base.gain) == ("90.0", None)
    # Paired by seed: seed 2 has no baseline.
    assert better.gain == pytest.approx(2.0)
    assert better.gain_spread == pytest.approx(math.sqrt(2.0))
    assert shown(base, measure) == "91.0 ± 1.4"
    assert shown_gain(better, measure) == "+2.0 ± 1.4"


def test_a_variant_may_be_compared_with_another_than_the_rest() -> None:
    pairs = dataclasses.replace(
        RECIPE,
        baseline="",
        variants=(*RECIPE.variants, TrainedVariant("best", "pointnet", {"tiny": "tiny"}, over="better")),
    )
    plain, better, best = table_of(pairs, [*FINDINGS, finding("best", 1, 0.97)])
    assert plain.cells["accuracy"].gain is better.cells["accuracy"].gain is None
    assert best.cells["accuracy"].gain == pytest.approx(4.0)
    assert pairs.baselines() == ("better",)
    assert RECIPE.baselines() == ("plain",)


def test_what_was_not_measured_is_a_dash() -> None:
    lines = table_of(RECIPE, FINDINGS)
    measure = RECIPE.measures[1]
    assert shown(lines[0].cells["IoU"], measure) == "0.500"
    assert shown(lines[1].cells["IoU"], measure) == "-"
    assert shown_gain(lines[1].cells["IoU"], measure) == ""
    assert value_of(FINDINGS[1].summary, measure) is None


def test_it_is_plain_data() -> None:
    data = plain(RECIPE, table_of(RECIPE, FINDINGS))
    assert data["lines"][0]["cells"]["accuracy"]["values"] == pytest.approx({0: 90.0, 1: 92.0})
    assert data["measures"] == {"accuracy": "oa/class", "IoU": "iou/part.free"}


def test_variants_are_rows_of_a_table_and_columns_of_a_figure() -> None:
    lines = table_of(RECIPE, FINDINGS)
    layout = laid_out(RECIPE, lines)
    assert layout.groups == [("accuracy", ["ours", "gain", "published"]), ("IoU", ["ours"])]
    assert layout.rows[0] == ("plain", ["91.0 ± 1.4", "", "90.0", "0.500"])
    assert layout.rows[1] == ("better", ["95.0 ± 3.5", "+2.0 ± 1.4", "-", "-"])
    figure = dataclasses.replace(RECIPE, axis="width")
    layout = laid_out(figure, lines)
    assert layout.groups == [("plain", ["ours", "published"]), ("better", ["ours", "gain"])]
    assert layout.rows[0] == ("accuracy", ["91.0 ± 1.4", "90.0", "95.0 ± 3.5", "+2.0 ± 1.4"])


def test_shapes_without_a_result_are_counted_over_the_seeds() -> None:
    def counted(variant: str, seed: int, **counts: int) -> Finding:
        found = finding(variant, seed, 0.9)
        return dataclasses.replace(found, summary={**found.summary, "counts": counts})

    whole = counted("plain", 0, ok=8, empty=0, failed=0, missing=0)
    some = [counted("better", seed, ok=5, empty=2, failed=1 - seed, missing=0) for seed in (0, 1)]
    assert [head for head, _ in laid_out(RECIPE, table_of(RECIPE, [whole])).groups] == ["accuracy"]
    layout = laid_out(RECIPE, table_of(RECIPE, [whole, *some]))
    assert layout.groups[-1] == ("shapes", ["without"])
    assert [texts[-1] for _, texts in layout.rows] == ["-", "4 empty, 1 failed of 15"]
    [_, better] = plain(RECIPE, table_of(RECIPE, some))["lines"]
    assert better["counts"] == {
        "ok": 10,
        "empty": 4,
        "failed": 1,
        "missing": 0,
    }


def test_a_measure_that_nobody_took_or_published_has_no_columns_once_others_have_numbers() -> None:
    accuracy = [finding("plain", 0, 0.90), finding("better", 0, 0.93)]
    layout = laid_out(RECIPE, table_of(RECIPE, accuracy))
    assert [head for head, _ in layout.groups] == ["accuracy"]
    assert layout.rows == [("plain", ["90.0", "", "90.0"]), ("better", ["93.0", "+3.0", "-"])]
    # Before that, the list of measures says what will be.
    assert [head for head, _ in laid_out(RECIPE, table_of(RECIPE, [])).groups] == ["accuracy", "IoU"]
    # Variants stay, even one that only failed.
    figure = dataclasses.replace(RECIPE, axis="width")
    assert [head for head, _ in laid_out(figure, table_of(figure, [finding("plain", 0, 0.90)])).groups] == [
        "plain",
        "better",
    ]
    # What is published stays, so that nobody misses it.
    lost = laid_out(
        RECIPE, table_of(RECIPE, [Finding("plain", 0, "", {"overall": {"metrics": {"iou/part.free": {"mean": 0.5}}}})])
    )
    assert [head for head, _ in lost.groups] == ["accuracy", "IoU"]


def test_a_measure_may_be_an_extreme_over_the_shapes() -> None:
    summary = {
        "whole_set": {"oa/class": {"value": 0.5}},
        "overall": {"metrics": {"ssr": {"mean": 0.2, "min": 0.1, "max": 0.4}, "none": {"mean": None, "min": None}}},
    }
    assert [value_of(summary, Measure("", "ssr", 100, statistic=which)) for which in ("mean", "min", "max")] == [
        20,
        10,
        40,
    ]
    assert value_of(summary, Measure("", "none", statistic="min")) is None
    # A number of the whole set is one number.
    assert value_of(summary, Measure("", "oa/class")) == 0.5
    assert value_of(summary, Measure("", "oa/class", statistic="min")) is None


def test_extremes_are_those_of_a_summary_of_shapes() -> None:
    rows = [{"shape_id": f"{at}", "category": "mug", "status": "ok", "ssr": at} for at in (3.0, 1.0, 2.0)]
    summary = summarise(rows, ["ssr"]).to_json()
    assert [value_of(summary, Measure("", "ssr", statistic=which)) for which in ("mean", "min", "max")] == [2, 1, 3]
