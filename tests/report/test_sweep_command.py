"""The command that trains a point by itself is one that `shapesys train` understands, to the same settings."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from click.testing import CliRunner

from shapesys.cli.main import cli
from shapesys.config.base import flat
from shapesys.report.sweep_command import train_command
from shapesys.training.config import TrainJob, resolve


def job_of(**changes: Any) -> TrainJob:
    return resolve("issn", "tiny", {"data.store": "/stores/my demo"} | changes)


def parsed(command: str) -> dict[str, Any]:
    """What `shapesys train` makes of the words, run no further."""
    program, *words = shlex.split(command)
    assert program == "shapesys"
    done = CliRunner().invoke(cli, [*words, "--show-config", "--json"])
    assert done.exit_code == 0, done.output
    return {path: entry["value"] for path, entry in json.loads(done.stdout)["settings"].items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model.latent_dim": 96, "train.learning_rate": 3.3e-05, "train.seed": 7, "train.epochs": 27},
        {"model.weight_norm": False, "train.compile": True, "model.clamp_gradient": "published"},
        {"data.categories": ("chair", "mug"), "inference.cloud_stds": (0.05, 1e-3)},
    ],
)
def test_the_command_gives_the_job_again(changes: dict[str, Any]) -> None:
    job = job_of(**changes)
    settings = parsed(" ".join(train_command(job, "demo-003-s0")))
    assert settings == json.loads(json.dumps(flat(job)))


def test_only_what_differs_from_the_preset_is_said() -> None:
    command = train_command(job_of(**{"model.latent_dim": 96, "scale.num_workers": 4}), "demo-003-s0")
    assert command == [
        "shapesys train issn", "--preset tiny", "--store '/stores/my demo'", "--run demo-003-s0",
        "--model.latent-dim 96",
    ]  # fmt: skip


def test_a_points_settings_are_said_even_where_they_are_the_presets() -> None:
    job = job_of(**{"model.latent_dim": 96})
    said = train_command(job, "run", {"model.dropout": job.model.dropout, "model.latent_dim": 96})
    assert said[-2:] == [f"--model.dropout {job.model.dropout}", "--model.latent-dim 96"]
