"""`shapesys doctor` on a real cluster: from inside, as a job, and with a node that hangs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from ray_head import Head

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def examined(head: Head, *words: object) -> tuple[int, dict[str, Any]]:
    done = head.run("doctor", "--address", head.gcs, "--json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def named(data: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [check for check in data["checks"] if check["name"].startswith(name)]


def test_a_healthy_cluster(head: Head, tmp_path: Path, free_port: int) -> None:
    code, data = examined(head, "--shared", tmp_path, "--tracking-uri", f"http://127.0.0.1:{free_port}")
    assert code == 0
    assert data["healthy"]
    assert named(data, "cluster")[0]["found"].startswith(f"{head.gcs}: 1 node")
    states = {name: named(data, name)[0]["state"] for name in ("versions", "clocks", "authentication", "storage")}
    assert set(states.values()) == {"ok"}, states
    assert "Connection refused" in named(data, "MLflow")[0]["found"]
    assert data["nodes"][0]["cpus"] == 4
    assert data["nodes"][0]["versions"]["ray"]
    assert list(tmp_path.iterdir()) == []


def test_as_a_job_from_outside(head: Head, tmp_path: Path) -> None:
    done = head.submit("doctor", "--shared", tmp_path / "absent")
    assert done.returncode == 1, done.stderr
    assert "checked the cluster at" in done.stdout
    assert "there is no folder" in done.stdout


def test_the_jobs_api_alone(head: Head) -> None:
    done = head.run("doctor", "--address", head.address)
    assert done.returncode == 0, done.stderr
    assert f"shapesys submit doctor --address {head.address}" in done.stdout


@pytest.mark.parametrize("which", ["jobs", "nobody"])
def test_wrong_addresses_are_told_at_once(head: Head, free_port: int, which: str) -> None:
    address = head.address.removeprefix("http://") if which == "jobs" else f"127.0.0.1:{free_port}"
    started = time.monotonic()
    done = head.run("doctor", "--address", address)
    assert done.returncode == (2 if which == "jobs" else 1)
    assert ("is a web server" if which == "jobs" else "cannot reach the Ray cluster") in done.stderr
    assert done.stderr.count("\n") == 1
    assert time.monotonic() - started < 30


def test_every_node_is_asked_and_one_that_hangs_is_a_finding(head: Head, tmp_path: Path) -> None:
    with head.another_node() as node:
        _, both = _with_two_nodes(head, tmp_path)
        assert "seen by all" in named(both, "storage")[0]["found"]
        assert len({row["node"] for row in both["nodes"]}) == 2
        stopped = _stop(node)
        try:
            code, data = examined(head, "--deadline", 5)
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)
    assert code == 1
    hanging = named(data, "node ")
    assert len(hanging) == 1
    assert hanging[0]["found"] == "did not answer within 5 s"
    assert len(data["nodes"]) == 1


def _with_two_nodes(head: Head, shared: Path) -> tuple[int, dict[str, Any]]:
    end = time.monotonic() + 60
    while True:
        code, data = examined(head, "--shared", shared)
        if len(data["nodes"]) == 2 or time.monotonic() > end:
            return code, data


def _stop(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Freeze a node's processes; those that hold it together first."""
    family = psutil.Process(node.pid).children(recursive=True)
    for process in family:
        process.send_signal(signal.SIGSTOP)
    return family
