from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from trap_source import SMALL, TrapSettings, TrapSource, write_shape

from shapesys.errors import ShapesysError, UsageError
from shapesys.samples import commit as commit_module
from shapesys.samples import prepare as prepare_module
from shapesys.samples.filesystem import Folder
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS, PrepareConfig, QueryConfig
from shapesys.samples.shape import prepare_shape
from shapesys.samples.store import Store
from shapesys.samples.views import VIEWS
from shapesys.sources.base import ShapeRef


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the shapes that are really prepared, in this process, from here on."""
    seen: list[str] = []

    def spy(source: TrapSource, ref: ShapeRef, settings: PrepareConfig) -> object:
        seen.append(ref.id)
        return prepare_shape(source, ref, settings)

    monkeypatch.setattr(prepare_module, "prepare_shape", spy)
    return seen


def test_a_second_run_does_nothing(trap_source: TrapSource, tmp_path: Path, prepared: list[str]) -> None:
    store = tmp_path / "store"
    first = prepare_locally(trap_source, str(store), SMALL, isolate=False)
    assert (first.total, first.prepared, first.rejected, first.kept, first.partial) == (6, 6, 0, 0, 1)
    before, count = contents(store), len(prepared)
    second = prepare_locally(trap_source, str(store), SMALL, isolate=False)
    assert (second.prepared, second.rejected, second.kept) == (0, 0, 6)
    assert second.rejections == first.rejections
    assert len(prepared) == count == 6
    assert contents(store) == before


def test_only_what_is_new_or_changed_is_prepared(
    trap_source: TrapSource, trap_root: Path, tmp_path: Path, prepared: list[str]
) -> None:
    store = tmp_path / "store"
    prepare_locally(trap_source, str(store), SMALL, isolate=False)
    prepared.clear()
    write_shape(trap_root, "box/b9", size=3.0)
    write_shape(trap_root, "box/b1", size=7.0)
    report = prepare_locally(trap_source, str(store), SMALL, isolate=False)
    assert sorted(prepared) == ["box/b1", "box/b9"]
    assert (report.prepared, report.kept) == (2, 5)
    widths = np.ptp(Store.open(str(store)).read("meshes", ["box/b1"])["vertices"][0], axis=0)
    assert widths[0] / widths[1] == pytest.approx(7.0)


def test_another_mirror_plane_is_prepared_anew(
    trap_source: TrapSource, tmp_path: Path, prepared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    prepare_locally(trap_source, str(store), SMALL, isolate=False)
    prepared.clear()
    monkeypatch.setattr(TrapSource, "symmetry_plane", lambda self, ref: (0.0, 0.0, 1.0, 0.0))
    prepare_locally(trap_source, str(store), SMALL, isolate=False)
    assert "box/b1" in prepared
    (row,) = [row for row in Store.open(str(store)).shapes().to_pylist() if row["shape_id"] == "box/b1"]
    assert row["symmetry_plane"] == pytest.approx([0.0, 0.0, 1.0, 0.0])


def test_history_leaves_no_trace(trap_source: TrapSource, trap_root: Path, tmp_path: Path) -> None:
    """Shapes that came one by one, changed and recovered give the very files that one run gives."""
    grown, direct = tmp_path / "grown", tmp_path / "direct"
    write_shape(trap_root, "box/b2", "reject")
    prepare_locally(trap_source, str(grown), SMALL, isolate=False)
    write_shape(trap_root, "box/b2", size=1.2)
    write_shape(trap_root, "box/b8", size=2.0)
    prepare_locally(trap_source, str(grown), SMALL, isolate=False)
    write_shape(trap_root, "box/b0", size=4.0)
    prepare_locally(trap_source, str(grown), SMALL, isolate=False)
    # The number of buckets is that of the first run, so both stores get the same.
    (direct).mkdir()
    (direct / "manifest.json").write_bytes((grown / "manifest.json").read_bytes())
    prepare_locally(trap_source, str(direct), SMALL, isolate=False)
    assert contents(grown) == contents(direct)
    assert Store.open(str(grown)).digest() == Store.open(str(direct)).digest()


class Killed(BaseException):
    """The process ends here."""


def test_a_kill_at_any_write_or_removal_is_made_good(
    trap_source: TrapSource, trap_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the first preparation and one that replaces parts, interrupted at every single file operation in turn."""
    settings = SMALL.override({"sdf.count": 200})
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    monkeypatch.setattr(prepare_module, "bucket_count", lambda _: 2)
    steps = {"left": -1}

    def counted(name: str) -> None:
        original = getattr(Folder, name)

        def perform(self: Folder, *args: object) -> object:
            if steps["left"] == 0:
                raise Killed
            steps["left"] -= 1
            return original(self, *args)

        monkeypatch.setattr(Folder, name, perform)

    counted("write")
    counted("remove")
    kills = 0
    for size in (1.0, 2.0):
        write_shape(trap_root, "box/b0", size=size)
        prepare_locally(trap_source, str(whole), settings, isolate=False)
        for step in range(1000):
            steps["left"] = step
            try:
                prepare_locally(trap_source, str(torn), settings, isolate=False)
                break
            except Killed:
                kills += 1
                _check_readable(torn)
        steps["left"] = -1
        assert contents(torn) == contents(whole)
    assert kills > 10


def _check_readable(root: Path) -> None:
    """Whatever is committed can be read."""
    if not (root / "manifest.json").exists():
        return
    store = Store.open(str(root))
    ids = store.shape_ids(views="sdf")
    assert store.read_chunk("sdf", 0, ids)["points"].shape[0] == len(ids)
    assert all(len(store.mesh(shape_id).faces) for shape_id in store.shape_ids())


_RUN = """
import sys
sys.path.insert(0, {folder!r})
from trap_source import SMALL, TrapSettings, TrapSource
from shapesys.samples.prepare import prepare_locally
print("start", flush=True)
prepare_locally(TrapSource(TrapSettings(root={root!r})), {store!r}, SMALL)
"""


def test_kill_nine_at_random_moments(trap_source: TrapSource, trap_root: Path, tmp_path: Path) -> None:
    for number in range(10, 18):
        write_shape(trap_root, f"box/b{number}", size=1.0 + 0.1 * number)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    started = time.monotonic()
    prepare_locally(trap_source, str(whole), SMALL)
    seconds = time.monotonic() - started
    code = _RUN.format(folder=str(Path(__file__).parent), root=str(trap_root), store=str(torn))
    moments = random.Random(0)
    for _ in range(3):
        driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert driver.stdout is not None
        driver.stdout.readline()
        try:
            driver.wait(timeout=moments.uniform(0.4, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            driver.send_signal(signal.SIGKILL)
            driver.wait()
    prepare_locally(trap_source, str(torn), SMALL)
    assert contents(torn) == contents(whole)


def test_every_shape_is_accounted_for(trap_root: Path, tmp_path: Path) -> None:
    traps = {"hang": "timeout", "segfault": "crash", "memory": "memory", "bug": "error", "reject": "read"}
    for kind in traps:
        write_shape(trap_root, f"trap/{kind}", kind, size=8.0)
    write_shape(trap_root, "trap/unreadable", "unreadable")
    (trap_root / "notes.txt").write_text("not a shape")
    source = TrapSource(TrapSettings(root=str(trap_root)))
    calls: list[tuple[int, int, int, int]] = []
    settings = SMALL.override({"limits.seconds": 4.0})
    report = prepare_locally(source, str(tmp_path / "store"), settings, lambda *counts: calls.append(counts))
    store = Store.open(str(tmp_path / "store"))
    ok, rejected = set(store.shape_ids()), store.rejected().to_pylist()
    lost = {row["shape_id"] for row in rejected if not row["views"]}
    entries = {entry.id for entry in (*source.census().shapes, *source.census().skipped)}
    assert ok | lost == entries
    assert not ok & lost
    assert {row["shape_id"]: row["stage"] for row in rejected} == {
        **{f"trap/{kind}": stage for kind, stage in traps.items()},
        "trap/unreadable": "read",
        "notes": "census",
        "sheet/s0": "sign",
    }
    assert report.total == len(entries) == report.prepared + report.rejected
    assert (report.prepared, report.rejected, report.partial) == (6, 7, 1)
    assert calls[-1] == (13, 13, 6, 7)
    assert [done for done, *_ in calls] == sorted(done for done, *_ in calls)
    assert report.stages()["read"] == 2


def test_retry_tries_again_what_a_limit_or_an_error_refused(trap_root: Path, tmp_path: Path) -> None:
    for kind in ("bug", "reject"):
        write_shape(trap_root, f"trap/{kind}", kind)
    source, store = TrapSource(TrapSettings(root=str(trap_root))), str(tmp_path / "store")
    assert prepare_locally(source, store, SMALL).rejected == 2
    assert prepare_locally(source, store, SMALL, isolate=False).kept == 8
    # Without isolation the shape's own error is the caller's to see, which shows that it was tried.
    with pytest.raises(KeyError, match="vertices"):
        prepare_locally(source, store, SMALL, isolate=False, retry=True)


def test_other_settings_are_refused_with_the_difference(trap_source: TrapSource, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, SMALL, isolate=False)
    with pytest.raises(UsageError, match=r"sdf\.count: 500 in the store, 600 now[\s\S]*another --store"):
        prepare_locally(trap_source, store, SMALL.override({"sdf.count": 600}), isolate=False)
    limits = SMALL.override({"limits.seconds": 99.0})
    assert prepare_locally(trap_source, store, limits, isolate=False).prepared == 0


def test_signed_views_alone_reject_a_sheet_as_a_whole(trap_source: TrapSource, tmp_path: Path) -> None:
    settings = SMALL.override({"views": ["sdf"]})
    report = prepare_locally(trap_source, str(tmp_path / "store"), settings, isolate=False)
    assert (report.prepared, report.rejected, report.partial) == (5, 1, 0)
    assert report.rejections[0]["stage"] == "sign"


def test_a_full_disk_is_explained(trap_source: TrapSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ShapesysError, match=r"no space left to write .*manifest\.json \(\d+\.\d+ GiB free\)"):
        prepare_locally(trap_source, str(tmp_path / "store"), SMALL, isolate=False)
    assert contents(tmp_path / "store") == {}


def test_one_writer_at_a_time(trap_source: TrapSource, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, SMALL, isolate=False)
    with Folder(store).exclusive(), pytest.raises(ShapesysError, match="another process is writing"):
        prepare_locally(trap_source, store, SMALL, isolate=False)
    assert prepare_locally(trap_source, store, SMALL, isolate=False).kept == 6


def test_sweep_removes_only_what_no_part_owns(trap_source: TrapSource, tmp_path: Path) -> None:
    root = tmp_path / "store"
    prepare_locally(trap_source, str(root), SMALL, isolate=False)
    before = contents(root)
    orphan = next(root.glob("cloud/*.parquet"))
    (root / "sdf/chunk=000/part-00000-0123456789abcdef.parquet").write_bytes(orphan.read_bytes())
    (root / "cloud/.x.parquet.1.part").write_bytes(b"half")
    (root / "README.txt").write_text("mine")
    removed = commit_module.sweep(Store.open(str(root)))
    assert len(removed) == 2
    assert contents(root) == before | {"README.txt": b"mine"}


def test_paper_preset_is_the_published_recipe() -> None:
    paper = PRESETS["paper"]
    assert (paper.sdf.count, paper.sdf.chunk_size, paper.sdf.chunks) == (250_000, 16_384, 16)
    assert PRESETS["tiny"].digest() != paper.digest() == PrepareConfig().digest()
    assert QueryConfig(count=100, chunk=1000).chunk_size == 100


def test_unknown_view_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown view 'sdff'; did you mean sdf"):
        PrepareConfig(views=("sdff",))


def test_rows_say_how_the_shape_was_prepared(trap_source: TrapSource, tmp_path: Path) -> None:
    prepare_locally(trap_source, str(tmp_path / "store"), SMALL, isolate=False)
    row = Store.open(str(tmp_path / "store")).shapes(split="test").to_pylist()[0]
    assert row["shape_id"] == "box/t4"
    assert row["watertight"]
    assert row["sign_quality"] == pytest.approx(1.0)
    assert row["faces"] == 12
    # The box is centred at x = 5 of its file, where the source puts the mirror plane.
    assert row["centre"] == pytest.approx([5.0, 0.0, 0.0])
    assert row["symmetry_plane"] == pytest.approx([1.0, 0.0, 0.0, 0.0])
    assert json.loads(row["sampler"])["sdf"]["count"] == 500


def test_files_carry_the_declared_schema(trap_source: TrapSource, tmp_path: Path) -> None:
    prepare_locally(trap_source, str(tmp_path / "store"), SMALL, isolate=False)
    for path in (tmp_path / "store").rglob("*.parquet"):
        view = path.relative_to(tmp_path / "store").parts[0]
        assert pq.read_schema(path).names == VIEWS[view].schema.names


def test_bad_inputs_are_all_accounted_for(shared_data: Path, tmp_path: Path) -> None:
    from shapesys.sources.registry import build_source

    source = build_source("folder", {"root": str(shared_data / "bad_inputs")})
    report = prepare_locally(source, str(tmp_path / "store"), SMALL)
    census = source.census()
    ids = {entry.id for entry in (*census.shapes, *census.skipped)}
    store = Store.open(str(tmp_path / "store"))
    lost = {row["shape_id"] for row in report.rejections if not row["views"]}
    assert ids == set(store.shape_ids()) | lost
    assert len(ids) == report.total == report.prepared + report.rejected > 300
    assert not {"crash", "timeout", "memory", "error"} & set(report.stages())
    assert all(row["reason"] for row in report.rejections)


def test_a_store_is_listed_once_and_a_source_read_once(
    trap_source: TrapSource, trap_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many buckets there are: otherwise the cost would grow with the square of the store."""
    monkeypatch.setattr(prepare_module, "bucket_count", lambda _: 4)
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, SMALL, isolate=False)
    listed, digested = [], []
    starting, digest = Folder.starting, TrapSource.digest
    monkeypatch.setattr(Folder, "starting", lambda self, start: listed.append(start) or starting(self, start))
    monkeypatch.setattr(TrapSource, "digest", lambda self, ref: digested.append(ref.id) or digest(self, ref))
    prepare_locally(trap_source, store, SMALL, isolate=False)
    assert len(listed) == 1
    write_shape(trap_root, "box/b9", size=3.0)
    digested.clear()
    assert prepare_locally(trap_source, store, SMALL, isolate=False).prepared == 1
    assert sorted(digested) == sorted({*digested}), "a shape was digested twice"
    assert "box/b9" in digested


def test_a_bucket_that_broke_off_looks_again(trap_source: TrapSource, trap_root: Path, tmp_path: Path) -> None:
    """Its first try had replaced the part that was there, and died before it could say so."""
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, SMALL, isolate=False)
    write_shape(trap_root, "box/b1", size=7.0)
    work, buckets, _ = prepare_module.plan(trap_source, store, SMALL, retry=False)
    prepare = partial(prepare_shape, trap_source, settings=SMALL)
    for bucket in prepare_module.with_parts(work, buckets):
        first = prepare_module.prepare_bucket(work, bucket, prepare)
        again = prepare_module.prepare_bucket(work, replace(bucket, parts=None), prepare)
        assert (again.prepared, again.rejected) == (0, 0)
        assert again.kept == first.prepared + first.kept + first.rejected


def test_a_damaged_commit_record_is_named(trap_source: TrapSource, tmp_path: Path) -> None:
    store = tmp_path / "store"
    prepare_locally(trap_source, str(store), SMALL, isolate=False)
    record = next((store / "shapes").iterdir())
    record.write_bytes(b"not a table")
    with pytest.raises(ShapesysError, match=f"the store is damaged: {record} cannot be read .* prepare again"):
        prepare_locally(trap_source, str(store), SMALL, isolate=False)
