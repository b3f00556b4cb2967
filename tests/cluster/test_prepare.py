from __future__ import annotations

import os
from pathlib import Path

import pytest
from trap_source import SMALL, TrapSettings, TrapSource, write_shape

from shapesys.errors import ShapesysError, UsageError
from shapesys.samples.prepare import PrepareReport, prepare_locally

pytestmark = pytest.mark.cluster


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(9):
        write_shape(tmp_path / "shapes", f"box/b{number}", size=1.0 + 0.1 * number)
    write_shape(tmp_path / "shapes", "sheet/s0", "sheet")
    write_shape(tmp_path / "shapes", "trap/segfault", "segfault")
    return tmp_path


def source_of(root: Path) -> TrapSource:
    return TrapSource(TrapSettings(root=str(root / "shapes"), driver=os.getpid()))


def counts(report: PrepareReport) -> tuple[int, int, int, int]:
    return report.total, report.prepared, report.rejected, report.kept


def test_two_actors_make_the_store_that_one_process_makes(ray_cluster: str, root: Path) -> None:
    from shapesys.on_ray.prepare import prepare

    calls: list[tuple[int, ...]] = []
    source = source_of(root)
    report = prepare(source, str(root / "ray"), SMALL, lambda *now: calls.append(now), workers=2)
    assert counts(report) == (11, 10, 1, 0)
    assert calls[-1] == (11, 11, 10, 1)
    local = prepare_locally(source, str(root / "local"), SMALL)
    assert local.rejections == report.rejections
    assert contents(root / "ray") == contents(root / "local")
    assert counts(prepare(source, str(root / "ray"), SMALL)) == (11, 0, 0, 11)
    with pytest.raises(UsageError, match=r"cloud\.points: 64 in the store, 65 now"):
        prepare(source, str(root / "ray"), SMALL.override({"cloud.points": 65}))


def test_a_killed_actor_costs_nothing(ray_cluster: str, root: Path) -> None:
    from shapesys.on_ray.prepare import prepare

    write_shape(root / "shapes", "box/b3", "kill_worker")
    report = prepare(source_of(root), str(root / "ray"), SMALL, workers=2)
    mark = root / "shapes/box/b3.killed"
    assert int(mark.read_text()) != os.getpid()
    assert counts(report) == (11, 10, 1, 0)
    prepare_locally(source_of(root), str(root / "local"), SMALL)
    assert contents(root / "ray") == contents(root / "local")


def test_a_store_that_cannot_be_written_ends_the_job_with_the_reason(ray_cluster: str, root: Path) -> None:
    from shapesys.on_ray.prepare import prepare

    (root / "ray").mkdir()
    (root / "ray/cloud").write_text("a file where a folder should be")
    with pytest.raises(ShapesysError, match="cannot write cloud/part-"):
        prepare(source_of(root), str(root / "ray"), SMALL, workers=1)
