"""Runs beside each other: settings, definitions, numbers, and which shapes are picked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_support import CHAMFER, IOU, Scores, scored_run

from shapesys.errors import UsageError
from shapesys.report.compare import Comparison, SplitComparison, compare
from shapesys.report.compare_columns import distinct_names
from shapesys.report.compare_metrics import MetricComparison
from shapesys.report.load import load_run
from shapesys.training.run_dir import RunDirectory, read_json, write_json

BASE = {f"chair/{at}": 0.1 + 0.01 * at for at in range(10)}


def compared(*runs: RunDirectory, **options: Any) -> Comparison:
    return compare([load_run(run) for run in runs], **options)


def split_of(*runs: RunDirectory, **options: Any) -> SplitComparison:
    (split,) = compared(*runs, **options).splits
    return split


def metric_of(split: SplitComparison, name: str = CHAMFER) -> MetricComparison:
    return next(metric for metric in split.metrics if metric.line.name == name)


def better_by(scores: Scores, change: float) -> Scores:
    return {shape: None if value is None else value - change for shape, value in scores.items()}


def seeds(root: Path, name: str = "wide", count: int = 3) -> list[RunDirectory]:
    return [
        scored_run(root, f"{name}-s{seed}", better_by(BASE, 0.01 * seed), {"train": {"seed": seed}})
        for seed in range(count)
    ]


def test_only_settings_that_differ_are_listed(tmp_path: Path) -> None:
    a = scored_run(tmp_path, "a", BASE)
    b = scored_run(tmp_path, "b", BASE, {"model": {"latent_dim": 64}, "train": {"epochs": 3}})
    assert compared(a, b).settings == (("model.latent_dim", [32, 64]), ("train.epochs", [None, 3]))


def test_means_stand_with_their_spread_over_shapes(tmp_path: Path) -> None:
    split = split_of(scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", better_by(BASE, 0.05)))
    a, b = metric_of(split).cells
    assert a is not None
    assert b is not None
    assert (a.mean, a.over, a.count, a.floor) == (pytest.approx(0.145), "shapes", 10, pytest.approx(0.004))
    # The sample variance of 0..9 is 55 / 6.
    assert a.spread == pytest.approx(0.01 * np.sqrt(55 / 6))
    assert b.mean == pytest.approx(0.095)
    assert metric_of(split).best == {1}
    assert metric_of(split, IOU).best == {1}


def test_runs_of_other_seeds_become_one_column(tmp_path: Path) -> None:
    other = scored_run(tmp_path, "base", BASE, {"model": {"latent_dim": 8}})
    found = compared(other, *seeds(tmp_path), group_seeds=True)
    assert [column.name for column in found.columns] == ["base", "wide-s × 3 seeds"]  # noqa: RUF001
    assert ("train.seed", [None, [0, 1, 2]]) in found.settings
    cell = metric_of(found.splits[0]).cells[1]
    assert cell is not None
    # The seeds' means are 0.145, 0.135 and 0.125.
    assert (cell.mean, cell.spread) == (pytest.approx(0.135), pytest.approx(0.01))
    assert (cell.over, cell.count) == ("seeds", 3)
    (difference,) = metric_of(found.splits[0]).differences
    assert difference is not None
    assert (difference.mean, difference.shapes) == (pytest.approx(-0.01), 10)


def test_runs_stay_apart_unless_asked_and_the_way_is_told(tmp_path: Path) -> None:
    found = compared(*seeds(tmp_path))
    assert [column.name for column in found.columns] == ["wide-s0", "wide-s1", "wide-s2"]
    assert found.remarks == (
        "wide-s0, wide-s1, wide-s2 differ in train.seed alone; "
        "'shapesys compare --group-seeds' shows them as one column",
    )
    alone = compared(*seeds(tmp_path / "again"), group_seeds=True)
    assert len(alone.columns) == 1
    assert metric_of(alone.splits[0]).differences == ()


def test_the_scale_of_a_run_keeps_seeds_together_and_its_data_does_not(tmp_path: Path) -> None:
    a, b, c = seeds(tmp_path)
    config = read_json(b.config)
    write_json(b.config, config | {"scale": {"num_workers": 4}})
    write_json(c.provenance, read_json(c.provenance) | {"data_digest": "e" * 64})
    found = compared(a, b, c, group_seeds=True)
    assert [len(column.reports) for column in found.columns] == [2, 1]
    assert any(line.startswith("trained on different data (digest): dddddddddddd in") for line in found.remarks)


def test_the_same_seed_twice_is_a_rerun_and_another_column(tmp_path: Path) -> None:
    old, new = seeds(tmp_path, "old", 2), seeds(tmp_path, "new", 2)
    found = compared(*old, *new, group_seeds=True)
    assert [column.name for column in found.columns] == ["old-s × 2 seeds", "new-s × 2 seeds"]  # noqa: RUF001
    apart = compared(old[0], new[0])
    assert apart.remarks == ()
    alike = compared(*seeds(tmp_path / "one", "w", 2), *seeds(tmp_path / "two", "w", 2), group_seeds=True)
    assert [column.name for column in alike.columns] == ["one/w-s × 2 seeds", "two/w-s × 2 seeds"]  # noqa: RUF001
    # Names that start alike are told apart by their first run.
    runs = [scored_run(tmp_path, f"v{at}", BASE, {"train": {"seed": at % 2}}) for at in range(4)]
    names = [column.name for column in compared(*runs, group_seeds=True).columns]
    assert names == ["v0 × 2 seeds", "v2 × 2 seeds"]  # noqa: RUF001


def test_differences_are_paired_over_shapes_both_have(tmp_path: Path) -> None:
    changed: dict[str, float | None] = dict(BASE)
    changed |= {"chair/0": BASE["chair/0"] - 0.06, "chair/1": BASE["chair/1"] + 0.02, "chair/9": None}
    changed["table/0"] = 0.5
    split = split_of(scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", changed))
    (difference,) = metric_of(split).differences
    assert difference is not None
    assert (difference.won, difference.lost, difference.tied, difference.shapes) == (1, 1, 7, 9)
    assert difference.mean == pytest.approx(-0.04 / 9)
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < difference.mean < difference.high
    assert not difference.certain
    (by_iou,) = metric_of(split, IOU).differences
    assert by_iou is not None
    assert (by_iou.won, by_iou.lost) == (1, 1)
    assert metric_of(split).best == frozenset()
    assert "10 shapes are in all; 1 more in b" in split.remarks
    assert any("means over different shapes" in line and "10 in a, 10 in b" in line for line in split.remarks)
    assert split.counts[1]["failed"] == 1


def test_a_constant_gain_is_certain(tmp_path: Path) -> None:
    split = split_of(scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", better_by(BASE, 0.05)))
    (difference,) = metric_of(split).differences
    assert difference is not None
    assert difference.certain
    assert (difference.low, difference.high) == (pytest.approx(-0.05), pytest.approx(-0.05))


def test_one_shared_shape_has_no_interval(tmp_path: Path) -> None:
    split = split_of(scored_run(tmp_path, "a", {"x/1": 0.2}), scored_run(tmp_path, "b", {"x/1": 0.1}))
    (difference,) = metric_of(split).differences
    assert difference is not None
    assert (difference.low, difference.high, difference.won) == (None, None, 1)


def sampled(count: int) -> dict[str, Any]:
    # The convention asks for 30,000; what was taken stands beside it.
    record = {"definition": {"squared": False, "count_true": 30_000}, "sampling": "independent", "seed": 0}
    return {CHAMFER: record | {"count_true": count}, IOU: {"definition": {"points": "uniform_box"}}}


def test_other_sample_counts_are_another_metric(tmp_path: Path) -> None:
    runs = [
        scored_run(tmp_path, "a", BASE, conventions=sampled(5000)),
        scored_run(tmp_path, "b", better_by(BASE, 0.01), conventions=sampled(100_000)),
        scored_run(tmp_path, "c", better_by(BASE, 0.02), conventions=sampled(5000)),
    ]
    split = split_of(*runs)
    chamfer, iou = metric_of(split), metric_of(split, IOU)
    assert chamfer.differing == {"count_true": [5000, 100_000, 5000]}
    assert chamfer.best == frozenset()
    assert chamfer.differences[0] is None
    assert chamfer.differences[1] is not None, "these two mean the same"
    assert (iou.differing, iou.best) == ({}, {2})
    line = f"count true: 5000 in a, c; 100000 in b - other definition, not compared: {CHAMFER}"
    assert line in split.remarks


def test_seeds_of_other_definitions_are_told_even_in_one_column(tmp_path: Path) -> None:
    runs = [
        scored_run(tmp_path, f"w{seed}", BASE, {"train": {"seed": seed}}, sampled(count), step=count)
        for seed, count in enumerate((10, 20))
    ]
    split = split_of(*runs, group_seeds=True)
    assert metric_of(split).differing == {"count_true": [[10, 20]]}
    assert split.remarks[0] == "checkpoint step: 10 20 in w × 2 seeds"  # noqa: RUF001


def test_another_resolution_is_another_metric_of_the_surface_alone(tmp_path: Path) -> None:
    runs = [
        scored_run(tmp_path, name, BASE, conventions=sampled(10), settings={"settings": {"resolution": resolution}})
        for name, resolution in (("a", 64), ("b", 128))
    ]
    split = split_of(*runs)
    assert metric_of(split).differing == {"extraction resolution": [64, 128]}
    assert metric_of(split, IOU).differing == {}
    assert "evaluation setting resolution: 64 in a; 128 in b" in split.remarks


def test_another_seed_of_samples_is_the_same_metric(tmp_path: Path) -> None:
    other = {name: record | {"seed": 7} for name, record in sampled(10).items()}
    runs = [scored_run(tmp_path, "a", BASE, conventions=sampled(10))]
    runs.append(scored_run(tmp_path, "b", better_by(BASE, 0.01), conventions=other))
    assert metric_of(split_of(*runs)).best == {1}


def test_other_steps_stores_and_settings_are_told(tmp_path: Path) -> None:
    settings = {"settings": {"codes": "auto", "inference": {}}, "store": "a" * 64}
    a = scored_run(tmp_path, "a", BASE, settings=settings, step=100)
    changed = {"settings": {"codes": "auto", "inference": {"iterations": 5}}, "store": "b" * 64}
    b = scored_run(tmp_path, "b", better_by(BASE, 0.01), settings=changed, step=200)
    split = split_of(a, b)
    assert split.remarks == (
        "checkpoint step: 100 in a; 200 in b",
        "evaluated on different data (digest): aaaaaaaaaaaa in a; bbbbbbbbbbbb in b",
        "evaluation setting inference.iterations: the run's in a; 5 in b",
    )
    # Equal ids of different stores need not be equal shapes.
    assert metric_of(split).best == frozenset()


def test_a_split_that_one_run_has_is_told_and_not_compared(tmp_path: Path) -> None:
    a, b = scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", BASE)
    a.evaluation("test").path.rename(a.evaluation("val").path)
    found = compared(a, b)
    assert found.splits == ()
    assert found.remarks[:2] == ("only a was evaluated on val", "only b was evaluated on test")


def test_the_ranking_metric_is_found_by_a_part_of_its_name(tmp_path: Path) -> None:
    a, b = scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", BASE)
    for wanted, name in ((None, CHAMFER), ("iou", IOU), ("onet.chamfer_l1", CHAMFER), (IOU, IOU)):
        chosen = split_of(a, b, metric=wanted).chosen
        assert chosen is not None
        assert chosen.name == name
    with pytest.raises(UsageError, match="unknown metric 'chamfr/onet.chamfer_l1'; did you mean chamfer/onet"):
        split_of(a, b, metric="chamfr/onet.chamfer_l1")


def test_names_take_as_many_parents_as_they_need() -> None:
    paths = [Path("/r/one/trials/t0"), Path("/r/two/trials/t0"), Path("/r/chairs")]
    assert distinct_names(paths) == ["one/trials/t0", "two/trials/t0", "chairs"]
    assert distinct_names(paths[1:]) == ["t0", "chairs"]


def test_a_run_whose_table_is_gone_keeps_its_mean(tmp_path: Path) -> None:
    a, b = scored_run(tmp_path, "a", BASE), scored_run(tmp_path, "b", BASE)
    b.evaluation("test").rows.unlink()
    metric = metric_of(split_of(a, b))
    assert metric.cells[1] is not None
    assert (metric.cells[1].mean, metric.cells[1].spread) == (pytest.approx(0.145), None)
    assert metric.differences == (None,)
    assert metric.best == frozenset()
