"""A real head node on the loopback address, with its Jobs API, as `ray start --head` makes it."""

from __future__ import annotations

import contextlib
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

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Head:
    """A running head node.

    Attributes:
        address: its Jobs API.
        gcs: its address for drivers.
        environment: variables that reach it, its token among them.
    """

    address: str
    gcs: str
    environment: dict[str, str]

    @property
    def token(self) -> str:
        return self.environment["RAY_AUTH_TOKEN"]

    def run(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """`shapesys` with these words, to its end."""
        command = [str(BIN / "shapesys"), *(str(word) for word in words)]
        environment = self.environment | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    def submit(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """`shapesys submit` to this head, to its end."""
        return self.run(*self.submit_words(), *words, **variables)

    def submit_words(self) -> list[str]:
        return ["submit", "--address", self.address, "--python", sys.executable]

    def ray_submit(self, job: str, *words: object) -> subprocess.CompletedProcess[str]:
        """`ray job submit` of a file of jobs/."""
        command = [BIN / "ray", "job", "submit", "--address", self.address, "--", sys.executable]
        texts = [str(word) for word in (*command, ROOT / "jobs" / f"{job}.py", *words)]
        end = time.monotonic() + 60
        while True:
            done = subprocess.run(texts, env=self.environment, capture_output=True, text=True, check=False, timeout=300)
            # The head answers before its agent is there to take a job; then nothing was submitted.
            if "No available agent" not in done.stderr or time.monotonic() > end:
                return done

    @contextlib.contextmanager
    def another_node(self) -> Iterator[subprocess.Popen[bytes]]:
        """A second node of the cluster, on this machine; yields its `ray start`, whose children are the node."""
        command = [str(BIN / "ray"), "start", "--block", f"--address={self.gcs}", "--num-cpus=1"]
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        with _process(command, self.environment) as (node, _):
            yield node


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_head() -> Iterator[Head]:
    """A head with four logical CPUs and a token, ended with the block."""
    port, dashboard = free_port(), free_port()
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_urlsafe(32)}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    command = [str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += [f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", "--num-cpus=4"]
    # What has a fixed port by default, another instance on this machine may hold.
    command += [f"--dashboard-agent-listen-port={free_port()}", f"--ray-client-server-port={free_port()}"]
    with _process(command, environment, temporary=True) as (node, log):
        address = f"http://127.0.0.1:{dashboard}"
        _wait_for(address, node, log)
        yield Head(address, f"127.0.0.1:{port}", environment)


@contextlib.contextmanager
def _process(
    command: list[str], environment: dict[str, str], temporary: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A `ray start --block` in a process group of its own, of which nothing is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    place = [f"--temp-dir={folder}"] if temporary else []
    with (folder / "node.log").open("w") as log:
        node = subprocess.Popen([*command, *place], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield node, folder / "node.log"
    finally:
        _end(node)
        shutil.rmtree(folder, ignore_errors=True)


def _end(node: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGTERM)
    try:
        node.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def _wait_for(address: str, node: subprocess.Popen[bytes], log: Path, limit: float = 90.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        assert node.poll() is None, f"the head node ended early: {log.read_text()[-2000:]}"
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=2)
        except urllib.error.HTTPError:
            return  # it answers, and wants the token
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"no answer at {address} within {limit:g} s")
