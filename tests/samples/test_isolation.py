from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from trap_source import child_pid, double, linger

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.samples.isolation import IsolatedWorker, Limits


@pytest.fixture(scope="module")
def worker() -> Iterator[IsolatedWorker]:
    with IsolatedWorker(double, Limits(seconds=20.0, memory_gib=1.0)) as made:
        yield made


def test_answers_and_keeps_its_child(worker: IsolatedWorker) -> None:
    assert worker(21) == 42
    pid = worker.pid
    assert worker(1) == 2
    assert worker.pid == pid != os.getpid()


def test_exceptions_do_not_cost_the_child(worker: IsolatedWorker) -> None:
    with pytest.raises(ShapeRejected, match="no faces") as rejected:
        worker(("reject", 1.0))
    assert rejected.value.stage == "read"
    pid = worker.pid
    with pytest.raises(ShapeRejected, match="KeyError: 'vertices'") as bug:
        worker(("bug", 1.0))
    assert bug.value.stage == "error"
    assert worker.pid == pid
    assert worker(2) == 4


@pytest.mark.parametrize("kind", ["unusable", "fatal"])
def test_errors_of_the_whole_job_are_no_rejections(worker: IsolatedWorker, kind: str) -> None:
    with pytest.raises(ShapesysError) as error:
        worker((kind, 1.0))
    assert not isinstance(error.value, ShapeRejected)
    assert isinstance(error.value, UsageError) == (kind == "unusable")


def test_memory_limit(worker: IsolatedWorker) -> None:
    with pytest.raises(ShapeRejected, match="1 GiB") as error:
        worker(("memory", 4.0))
    assert error.value.stage == "memory"
    assert worker(3) == 6


@pytest.mark.parametrize(
    ("kind", "stage", "reason"),
    [
        ("segfault", "crash", "SIGSEGV"),
        ("abort", "crash", "SIGABRT"),
        ("exit", "crash", "exit code 3"),
        ("killed", "memory", "out of memory"),
    ],
)
def test_crashes_are_named_and_survived(worker: IsolatedWorker, kind: str, stage: str, reason: str) -> None:
    with pytest.raises(ShapeRejected, match=reason) as error:
        worker((kind, 1.0))
    assert error.value.stage == stage
    assert worker(5) == 10


@pytest.mark.parametrize("kind", ["hang", "hang_native"])
def test_a_task_that_hangs_is_ended_at_its_limit(kind: str) -> None:
    with IsolatedWorker(double, Limits(seconds=0.5)) as worker:
        assert worker(1) == 2
        started, pid = time.monotonic(), worker.pid
        with pytest.raises(ShapeRejected, match=r"limit of 0\.5 s") as error:
            worker((kind, 1.0))
        assert time.monotonic() - started < 15.0
        assert error.value.stage == "timeout"
        assert not _is_alive(pid)
        assert worker(4) == 8


def test_children_are_replaced_after_their_share_of_tasks() -> None:
    with IsolatedWorker(child_pid, Limits(tasks_per_child=2)) as worker:
        pids = [worker(None) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not any(_is_alive(pid) for pid in pids)


def test_a_child_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = IsolatedWorker(double, Limits())
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not entry.endswith("samples")])
    with worker, pytest.raises(ShapesysError, match="did not start.*No module named 'trap_source'"):
        worker(1)


def test_warming_up_counts_against_no_task() -> None:
    with IsolatedWorker(double, Limits(seconds=1.0), warm_up=linger) as worker:
        assert worker(4) == 8


_ORPHANING = """
import sys
sys.path.insert(0, {folder!r})
from trap_source import double
from shapesys.samples.isolation import IsolatedWorker, Limits
worker = IsolatedWorker(double, Limits(seconds=1.0))
worker(1)
print(worker.pid, flush=True)
worker(({kind!r}, 1.0))
"""


@pytest.mark.parametrize("kind", ["hang", "hang_native"])
def test_a_killed_parent_leaves_no_orphan(kind: str) -> None:
    code = _ORPHANING.format(folder=str(Path(__file__).parent), kind=kind)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 15.0
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int | None) -> bool:
    """Whether a process runs; a zombie that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
