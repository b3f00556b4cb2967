from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.training import run_dir
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.run_dir import RunDirectory

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SETTINGS = EvaluateConfig(split="train", resolution=16, samples=400, saliency_points=128)
SCALE = EvaluateScale(num_actors=2, cpus_per_actor=0.5, batch_shapes=2, save_meshes=False)


@pytest.fixture(scope="module")
def trained(mugs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of a few steps: its surfaces are poor, and there."""
    from shapesys.training.loop import train

    small = {"model.hidden": 16, "model.latent_dim": 4, "model.layers": 3, "model.skip_at": 2, "model.dropout": 0.0}
    steps = {"train.epochs": 40, "train.points_per_shape": 512, "train.learning_rate": 1e-2}
    job = resolve("issn", "tiny", {"data.store": str(mugs)} | small | steps)
    run = run_dir.create(tmp_path_factory.mktemp("trained"), "run")
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    return run


@pytest.fixture(scope="module")
def whole(trained: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows of the evaluation in one process, by shape id."""
    run = copy_of(trained, tmp_path_factory.mktemp("whole"))
    summary = evaluate_locally(run, SETTINGS, SCALE)
    assert summary["counts"]["ok"] == 6
    return rows_of(run)


def copy_of(run: RunDirectory, folder: Path) -> RunDirectory:
    shutil.copytree(run.path, folder / "run")
    return RunDirectory(folder / "run")


def rows_of(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Rows by shape id, without what differs from run to run; NaN as text, so that rows compare."""
    rows = pq.read_table(run.evaluation("train").rows).to_pylist()
    assert len({row["shape_id"] for row in rows}) == len(rows)
    return {row["shape_id"]: {name: plain(row[name]) for name in row if not name.startswith("cost/")} for row in rows}


def plain(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def assert_same(rows: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rows.keys() == expected.keys()
    for shape_id, row in rows.items():
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        assert len(numbers) > 10
        assert numbers == pytest.approx({name: expected[shape_id][name] for name in numbers}, rel=1e-5)
        assert {**row, **numbers} == {**expected[shape_id], **numbers}, shape_id


def test_the_pool_gives_the_rows_of_one_process_and_loses_none_with_an_actor(
    ray_cluster: str, trained: RunDirectory, whole: dict[str, Any], tmp_path: Path
) -> None:
    from shapesys.on_ray.evaluate import evaluate

    run = copy_of(trained, tmp_path)
    killed: list[int] = []

    def kill_an_actor(done: int, total: int, failed: int) -> None:
        assert (total, failed) == (6, 0)
        if done and not killed:
            victim = actors_of_this_process()[0]
            victim.kill()
            killed.append(victim.pid)

    single = SCALE.override({"batch_shapes": 1})
    summary = evaluate(run, SETTINGS, single, progress=kill_an_actor)
    assert killed
    assert summary["counts"] == {"ok": 6, "empty": 0, "failed": 0, "missing": 0}
    assert_same(rows_of(run), whole)


def actors_of_this_process() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "".join(child.cmdline()[:1]).startswith("ray::EvaluationActor")]


def test_a_killed_driver_loses_nothing_and_the_same_call_again_does_only_the_rest(
    ray_cluster: str, trained: RunDirectory, whole: dict[str, Any], tmp_path: Path
) -> None:
    from shapesys.on_ray.evaluate import evaluate

    run = copy_of(trained, tmp_path)
    killed = subprocess.run(
        [sys.executable, Path(__file__).parent / "killed_driver.py", run.path, ray_cluster, SETTINGS.model_dump_json()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    plan = EvaluationPlan.open(run, SETTINGS)
    parts = run.evaluation("train").path / "parts"
    before = {row["shape_id"]: row for row in pq.read_table(parts).to_pylist()}
    assert 2 <= len(before) < 6
    assert sorted([*before, *plan.waiting]) == sorted(whole)
    calls: list[tuple[int, int, int]] = []
    evaluate(run, SETTINGS, SCALE.override({"num_actors": 1}), progress=lambda *now: calls.append(now))
    assert calls[-1] == (6, 6, 0)
    assert calls[0] == (len(before), 6, 0)
    assert_same(rows_of(run), whole)
    after = {row["shape_id"]: row for row in pq.read_table(run.evaluation("train").rows).to_pylist()}
    spent = "cost/extract_seconds"
    assert {key: after[key][spent] for key in before} == {key: before[key][spent] for key in before}, "not done again"
    assert list(parts.iterdir()) == []
    assert EvaluationPlan.open(run, SETTINGS).waiting == []
    assert len(EvaluationPlan.open(run, SETTINGS.override({"seed": 1})).waiting) == 6


def test_a_shape_whose_data_is_gone_is_counted_with_its_reason(
    ray_cluster: str, mugs: Path, trained: RunDirectory, whole: dict[str, Any], tmp_path: Path
) -> None:
    from shapesys.on_ray.evaluate import evaluate

    store, run = tmp_path / "store", copy_of(trained, tmp_path)
    shutil.copytree(mugs, store)
    held = {part: set(pq.read_table(part)["shape_id"].to_pylist()) for part in sorted((store / "occupancy").iterdir())}
    part, bad = next((part, ids & set(whole)) for part, ids in held.items() if ids & set(whole))
    assert len(bad) < 6
    part.unlink()
    summary = evaluate(run, SETTINGS, SCALE, str(store))
    assert summary["counts"] == {"ok": 6 - len(bad), "empty": 0, "failed": len(bad), "missing": 0}
    rows = rows_of(run)
    for shape_id in bad:
        assert rows[shape_id]["status"] == "failed"
        assert str(part) in rows[shape_id]["reason"]
    assert_same({key: row for key, row in rows.items() if key not in bad}, {k: whole[k] for k in whole if k not in bad})


def test_a_poisoned_shape_costs_its_attempts_and_no_other_shape(
    ray_cluster: str, trained: RunDirectory, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shapesys.on_ray import evaluate as on_ray

    run, bad = copy_of(trained, tmp_path), min(whole)
    healthy = on_ray.EvaluationActor

    class Poisoned(healthy):  # type: ignore[misc, valid-type]
        def run(self, shape_ids: tuple[str, ...]) -> Any:
            if bad in shape_ids:
                os._exit(1)
            return healthy.run(self, shape_ids)

    monkeypatch.setattr(on_ray, "EvaluationActor", Poisoned)
    summary = on_ray.evaluate(run, SETTINGS, SCALE.override({"batch_shapes": 8, "attempts": 2}))
    assert summary["counts"] == {"ok": 5, "empty": 0, "failed": 1, "missing": 0}
    rows = rows_of(run)
    assert rows[bad]["reason"].startswith("crash: its worker died 2 times")
    assert_same({key: rows[key] for key in rows if key != bad}, {key: whole[key] for key in whole if key != bad})


def test_every_item_of_a_pool_ends_as_a_result_or_as_a_failure(ray_cluster: str, tmp_path: Path) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Trickster)
    pool: ActorPool[str] = ActorPool(remote.remote, 2, deadline=lambda item: 2.0 if item == "hang" else 60.0)
    items = ["double abc", "crash", "raise it", "hang", f"once {tmp_path / 'mark'}", *["double x"] * 8]
    outcomes = list(pool.map(items))
    assert sorted(outcome.item for outcome in outcomes) == sorted(items)
    ended = {outcome.item: outcome for outcome in outcomes}
    assert ended["double abc"].value == 6
    assert ended["double x"].value == 2
    assert ended[items[4]].value == 2 * len(str(tmp_path / "mark")), "a second try succeeds"
    assert (ended["crash"].stage, ended["hang"].stage, ended["raise it"].stage) == ("crash", "timeout", "error")
    assert "its worker died 2 times" in ended["crash"].failure
    assert ended["hang"].failure == "took longer than 2 s"
    assert ended["raise it"].failure == "ValueError: cannot do it"
    assert list(pool.map([])) == []


def test_a_pool_survives_actors_that_die_at_birth_but_not_all_of_them(ray_cluster: str, tmp_path: Path) -> None:
    import ray
    from pool_actor import Stillborn

    from shapesys.on_ray.crew import START_ATTEMPTS
    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Stillborn)

    def outcomes(folder: Path, deaths: int) -> list[Any]:
        folder.mkdir()
        pool: ActorPool[str] = ActorPool(lambda: remote.remote(str(folder), deaths), 1, deadline=lambda item: 60.0)
        return [outcome.value for outcome in pool.map(["double 21", "double 123"])]

    assert outcomes(tmp_path / "some", START_ATTEMPTS - 1) == [4, 6]
    with pytest.raises(ShapesysError, match="workers cannot start"):
        outcomes(tmp_path / "all", 1000)
    assert len(list((tmp_path / "all").iterdir())) == START_ATTEMPTS, "an actor's death is counted once"


def test_actors_that_refuse_to_start_say_why(ray_cluster: str) -> None:
    import ray
    from pool_actor import Refusing

    from shapesys.on_ray.pool import ActorPool

    pool: ActorPool[str] = ActorPool(ray.remote(num_cpus=0.5)(Refusing).remote, 1, deadline=lambda item: 60.0)
    with pytest.raises(ShapesysError, match="^workers cannot start: this node does not see the store$"):
        list(pool.map(["double 21"]))


def test_a_broken_item_is_tried_in_parts_and_only_those_to_blame_fail(ray_cluster: str) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Trickster)
    pool: ActorPool[str] = ActorPool(
        remote.remote,
        2,
        deadline=lambda item: 3.0 * (1 + item.count("+")),
        parts=lambda item: item.split("+") if "+" in item else [],
    )
    ended = {outcome.item: outcome for outcome in pool.map(["double a+crash+double bb", "double ccc"])}
    assert sorted(ended) == ["crash", "double a", "double bb", "double ccc"]
    assert [ended[item].value for item in ("double a", "double bb", "double ccc")] == [2, 4, 6]
    assert "its worker died 2 times" in ended["crash"].failure, "once with the others, once alone"


def test_an_item_that_hangs_is_divided_long_before_its_deadline(ray_cluster: str) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Trickster)
    pool: ActorPool[str] = ActorPool(
        remote.remote,
        2,
        deadline=lambda item: 300.0 if "+" in item else 3.0,
        parts=lambda item: item.split("+") if "+" in item else [],
        patience=0.25,
    )
    began = time.monotonic()
    ended = {outcome.item: outcome for outcome in pool.map(["double a+double b"] * 4 + ["double cc+hang"])}
    assert time.monotonic() - began < 60, "the whole deadline is five minutes"
    assert (ended["double cc"].value, ended["hang"].stage) == (4, "timeout")


def test_actors_that_the_cluster_cannot_hold_stop_no_other(ray_cluster: str) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    everything = ray.cluster_resources()["CPU"]
    remote = ray.remote(num_cpus=everything)(Trickster)
    pool: ActorPool[str] = ActorPool(remote.remote, 4, deadline=lambda item: 60.0)
    began, done = time.monotonic(), []
    for outcome in pool.map(["sleep 0.3"] * 4):
        done.append(outcome.ok)
        # From now on, no actor that is still to start does so in time.
        pool._crew._start_limit = 0.0
    assert done == [True] * 4
    assert time.monotonic() - began > 4 * 0.3, "one actor did them all, one after the other"
    remote = ray.remote(num_cpus=2 * everything)(Trickster)
    nowhere: ActorPool[str] = ActorPool(remote.remote, 2, deadline=lambda item: 60.0, start_limit=0.5)
    with pytest.raises(ShapesysError, match="no worker could be started within 0.5 s"):
        list(nowhere.map(["double x"]))


def test_an_actor_that_is_placed_late_joins(ray_cluster: str) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    half = ray.cluster_resources()["CPU"] / 2
    remote = ray.remote(num_cpus=half)(Trickster)
    in_the_way = remote.remote()
    ray.get(in_the_way.ping.remote())
    pool: ActorPool[str] = ActorPool(remote.remote, 2, deadline=lambda item: 60.0)

    def until_two_work() -> Iterator[str]:
        while len(pool._crew.ready) < 2:
            yield "sleep 0.1"

    ready = []
    for outcome in pool.map(until_two_work()):
        assert outcome.ok
        ready.append(len(pool._crew.ready))
        if len(ready) == 3:
            ray.kill(in_the_way)
    assert ready[:3] == [1, 1, 1]


def test_an_actor_larger_than_the_cluster_is_refused_where_that_cannot_grow(
    ray_cluster: str, caplog: pytest.LogCaptureFixture
) -> None:
    from shapesys.on_ray.evaluate import _gpus_per_actor

    scale = EvaluateScale(gpus_per_actor=99)
    with pytest.raises(ShapesysError, match="needs 1 CPUs and 99 GPUs, .* lower --scale.cpus-per-actor"):
        _gpus_per_actor(scale, actors=2, may_grow=False)
    assert _gpus_per_actor(scale, actors=2, may_grow=True) == 99
    assert "waiting 300 s for it to grow" in caplog.text


def test_a_straggler_is_run_again_and_counts_once(ray_cluster: str, tmp_path: Path) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Trickster)
    pool: ActorPool[str] = ActorPool(remote.remote, 2, deadline=lambda item: 60.0, patience=0.5)
    items = [f"straggle {tmp_path / 'mark'}", *["double x"] * 6]
    began = time.monotonic()
    outcomes = list(pool.map(items))
    assert time.monotonic() - began < 30
    assert sorted(outcome.item for outcome in outcomes) == sorted(items)
    assert {outcome.item: outcome.value for outcome in outcomes}[items[0]] == 2 * len(str(tmp_path / "mark"))


def test_actors_that_nobody_needs_are_released(ray_cluster: str) -> None:
    import ray
    from pool_actor import Trickster

    from shapesys.on_ray.pool import ActorPool

    remote = ray.remote(num_cpus=0.5)(Trickster)
    pool: ActorPool[str] = ActorPool(remote.remote, 4, deadline=lambda item: 60.0)
    left = [len(pool._crew.workers) for _ in pool.map([*["sleep 0.1"] * 8, "sleep 2"])]
    assert left[0] == 4
    assert left[-1] <= 2, "one that works, and one that may have to take over"
