"""A set of networks on Ray gives what it gives in one process, and goes on where a worker dies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from shapesys.errors import ShapesysError
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.train_once import TrainExperiment
from shapesys.training import history
from shapesys.training.config import TrainJob, resolve
from shapesys.training.run_dir import create, read_json

pytest.importorskip("ray")
pytestmark = pytest.mark.cluster

SMALL = {"model.hidden": 16, "model.latent_dim": 4, "model.layers": 3, "model.skip_at": 2, "scale.device": "cpu"}
SHORT = {"train.epochs": 4, "train.points_per_shape": 256, "train.shapes_per_step": 3, "train.log_steps": 1}


def job_of(store: Path, **changes: object) -> TrainJob:
    named = {path.replace("__", "."): value for path, value in changes.items()}
    return resolve("issn", "tiny", {**SMALL, **SHORT, "data.store": str(store), **named})


def trained(folder: Path, job: TrainJob, seeds: tuple[int, ...]) -> list[TrainExperiment]:
    jobs = [job.override({"train.seed": seed}) for seed in seeds]
    return [TrainExperiment(f"n{seed}", create(folder, f"n{seed}"), one) for seed, one in zip(seeds, jobs, strict=True)]


def test_networks_on_ray_are_those_of_one_process_and_a_failure_keeps_nobody(
    ray_cluster: str, mugs: Path, tmp_path: Path
) -> None:
    from shapesys.on_ray.experiments import Places, run_beside

    items = trained(tmp_path / "ray", job_of(mugs), (0, 1))
    broken = trained(tmp_path / "ray", job_of(mugs, train__points_per_shape=100_000), (2,))
    heard: dict[str, str] = {}

    def hear(item: Experiment, findings: list[Finding], why: str) -> None:
        heard[item.name] = why

    folder = create(tmp_path, "ray")
    run_beside(folder, str(mugs), [*broken, *items], hear, None, Places.of_training(items[0].job.scale))
    assert (heard["n0"], heard["n1"]) == ("", "")
    assert "100000" in heard["n2"]
    assert read_json(broken[0].run.status)["state"] == "failed"
    for here in trained(tmp_path / "here", job_of(mugs), (0, 1)):
        here.perform()
        last = [history.read(tmp_path / where / here.name / "history.jsonl")[-1]["loss"] for where in ("ray", "here")]
        assert last[0] == last[1]


@dataclass(frozen=True)
class DiesOnce(TrainExperiment):
    """Trains half of it, and takes its worker along the first time."""

    def perform(self) -> list[Finding]:
        import os

        from shapesys.training.config import claim
        from shapesys.training.context import LocalContext
        from shapesys.training.loop import train

        if not self.run.config.exists():
            claim(self.run, self.job)
            train(self.job, self.run, LocalContext(), until_epoch=2)
            os._exit(1)
        return super().perform()


def test_a_network_whose_worker_died_goes_on_from_its_checkpoint(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    from shapesys.on_ray.experiments import Places, run_experiments

    [item] = trained(tmp_path, job_of(mugs), (0,))
    heard: list[str] = []
    run_experiments(
        [[DiesOnce(item.name, item.run, item.job)]],
        lambda item, findings, why: heard.append(why),
        places=Places(attempts=2),
    )
    assert heard == [""]
    assert [record["step"] for record in history.read(item.run.history)] == list(range(1, 9))


def test_places_that_the_machine_does_not_have_are_refused(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    from shapesys.on_ray.experiments import Places, run_experiments

    items = trained(tmp_path, job_of(mugs), (0,))
    for places, complaint in (
        (Places(gpus=True), "--scale.device cpu"),
        (Places(cpus=1000), "--scale.cpus-per-worker"),
    ):
        with pytest.raises(ShapesysError, match=complaint):
            run_experiments([items], lambda *told: None, places=places)
