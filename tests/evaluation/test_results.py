from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.results import Results
from shapesys.metrics.record import MetricRecord
from shapesys.metrics.volume import iou_record
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory

CHECKPOINT = Checkpoint(Path("checkpoints/step_00000010"))
SETTINGS = EvaluateConfig()


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(EvaluationDirectory(tmp_path / "evaluation/test"))


def row(shape_id: str, status: str = "ok", **values: Any) -> dict[str, Any]:
    facts = {"shape_id": shape_id, "category": shape_id.split("/")[0], "split": "test", "status": status, "reason": ""}
    return facts | values


def begin(results: Results, **changes: Any) -> dict[str, dict[str, Any]]:
    return results.begin(CHECKPOINT, "digest", SETTINGS.override(changes))


def test_rows_are_found_again_by_the_same_settings_alone(results: Results) -> None:
    assert begin(results) == {}
    results.add([row("mug/1", iou=0.5), row("mug/2", iou=0.7)])
    assert begin(results) == {"mug/1": row("mug/1", iou=0.5), "mug/2": row("mug/2", iou=0.7)}
    assert begin(results, seed=7) == {}
    assert results.begin(Checkpoint(Path("checkpoints/step_00000020")), "digest", SETTINGS) == {}
    assert results.begin(CHECKPOINT, "other data", SETTINGS) == {}


def test_a_line_cut_short_by_a_crash_is_dropped_and_written_anew(results: Results) -> None:
    begin(results)
    results.add([row("mug/1")])
    lines = results.directory.path / "rows.jsonl"
    lines.write_text(lines.read_text() + json.dumps(row("mug/2"))[:25])
    assert list(begin(results)) == ["mug/1"]
    results.add([row("mug/2")])
    assert list(begin(results)) == ["mug/1", "mug/2"]


def test_the_summary_counts_every_expected_shape(results: Results) -> None:
    begin(results)
    failed = row("mug/2", "failed") | {"reason": "no such file"}
    results.add([row("mug/1", iou=0.5), failed, row("cup/1", "empty", iou=0.0), row("mug/1", iou=0.9)])
    expected = [row(name) for name in ("mug/1", "mug/2", "mug/3", "cup/1")]
    summary = results.finish(expected, {"seconds": 1.5})
    assert summary["counts"] == {"ok": 1, "empty": 1, "failed": 1, "missing": 1}
    assert summary["categories"]["mug"]["counts"] == {"ok": 1, "empty": 0, "failed": 1, "missing": 1}
    assert summary["overall"]["metrics"]["iou"]["mean"] == 0.45, "the last row of a shape counts, once"
    assert summary["overall"]["metrics"]["iou"]["count"] == 2
    assert summary["seconds"] == 1.5
    assert json.loads(results.directory.summary.read_text()) == summary
    table = pq.read_table(results.directory.rows)
    assert table["shape_id"].to_pylist() == ["cup/1", "mug/1", "mug/2"]
    assert table["reason"].to_pylist()[2] == "no such file"


def test_costs_and_facts_are_in_the_table_and_not_in_the_summary(results: Results) -> None:
    begin(results)
    results.add([row("mug/1", iou=0.5) | {"cost/infer_seconds": 1.0, "fact/loss": 0.1}])
    summary = results.finish([row("mug/1")], {})
    assert set(summary["overall"]["metrics"]) == {"iou"}
    assert {"cost/infer_seconds", "fact/loss"} <= set(pq.read_table(results.directory.rows).column_names)


def test_the_meaning_of_metrics_is_written_once_and_without_values(results: Results) -> None:
    begin(results)
    inside = np.array([True, False])
    record: MetricRecord = iou_record(inside, inside, "uniform_box")
    results.add([row("mug/1")], [record])
    meaning = results.finish([row("mug/1")], {})["conventions"][record.name]
    assert "value" not in meaning
    assert "uniform_box" in json.dumps(meaning)
