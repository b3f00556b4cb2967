from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shapesys.errors import ShapesysError
from shapesys.evaluation.row_log import IDENTITY, RowLog


def opened(folder: Path, flush_rows: int = 2) -> RowLog:
    log = RowLog(folder, folder / "shapes.parquet", flush_rows, flush_seconds=3600)
    log.open()
    return log


def row(shape_id: str, status: str = "ok", **values: Any) -> dict[str, Any]:
    return {"shape_id": shape_id, "category": "mug", "split": "test", "status": status, "reason": ""} | values


def held(log: RowLog) -> list[str]:
    return sorted(log.open()["shape_id"].to_pylist())


def test_rows_are_in_parquet_while_others_come(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for number in range(5):
        log.add([row(f"mug/{number}", iou=number / 10)])
    assert [path.name for path in log.parts()] == ["part-00000.parquet", "part-00001.parquet"]
    table = pytest.importorskip("pandas").read_parquet(tmp_path / "parts")
    assert table["shape_id"].tolist() == ["mug/0", "mug/1", "mug/2", "mug/3"]
    assert table["iou"].tolist() == [0.0, 0.1, 0.2, 0.3]
    assert json.loads((tmp_path / "rows.jsonl").read_text()) == row("mug/4", iou=0.4)


def test_rows_become_a_part_after_some_time(tmp_path: Path) -> None:
    log = RowLog(tmp_path, tmp_path / "shapes.parquet", flush_seconds=0)
    log.open()
    log.add([row("mug/1")])
    assert len(log.parts()) == 1


def test_all_parts_have_the_same_columns_whatever_their_rows_lack(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0", "failed"), row("mug/1", "failed")])
    log.add([row("mug/2", iou=1), row("mug/3")])
    log.add([row("mug/4"), row("mug/5", chamfer=0.5)])
    log.add([row("mug/6"), row("mug/7")])
    schemas = {str(pq.read_schema(path)) for path in log.parts()}
    assert len(log.parts()) == 4
    assert len(schemas) == 1
    assert pq.read_schema(log.parts()[0]).names == [*IDENTITY, "chamfer", "iou"]
    table = log.compact()
    assert table["iou"].to_pylist() == [None, None, 1.0, None, None, None, None, None]
    assert table["chamfer"].to_pylist()[5] == 0.5
    assert pq.read_table(tmp_path / "shapes.parquet").equals(table)


def test_parts_that_a_crash_left_with_fewer_columns_get_them_all(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0"), row("mug/1")])
    narrow = log.parts()[0].read_bytes()
    log.add([row("mug/2", iou=0.5), row("mug/3")])
    log.parts()[0].write_bytes(narrow)
    opened(tmp_path)
    assert pq.read_schema(log.parts()[0]).equals(pq.read_schema(log.parts()[1]))


def test_the_next_call_finds_parts_and_tail_and_writes_on(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0"), row("mug/1")])
    log.add([row("mug/2")])
    again = opened(tmp_path)
    assert held(again) == ["mug/0", "mug/1", "mug/2"]
    again.add([row("mug/3", iou=0.5), row("mug/4")])
    assert again.compact()["shape_id"].to_pylist() == [f"mug/{number}" for number in range(5)]
    assert held(opened(tmp_path)) == [f"mug/{number}" for number in range(5)]


@pytest.mark.parametrize("damage", ['{"shape_id": "mug/1", "cat', "\0\0\0\n", "[1]\n", "{}\n"])
def test_a_line_that_a_crash_cut_short_is_as_if_it_had_not_been_written(tmp_path: Path, damage: str) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0")])
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write(damage)
    again = opened(tmp_path)
    assert held(again) == ["mug/0"]
    again.add([row("mug/1")])
    assert held(again) == ["mug/0", "mug/1"]


def test_a_damaged_part_is_put_aside_and_its_shapes_wait_again(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0"), row("mug/1")])
    log.add([row("mug/2"), row("mug/3")])
    os.truncate(log.parts()[0], 100)
    (tmp_path / "parts/.part-00002.parquet.1.part").write_bytes(b"PAR1")
    again = opened(tmp_path)
    assert held(again) == ["mug/2", "mug/3"]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "part-00000.parquet.damaged", "part-00001.parquet",
    ]  # fmt: skip
    again.add([row("mug/0"), row("mug/1")])
    assert [path.name for path in again.parts()] == ["part-00001.parquet", "part-00002.parquet"]


def test_a_crash_between_a_part_and_the_removal_of_the_tail_leaves_no_row_twice(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0")])
    lines = (tmp_path / "rows.jsonl").read_text()
    log.add([row("mug/1")])
    (tmp_path / "rows.jsonl").write_text(lines)
    assert held(opened(tmp_path)) == ["mug/0", "mug/1"]
    assert pq.read_table(tmp_path / "parts").num_rows == 2


def test_a_crash_between_the_table_and_the_removal_of_the_parts_leaves_no_row_twice(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/1", iou=0.1), row("mug/0", iou=0.2)])
    part = log.parts()[0]
    content = part.read_bytes()
    log.compact()
    part.write_bytes(content)
    assert opened(tmp_path).compact()["iou"].to_pylist() == [0.2, 0.1]


def test_rows_of_older_versions_are_taken_up(tmp_path: Path) -> None:
    older = [row("mug/0", iou=0.5), row("mug/1", "failed"), row("mug/1", iou=0.25)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in older))
    table = opened(tmp_path).compact()
    assert table["iou"].to_pylist() == [0.5, 0.25]
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    log = opened(tmp_path)
    (tmp_path / "rows.jsonl").symlink_to("/dev/full")
    with pytest.raises(ShapesysError, match="no space left to write .*rows.jsonl"):
        log.add([row("mug/0")])


def test_a_file_that_the_disk_does_not_give_is_not_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0"), row("mug/1")])

    def stale(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(pq, "read_schema", stale)
        with pytest.raises(ShapesysError, match="Stale file handle"):
            opened(tmp_path)
    assert held(opened(tmp_path)) == ["mug/0", "mug/1"]


def test_a_reason_that_quotes_a_name_of_other_bytes_can_be_written(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.add([row("mug/0"), row("mug/1", "failed") | {"reason": os.fsdecode(b"no file m\xffg.obj")}])
    assert log.compact()["reason"].to_pylist()[1] == "no file m\\udcffg.obj"
