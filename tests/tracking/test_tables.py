"""Tables as MLflow shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.tracking.tables import table_json


def test_metrics_stand_beside_the_shape_and_what_is_missing_is_null(tmp_path: Path) -> None:
    rows = tmp_path / "shapes.parquet"
    names = ["shape_id", "category", "split", "status", "reason", "chamfer/deepsdf", "chamfer/deepsdf/floor"]
    columns = {name: [name] for name in names} | {"cost/seconds": [2.0], "iou/uniform_box": [float("nan")]}
    pq.write_table(pa.table(columns), rows)
    table = json.loads(table_json(rows))
    assert table["columns"] == [
        "shape_id", "status", "chamfer/deepsdf", "iou/uniform_box", "chamfer/deepsdf/floor", "cost/seconds",
        "category", "split", "reason",
    ]  # fmt: skip
    assert table["data"][0][3] is None


def test_dots_that_would_hide_a_column_are_replaced_and_numbers_rounded(tmp_path: Path) -> None:
    rows = tmp_path / "trials.parquet"
    pq.write_table(pa.table({"trial": ["000"], "model.hidden": [64], "chamfer/onet.chamfer_l1": [1 / 3]}), rows)
    table = json.loads(table_json(rows))
    assert table["columns"] == ["trial", "model·hidden", "chamfer/onet·chamfer_l1"]
    assert table["data"] == [["000", 64, 0.333333]]


def test_counts_that_are_there_to_be_summed_are_left_out(tmp_path: Path) -> None:
    rows = tmp_path / "shapes.parquet"
    pq.write_table(pa.table({"shape_id": ["a"], "count/hits/chair: seat": [3.0], "iou/part.free": [0.5]}), rows)
    assert json.loads(table_json(rows))["columns"] == ["shape_id", "iou/part·free"]
