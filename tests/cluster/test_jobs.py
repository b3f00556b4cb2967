"""The jobs under `ray job submit`, on a real head node on the loopback address."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[2]
RAY = str(Path(sys.executable).with_name("ray"))


@dataclass(frozen=True)
class Head:
    """A running head node: the address of its Jobs API, and the environment that reaches it."""

    address: str
    environment: dict[str, str]

    def submit(self, job: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = [RAY, "job", "submit", "--address", self.address, "--", sys.executable, ROOT / "jobs" / f"{job}.py"]
        texts = [str(word) for word in (*command, *words)]
        end = time.monotonic() + 60
        while True:
            done = subprocess.run(texts, env=self.environment, capture_output=True, text=True, check=False, timeout=300)
            # The head answers before its agent is there to take a job; then nothing was submitted.
            if "No available agent" not in done.stderr or time.monotonic() > end:
                return done


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    port, dashboard = free_port(), free_port()
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_urlsafe(32)}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    command = [RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=4"]
    command += [f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", f"--temp-dir={folder}"]
    # The agent that runs jobs has a fixed port by default, which another instance on this machine may hold.
    command += [f"--dashboard-agent-listen-port={free_port()}"]
    with Path(folder, "head.log").open("w") as log:
        node = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{dashboard}"
        wait_for(address, node)
        yield Head(address, environment)
    finally:
        os.killpg(node.pid, signal.SIGTERM)
        try:
            node.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(address: str, node: subprocess.Popen[bytes], limit: float = 90.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        assert node.poll() is None, "the head node ended early"
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=2)
        except urllib.error.HTTPError:
            return  # it answers, and wants the token
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"no answer at {address} within {limit:g} s")


def test_jobs_run_from_source_to_page(head: Head, tmp_path: Path) -> None:
    store, runs = tmp_path / "store", tmp_path / "runs"
    source = ["--source", "procedural", "--categories", "mug", "--count", 4, "--test-fraction", 0.3]
    small = ["--sdf.count", 512, "--sdf.chunk", 256, "--cloud.points", 1024, "--occupancy.points", 500]
    prepared = head.submit("prepare", *source, *small, "--store", store, "--workers", 1)
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    assert (store / "manifest.json").is_file()

    model = ["--model.hidden", 16, "--model.latent-dim", 4, "--model.layers", 3, "--model.skip-at", 2]
    steps = ["--train.points-per-shape", 256, "--train.epochs", 4]
    trained = head.submit("train", "issn", "--store", store, "--run", "a", "--runs-root", runs, *model, *steps)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "4/4 steps" in trained.stdout
    assert list((runs / "a" / "checkpoints").glob("step_*"))

    coarse = ["--resolution", 16, "--samples", 500, "--observed-queries", 256, "--scale.num-actors", 1]
    evaluated = head.submit("evaluate", runs / "a", *coarse, "--inference", '{"iterations": 2}')
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    assert (runs / "a" / "evaluation" / "test" / "summary.json").is_file()

    reported = head.submit("report", runs / "a")
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert (runs / "a" / "page.html").is_file()


def test_a_job_of_bad_usage_fails_with_the_reason(head: Head) -> None:
    done = head.submit("train", "isn", "--store", "nowhere")
    assert done.returncode != 0
    assert "did you mean issn?" in done.stdout + done.stderr
