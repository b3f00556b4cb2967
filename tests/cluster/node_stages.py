"""The stages as users type them on a cluster of several nodes, each losing a node half-way, beside undisturbed runs."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from nodes import Cluster, free_port

from shapesys.cli.tune import resolve_sweep
from shapesys.config.base import Config, diff
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, OccupancyConfig, PrepareConfig, QueryConfig
from shapesys.sources import registry
from shapesys.training import checkpoint, history, run_dir
from shapesys.training.config import claim, load_job, resolve
from shapesys.training.context import ProcessGroupContext, leave_process_group
from shapesys.training.run_dir import RunDirectory
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Ledger, Trial
from shapesys.tuning.space import Space, grid
from shapesys.tuning.sweep_dir import SweepDirectory
from shapesys.tuning.trial import LocalEngine, run_trial

_log = logging.getLogger(__name__)

LIMIT_S = 300.0
"""Seconds that a stage may take, the loss of a node included."""

SOURCE = {"categories": ("mug",), "count": 16, "test_fraction": 0.5}
"""Six of them to train on, eight to test."""
SAMPLER = PrepareConfig(
    sdf=QueryConfig(count=2048, chunk=512), cloud=CloudConfig(points=512), occupancy=OccupancyConfig(points=500)
)
EPOCHS, STEPS_PER_EPOCH, CHECKPOINT_EPOCHS = 80, 2, 10
TRAINING: dict[str, Any] = {
    "model.hidden": 16,
    "model.latent_dim": 4,
    "model.layers": 3,
    "model.skip_at": 2,
    "model.dropout": 0.2,
    "train.epochs": EPOCHS,
    "train.shapes_per_step": 3,
    "train.points_per_shape": 256,
    "train.learning_rate": 1e-2,
    "train.log_steps": 3,
    "train.checkpoint_epochs": CHECKPOINT_EPOCHS,
    "scale.device": "cpu",
    "scale.num_workers": 2,
    # More than half of a node: each worker has a node to itself.
    "scale.cpus_per_worker": 2.5,
}
EVALUATION = EvaluateConfig(
    resolution=16, samples=400, saliency_points=128, observed_queries=1024, inference={"iterations": 60, "points": 256}
)
ACTORS = EvaluateScale(num_actors=2, cpus_per_actor=2.5, batch_shapes=1, save_meshes=False)
KNOB, RATES = "train.learning_rate", (1e-2, 5e-3)
TRIAL = {name: value for name, value in TRAINING.items() if name != KNOB} | {"scale.num_workers": 1}


@dataclass(frozen=True)
class Undisturbed:
    """What the stages make on one machine: store, trained run, rows of its evaluation, objectives of its trials."""

    store: Path
    run: RunDirectory
    rows: dict[str, dict[str, Any]]
    objectives: dict[str, float]


def undisturbed(folder: Path) -> Undisturbed:
    """Prepare, train with two processes, evaluate and try two points, without Ray."""
    store = folder / "store"
    prepare_locally(registry.build_source("procedural", SOURCE), str(store), SAMPLER)
    run = run_dir.create(folder, "run")
    claim(run, resolve("issn", "tiny", TRAINING | {"data.store": str(store)}))
    torch.multiprocessing.spawn(_train_one_rank, (run, free_port()), nprocs=2)
    evaluated = copy_of(run, folder / "evaluated")
    evaluate_locally(evaluated, EVALUATION, ACTORS)
    return Undisturbed(store, run, rows_of(evaluated), _objectives(store, folder))


def _objectives(store: Path, folder: Path) -> dict[str, float]:
    """What the trials of the sweep give, each by itself in this process."""
    sweep = sweep_of(store)
    trials = [Trial(f"{number:03d}-s0", number, 0, point) for number, point in enumerate(grid(sweep.space))]
    alone = SweepDirectory(folder / "alone")
    return {trial.id: next(run_trial(alone, sweep, trial, LocalEngine())).value for trial in trials}


def sweep_of(store: Path) -> Sweep:
    """Two points, measured at their end."""
    space = Space(name="rates", family="issn", strategy="grid", knobs={KNOB: {"choices": RATES}})
    measured = {f"evaluate.{name}": value for name, value in EVALUATION.model_dump(exclude_defaults=True).items()}
    typed = TRIAL | measured | {"data.store": str(store), "evaluate.split": "test", "early_stopping": "none"}
    sweep: Sweep = resolve_sweep(space, "issn", "tiny", typed)
    return sweep


def _train_one_rank(rank: int, run: RunDirectory, port: int) -> None:
    from shapesys.training.loop import train

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    train(load_job(run.config), run, ProcessGroupContext(torch.device("cpu")))
    leave_process_group()


def prepare_words(store: Path) -> list[Any]:
    words = ["prepare", "--source", "procedural", "--categories", "mug", "--count", SOURCE["count"]]
    words += ["--test-fraction", SOURCE["test_fraction"], "--store", store, "--workers", 4, "--json"]
    return words + _flags(_changed(SAMPLER, PrepareConfig()))


def train_words(store: Path, runs: Path) -> list[Any]:
    words = ["train", "issn", "--store", store, "--run", "run", "--runs-root", runs, "--tracker", "none", "--json"]
    return words + _flags(TRAINING)


def evaluate_words(run: RunDirectory) -> list[Any]:
    scale = {f"scale.{name}": value for name, value in _changed(ACTORS, EvaluateScale()).items()}
    measured = EVALUATION.model_dump(exclude_defaults=True) | {"inference": json.dumps(EVALUATION.inference)}
    words = ["evaluate", run.path, "--tracker", "none", "--no-page", "--json"]
    return words + _flags(measured | scale)


def tune_words(store: Path, runs: Path) -> list[Any]:
    space = runs / "rates.toml"
    space.write_text(f'strategy = "grid"\n[knobs]\n"{KNOB}" = {{ choices = {list(RATES)} }}\n', encoding="utf-8")
    words = ["tune", "issn", "--store", store, "--space", space, "--run", "sweep", "--runs-root", runs]
    words += ["--early-stopping", "none", "--tracker", "none", "--json", "--evaluate.split", "test"]
    measured = EVALUATION.model_dump(exclude_defaults=True) | {"inference": json.dumps(EVALUATION.inference)}
    return words + _flags(TRIAL | {f"evaluate.{name}": value for name, value in measured.items()})


def check_prepare(cluster: Cluster, expected: Undisturbed, folder: Path) -> None:
    """A node lost while preparing: the same store, byte for byte."""
    store = folder / "store"
    cluster.fill(2)
    answer = lose_a_node(
        cluster, prepare_words(store), folder, "BucketActor", lambda: _files(store / "shapes"), enough=3
    )
    assert (answer["total"], answer["rejected"]) == (SOURCE["count"], 0)
    assert answer["prepared"] + answer["kept"] == SOURCE["count"]
    assert _contents(store) == _contents(expected.store)


def check_train(cluster: Cluster, expected: Undisturbed, folder: Path) -> None:
    """A node lost while training, and another that joins: the same losses and weights, bit for bit."""
    run = RunDirectory(folder / "run")
    past_the_first_checkpoint = CHECKPOINT_EPOCHS * STEPS_PER_EPOCH + 1
    cluster.fill(2)
    answer = lose_a_node(
        cluster,
        train_words(expected.store, folder),
        folder,
        "RayTrainWorker",
        lambda: max(_curve(run), default=0),
        enough=past_the_first_checkpoint,
        joins=1,
    )
    assert answer["steps"] == EPOCHS * STEPS_PER_EPOCH
    assert _curve(run) == _curve(expected.run)
    assert_same_weights(run, expected.run)


def check_evaluate(cluster: Cluster, expected: Undisturbed, folder: Path) -> None:
    """A node lost while evaluating: the same rows."""
    run = copy_of(expected.run, folder / "run")
    cluster.fill(2)
    lose_a_node(cluster, evaluate_words(run), folder, "EvaluationActor", lambda: _rows_so_far(run), enough=2)
    rows = rows_of(run)
    assert rows.keys() == expected.rows.keys()
    for shape_id, row in rows.items():
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        assert len(numbers) > 10
        others = {name: expected.rows[shape_id][name] for name in numbers}
        assert numbers == pytest.approx(others, rel=1e-5, nan_ok=True), shape_id
        assert row | others == expected.rows[shape_id], shape_id


def check_tune(cluster: Cluster, expected: Undisturbed, folder: Path) -> None:
    """A node lost with the trial on it: the same objectives, each trial ended once."""
    sweep = SweepDirectory(folder / "sweep")
    cluster.fill(2)
    answer = lose_a_node(
        cluster,
        tune_words(expected.store, folder),
        folder,
        "ImplicitFunc",
        lambda: sum(len(history.read(path)) for path in sweep.trials.glob("*/history.jsonl")),
        enough=8,
    )
    assert answer["counts"] == {"finished": 2, "stopped": 0, "errored": 0, "waiting": 0}
    records = Ledger(sweep.ledger).records()
    assert {key: record.value for key, record in records.items()} == pytest.approx(expected.objectives, rel=1e-5)
    assert sweep.ledger.read_text().count('"event": "end"') == 2


def check_refusal(cluster: Cluster, words: list[Any], folder: Path, said: str) -> None:
    """A command that ends with one line, which matches."""
    log = folder / "driver.log"
    driver = cluster.driver(*words, log=log)
    driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 1
    assert re.fullmatch(f"{said}\\n", log.read_text()), log.read_text()


def lose_a_node(
    cluster: Cluster, words: list[Any], folder: Path, title: str, done: Callable[[], int], enough: int, joins: int = 0
) -> dict[str, Any]:
    """Run a command and kill a node with a worker of that title once enough is done; returns the command's answer."""
    started = time.monotonic()
    driver = cluster.driver(*words, log=folder / "driver.log")
    _wait_until(lambda: done() >= enough, driver)
    victim = next(node for node in cluster.workers if node.runs(title))
    before = done()
    killed = cluster.kill(victim)
    assert driver.poll() is None, "the stage ended before the node was lost"
    cluster.add_workers(joins)
    _wait_until(lambda: done() > before or driver.poll() is not None, driver)
    pause = time.monotonic() - killed
    said = driver.communicate(timeout=LIMIT_S)[0]
    seconds = time.monotonic() - started
    log = (folder / "driver.log").read_text()
    assert driver.returncode == 0, f"{said.decode()}{log}"
    ours = (f"{words[0]}: ", "more than a fifth of the time")
    assert [line for line in log.splitlines() if not line.startswith(ours)] == []
    _log.info("%s: %.1f s, lost a node at %d, went on after %.1f s", words[0], seconds, before, pause)
    answer: dict[str, Any] = json.loads(said)
    return answer


def _wait_until(holds: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert driver.poll() is None, "the command ended early"
        assert time.monotonic() < end, f"nothing happened within {LIMIT_S:g} s"
        time.sleep(0.05)


def assert_same_weights(run: RunDirectory, expected: RunDirectory) -> None:
    """The newest checkpoints agree in every file of weights and codes, byte for byte."""
    ours, theirs = checkpoint.newest_of(run), checkpoint.newest_of(expected)
    assert ours.step == theirs.step
    for name in ("model.safetensors", "codes.safetensors", "codes.json"):
        assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes(), name


def copy_of(run: RunDirectory, path: Path) -> RunDirectory:
    shutil.copytree(run.path, path)
    return RunDirectory(path)


def rows_of(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Rows of the test split by shape id, without what differs from run to run."""
    rows = pq.read_table(run.evaluation("test").rows).to_pylist()
    assert len({row["shape_id"] for row in rows}) == len(rows)
    return {row["shape_id"]: {key: row[key] for key in row if not key.startswith("cost/")} for row in rows}


def _curve(run: RunDirectory) -> dict[int, float]:
    """Loss by step, of a history that names no step twice and none out of order."""
    records = history.read(run.history)
    steps = [record["step"] for record in records]
    assert steps == sorted(set(steps))
    return {record["step"]: record["loss"]["total"] for record in records}


def _contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def _files(folder: Path) -> int:
    return len(list(folder.glob("part-*"))) if folder.is_dir() else 0


def _rows_so_far(run: RunDirectory) -> int:
    folder = run.evaluation("test").path
    youngest = folder / "rows.jsonl"
    return sum(pq.read_metadata(part).num_rows for part in folder.glob("parts/*.parquet")) + (
        youngest.read_bytes().count(b"\n") if youngest.exists() else 0
    )


def _changed(config: Config, default: Config) -> dict[str, Any]:
    return {path: ours for path, ours, _ in diff(config, default)}


def _flags(settings: dict[str, Any]) -> list[str]:
    return [word for path, value in settings.items() for word in _flag(path.replace("_", "-"), value)]


def _flag(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]
