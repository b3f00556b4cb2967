"""The jobs under `ray job submit`, on a real head node on the loopback address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ray_head import Head

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]


def test_jobs_run_from_source_to_page(head: Head, tmp_path: Path) -> None:
    store, runs = tmp_path / "store", tmp_path / "runs"
    source = ["--source", "procedural", "--categories", "mug", "--count", 4, "--test-fraction", 0.3]
    small = ["--sdf.count", 512, "--sdf.chunk", 256, "--cloud.points", 1024, "--occupancy.points", 500]
    prepared = head.ray_submit("prepare", *source, *small, "--store", store, "--workers", 1)
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    assert (store / "manifest.json").is_file()

    model = ["--model.hidden", 16, "--model.latent-dim", 4, "--model.layers", 3, "--model.skip-at", 2]
    steps = ["--train.points-per-shape", 256, "--train.epochs", 4]
    trained = head.ray_submit("train", "issn", "--store", store, "--run", "a", "--runs-root", runs, *model, *steps)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "4/4 steps" in trained.stdout
    assert list((runs / "a" / "checkpoints").glob("step_*"))

    coarse = ["--resolution", 16, "--samples", 500, "--observed-queries", 256, "--scale.num-actors", 1]
    evaluated = head.ray_submit("evaluate", runs / "a", *coarse, "--inference", '{"iterations": 2}')
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    assert (runs / "a" / "evaluation" / "test" / "summary.json").is_file()

    reported = head.ray_submit("report", runs / "a")
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert (runs / "a" / "page.html").is_file()


def test_a_job_of_bad_usage_fails_with_the_reason(head: Head) -> None:
    done = head.ray_submit("train", "isn", "--store", "nowhere")
    assert done.returncode != 0
    assert "did you mean issn" in done.stdout + done.stderr
