from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from shapesys.errors import ShapesysError
from shapesys.training import history, run_dir
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.history import Record
from shapesys.training.run_dir import RunDirectory, read_json

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

STEPS_PER_EPOCH, EPOCHS, CHECKPOINT_EPOCHS = 2, 240, 20
SETTINGS: dict[str, Any] = {
    "model.hidden": 16,
    "model.latent_dim": 4,
    "model.layers": 3,
    "model.skip_at": 2,
    "model.dropout": 0.2,
    "train.epochs": EPOCHS,
    "train.shapes_per_step": 3,
    "train.points_per_shape": 256,
    "train.log_steps": 3,
    "train.checkpoint_epochs": CHECKPOINT_EPOCHS,
    "scale.device": "cpu",
}
"""Checkpoints fall between two logged steps, so that a resumed run has to average from the checkpoint on."""


def flags(settings: dict[str, Any]) -> list[str]:
    return [word for path, value in settings.items() for word in (f"--{path.replace('_', '-')}", str(value))]


def make_run(store: Path, folder: Path, **changes: Any) -> tuple[TrainJob, RunDirectory]:
    named = {path.replace("__", "."): value for path, value in changes.items()}
    job = resolve("issn", "tiny", SETTINGS | {"data.store": str(store)} | named)
    run = run_dir.create(folder, "run")
    claim(run, job)
    return job, run


def curve(run: RunDirectory) -> dict[int, float]:
    """Loss by step, of a history that names no step twice and none out of order."""
    records = history.read(run.history)
    steps = [record["step"] for record in records]
    assert steps == sorted(set(steps))
    return {record["step"]: record["loss"]["total"] for record in records}


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """Training workers that descend from a process, by the title that Ray gives them."""
    found = []
    for child in process.children(recursive=True):
        try:
            if child.cmdline() and child.cmdline()[0].startswith("ray::RayTrainWorker"):
                found.append(child)
        except psutil.Error:
            continue
    return found


class KillOneWorker:
    """Kills a worker when the first record past the first checkpoint appears; remembers when steps went on."""

    def __init__(self) -> None:
        self.killed_at = 0.0
        self.seen: list[int] = []
        self.pause = 0.0

    def __call__(self, record: Record) -> None:
        self.seen.append(record["step"])
        if not self.killed_at and record["step"] > CHECKPOINT_EPOCHS * STEPS_PER_EPOCH:
            victim = workers_below(psutil.Process())[-1]
            victim.kill()
            self.killed_at = time.monotonic()
        elif self.killed_at and not self.pause and time.monotonic() - self.killed_at > 2:
            self.pause = time.monotonic() - self.killed_at


@pytest.fixture(scope="module")
def local(mugs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The uninterrupted run of one process, without Ray."""
    from shapesys.training.loop import train

    job, run = make_run(mugs, tmp_path_factory.mktemp("local"))
    train(job, run, LocalContext(torch.device("cpu")))
    return run


@pytest.fixture(scope="module")
def whole(ray_cluster: str, mugs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The uninterrupted run of two workers on Ray."""
    from shapesys.on_ray.train import train

    job, run = make_run(mugs, tmp_path_factory.mktemp("whole"), scale__num_workers=2)
    result = train(job, run)
    assert result["steps"] == EPOCHS * STEPS_PER_EPOCH
    return run


def test_two_workers_on_ray_give_the_losses_of_one_process(local: RunDirectory, whole: RunDirectory) -> None:
    alone, shared = curve(local), curve(whole)
    assert list(alone) == list(shared)
    early = [step for step in alone if step <= 60]
    np.testing.assert_allclose([shared[step] for step in early], [alone[step] for step in early], rtol=1e-4)
    # Rounding grows over hundreds of steps of Adam; the course stays the same.
    np.testing.assert_allclose(list(shared.values()), list(alone.values()), rtol=0.1)


@pytest.fixture(scope="module")
def by_tasks(ray_cluster: str, mugs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The run of two workers for which tasks of Ray Data read."""
    from shapesys.on_ray.train import train

    job, run = make_run(
        mugs, tmp_path_factory.mktemp("by-tasks"), scale__num_workers=2, scale__reader="ray_data", train__epochs=60
    )
    train(job, run)
    return run


def test_reading_by_tasks_gives_the_losses_of_reading_by_threads(whole: RunDirectory, by_tasks: RunDirectory) -> None:
    losses = curve(by_tasks)
    assert losses == {step: loss for step, loss in curve(whole).items() if step in losses}
    assert max(losses) == 60 * STEPS_PER_EPOCH


def test_the_share_of_time_spent_waiting_for_data_is_recorded(by_tasks: RunDirectory) -> None:
    records = history.read(by_tasks.history)
    assert all(0 <= record["wait_share"] <= 1 for record in records)
    assert records[0]["wait_share"] > records[-1]["wait_share"], "the first step waits for the tasks to start"


def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(
    ray_cluster: str,
    mugs: Path,
    whole: RunDirectory,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from shapesys.on_ray.train import train

    job, run = make_run(mugs, tmp_path, scale__num_workers=2)
    log = KillOneWorker()
    result = train(job, run, on_log=log)
    assert log.killed_at, "no worker was killed"
    assert result["steps"] == EPOCHS * STEPS_PER_EPOCH
    assert log.pause > 0, "training went on without a restart"
    assert all(later > earlier for earlier, later in itertools.pairwise(log.seen))
    assert curve(run) == curve(whole)
    assert re.search(r"process \d+ of Ray died", caplog.text)
    out, error = capfd.readouterr()
    assert (out, error) == ("", "")


def shapesys_train(store: Path, runs: Path) -> list[str]:
    words = ["train", "issn", "--store", str(store), "--run", "run", "--runs-root", str(runs), "--tracker", "none"]
    return [str(Path(sys.executable).with_name("shapesys")), *words, *flags(SETTINGS)]


def test_a_killed_driver_stops_its_workers_and_the_same_command_resumes(
    mugs: Path, local: RunDirectory, tmp_path: Path
) -> None:
    command = shapesys_train(mugs, tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    run = RunDirectory(tmp_path / "run")
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        children = kill_past_the_first_checkpoint(driver, run)
        driver.wait()
    reached = max(curve(run))
    assert reached < EPOCHS * STEPS_PER_EPOCH, "the run ended before it was killed"
    # The two agents of Ray's node, which do no work of ours, take about a minute to notice.
    _, running = psutil.wait_procs(
        [child for child, name in children.items() if not name.endswith("Agent")], timeout=30
    )
    assert not running
    assert read_json(run.status)["state"] == "running", "nobody was left to say otherwise"

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert again.returncode == 0, again.stderr
    assert curve(run) == curve(local)
    assert read_json(run.status)["state"] == "finished"
    ours = ("train: ", "more than a fifth of the time")
    noise = [line for line in again.stderr.splitlines() if not line.startswith(ours)]
    assert noise == []
    assert "trained" in again.stdout.split()[0]


def kill_past_the_first_checkpoint(driver: subprocess.Popen[bytes], run: RunDirectory) -> dict[psutil.Process, str]:
    """Kill a driver as soon as its run has gone past a checkpoint; returns the processes that it had, with names."""
    process, end = psutil.Process(driver.pid), time.monotonic() + 150
    while time.monotonic() < end:
        assert driver.poll() is None, "the run ended before it could be killed"
        records = history.read(run.history)
        if records and records[-1]["step"] > CHECKPOINT_EPOCHS * STEPS_PER_EPOCH:
            children = {child: child.name() for child in process.children(recursive=True)}
            assert workers_below(process)
            os.kill(driver.pid, signal.SIGKILL)
            return children
        time.sleep(0.05)
    raise AssertionError("the run did not get past its first checkpoint")


def test_a_diverging_run_fails_once(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    from shapesys.cli.training_run import run_training

    job = resolve("issn", "tiny", SETTINGS | {"data.store": str(mugs), "train.learning_rate": 1e30})
    with pytest.raises(ShapesysError, match="the last checkpoint is untouched") as raised:
        run_training(job, "run", tmp_path, address=None, local=False, tracker="none")
    assert raised.value.__cause__ is None, "the worker failed, so Ray has tried again"
    status = read_json(tmp_path / "run/status.json")
    assert status["state"] == "failed"
    assert "train.learning_rate" in status["error"]


@pytest.mark.parametrize("reader", ["thread", "ray_data"])
def test_what_stops_a_worker_reaches_the_user(ray_cluster: str, mugs: Path, tmp_path: Path, reader: str) -> None:
    from shapesys.on_ray.train import train

    store = tmp_path / "store"
    shutil.copytree(mugs, store)
    for path in store.glob("sdf/chunk=002/*"):
        path.write_bytes(b"not a table")
    job, run = make_run(store, tmp_path, scale__max_failures=0, scale__reader=reader)
    with pytest.raises(ShapesysError, match="training of 'run' failed: reading data failed: .*sdf/chunk=002/"):
        train(job, run)


def test_more_workers_than_the_cluster_holds_are_refused_at_once(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    from shapesys.on_ray.train import train

    job, run = make_run(mugs, tmp_path, train__shapes_per_step=6, scale__num_workers=6, scale__cpus_per_worker=4.0)
    with pytest.raises(ShapesysError, match="6 workers need 4 CPUs each, 24 in all, but the cluster has"):
        train(job, run)
    job = job.override({"scale.device": "cuda", "scale.cpus_per_worker": 0.1})
    with pytest.raises(ShapesysError, match=r"6 workers need a GPU each, but the cluster has 0"):
        train(job, run)


def test_more_workers_than_shapes_are_refused_at_once(mugs: Path, tmp_path: Path) -> None:
    from shapesys.on_ray.train import train

    job, run = make_run(mugs, tmp_path, scale__num_workers=4)
    with pytest.raises(ShapesysError, match="a step of 3 shapes cannot be shared by 4 workers"):
        train(job, run)


def test_more_workers_than_the_machine_has_cpus_start_no_cluster(
    mugs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shapesys.on_ray import train

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(train.ray, "is_initialized", lambda: False)
    job, run = make_run(mugs, tmp_path, scale__cpus_per_worker=1000.0)
    with pytest.raises(ShapesysError, match=r"1 worker needs 1000 CPUs each, but this machine has \d+"):
        train.train(job, run)


def test_a_cluster_that_may_grow_is_waited_for(ray_cluster: str, caplog: pytest.LogCaptureFixture) -> None:
    from shapesys.on_ray.train import _scaling
    from shapesys.training.config import ScaleConfig

    scaling = _scaling(ScaleConfig(num_workers=6, device="cuda", timeout_s=900), may_grow=True)
    assert scaling.use_gpu
    assert scaling.num_workers == 6
    assert "6 workers need a GPU each, but the cluster has 0; waiting 900 s for it to grow" in caplog.text
