from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.results import Results
from shapesys.evaluation.row_log import RowLog
from shapesys.metrics.record import MetricRecord
from shapesys.metrics.volume import iou_record
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory

CHECKPOINT = Checkpoint(Path("checkpoints/step_00000010"))
SETTINGS = EvaluateConfig()
RECORDED = SETTINGS.applying_to("surfaces")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(EvaluationDirectory(tmp_path / "evaluation/test"))


def row(shape_id: str, status: str = "ok", **values: Any) -> dict[str, Any]:
    facts = {"shape_id": shape_id, "category": shape_id.split("/")[0], "split": "test", "status": status, "reason": ""}
    return facts | values


def begin(results: Results, retry_failed: bool = False, **changes: Any) -> dict[str, str]:
    """Status of every shape that is done, by id."""
    done = results.begin(CHECKPOINT, "digest", SETTINGS.override(changes).applying_to("surfaces"), retry_failed)
    return {entry["shape_id"]: entry["status"] for entry in done.to_pylist()}


def expected(*ids: str) -> pa.Table:
    return pa.Table.from_pylist([{name: row(key)[name] for name in ("shape_id", "category", "split")} for key in ids])


def again(results: Results) -> Results:
    """As the next call opens them."""
    return Results(results.directory)


def test_rows_are_found_again_by_the_same_settings_alone(results: Results) -> None:
    assert begin(results) == {}
    results.add([row("mug/1", iou=0.5), row("mug/2", iou=0.7)])
    assert begin(again(results)) == {"mug/1": "ok", "mug/2": "ok"}
    assert begin(again(results), seed=7) == {}
    assert again(results).begin(Checkpoint(Path("checkpoints/step_00000020")), "digest", RECORDED).num_rows == 0
    assert again(results).begin(CHECKPOINT, "other data", RECORDED).num_rows == 0
    assert begin(again(results)) == {"mug/1": "ok", "mug/2": "ok"}, "they come back"
    table = pq.read_table(results.directory.path / "parts")
    assert table["iou"].to_pylist() == [0.5, 0.7]


def test_the_summary_counts_every_expected_shape(results: Results) -> None:
    begin(results)
    failed = row("mug/2", "failed") | {"reason": "no such file"}
    results.add([row("mug/1", iou=0.5), failed, row("cup/1", "empty", iou=0.0), row("mug/1", iou=0.9)])
    summary = results.finish(expected("mug/1", "mug/2", "mug/3", "cup/1"), {"store": "here"})
    assert summary["counts"] == {"ok": 1, "empty": 1, "failed": 1, "missing": 1}
    assert summary["categories"]["mug"]["counts"] == {"ok": 1, "empty": 0, "failed": 1, "missing": 1}
    assert summary["overall"]["metrics"]["iou"]["mean"] == 0.45, "the last row of a shape counts, once"
    assert summary["overall"]["metrics"]["iou"]["count"] == 2
    assert summary["store"] == "here"
    assert json.loads(results.directory.summary.read_text()) == summary
    table = pq.read_table(results.directory.rows)
    assert table["shape_id"].to_pylist() == ["cup/1", "mug/1", "mug/2"]
    assert table["reason"].to_pylist()[2] == "no such file"
    assert list((results.directory.path / "parts").iterdir()) == []


def test_the_seconds_of_all_calls_add_up(results: Results) -> None:
    results.started -= 100
    begin(results)
    results.add([row("mug/1")])
    killed = json.loads((results.directory.path / "seconds.json").read_text())["seconds"]
    assert 100 < killed < 110
    second = again(results)
    second.started -= 50
    begin(second)
    second.add([row("mug/2")])
    total = second.finish(expected("mug/1", "mug/2"), {})["seconds"]
    assert 150 < total < 170
    third = again(results)
    begin(third)
    assert third.finish(expected("mug/1", "mug/2"), {})["seconds"] == total, "a call with nothing to do adds nothing"
    (results.directory.path / "seconds.json").unlink()
    older = again(results)
    begin(older)
    assert older.finish(expected("mug/1"), {})["seconds"] == total, "older versions wrote them in the summary alone"


def test_failed_shapes_wait_again_and_keep_their_rows_until_others_replace_them(results: Results) -> None:
    begin(results)
    results.add([row("mug/1", iou=0.5), row("mug/2", "failed"), row("mug/3", "failed")])
    shapes = expected("mug/1", "mug/2", "mug/3")
    assert begin(again(results)) == {"mug/1": "ok", "mug/2": "failed", "mug/3": "failed"}
    second = again(results)
    assert begin(second, retry_failed=True) == {"mug/1": "ok"}
    second.add([row("mug/2", iou=0.7)])
    third = again(results)
    assert begin(third) == {"mug/1": "ok", "mug/2": "ok", "mug/3": "failed"}
    parts = pq.read_table(results.directory.path / "parts")
    assert parts["shape_id"].to_pylist() == ["mug/2"], "no shape is in two parts"
    assert third.finish(shapes, {})["counts"] == {"ok": 2, "empty": 0, "failed": 1, "missing": 0}
    assert pq.read_table(results.directory.rows)["iou"].to_pylist() == [0.5, 0.7, None]
    assert begin(again(results), retry_failed=True) == {"mug/1": "ok", "mug/2": "ok"}


def test_costs_and_facts_are_in_the_table_and_not_in_the_summary(results: Results) -> None:
    begin(results)
    results.add([row("mug/1", iou=0.5) | {"cost/infer_seconds": 1.0, "fact/loss": 0.1}])
    summary = results.finish(expected("mug/1"), {})
    assert set(summary["overall"]["metrics"]) == {"iou"}
    assert {"cost/infer_seconds", "fact/loss"} <= set(pq.read_table(results.directory.rows).column_names)


def test_the_meaning_of_metrics_is_written_once_and_without_values(results: Results) -> None:
    begin(results)
    inside = np.array([True, False])
    record: MetricRecord = iou_record(inside, inside, "uniform_box")
    results.add([row("mug/1")], [record])
    meaning = results.finish(expected("mug/1"), {})["conventions"][record.name]
    assert "value" not in meaning
    assert "uniform_box" in json.dumps(meaning)


def test_what_metrics_mean_is_written_before_the_first_row(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(results)
    inside = np.array([True, False])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RowLog, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        results.add([row("mug/1", iou=0.5)], [iou_record(inside, inside, "uniform_box")])
    assert (results.directory.path / "conventions.json").exists()


def test_results_of_a_network_trained_anew_are_not_its_own(tmp_path: Path, results: Results) -> None:
    folder = tmp_path / "checkpoints" / "step_00000010"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    settings = SETTINGS.applying_to("surfaces")
    results.begin(Checkpoint(folder), "digest", settings)
    results.add([row("chair/1")])
    assert len(results.begin(Checkpoint(folder), "digest", settings)) == 1
    (folder / "model.safetensors").write_bytes(b"weights of another training of as many steps")
    assert len(results.begin(Checkpoint(folder), "digest", settings)) == 0
