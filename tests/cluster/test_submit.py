"""`shapesys submit` to a real head: exit codes, attaching, detaching, cancelling, tokens, outages."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ray_head import Head

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

LONG = ["prepare", "--source", "procedural", "--categories", "mug", "--count", "5000", "--store", "long"]
LONG += ["--preset", "tiny", "--local"]


def listed(head: Head) -> dict[str, dict[str, Any]]:
    done = head.run("submit", "--list", "--json", "--address", head.address)
    assert done.returncode == 0, done.stderr
    return {job["id"]: job for job in json.loads(done.stdout)["jobs"]}


def test_a_verb_runs_there_and_relative_places_start_from_the_workdir(head: Head, tmp_path: Path) -> None:
    small = ["--sdf.count", 512, "--sdf.chunk", 256, "--cloud.points", 1024, "--occupancy.points", 500]
    source = ["--source", "procedural", "--categories", "mug", "--count", 2, "--views", "cloud"]
    done = head.submit("prepare", *source, *small, "--store", "stores/a", "--local", "--workdir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prepared now" in done.stdout
    assert "succeeded after" in done.stdout
    assert "upload: " in done.stderr
    assert (tmp_path / "stores" / "a" / "manifest.json").is_file()


def test_the_verbs_exit_code_is_ours(head: Head, tmp_path: Path) -> None:
    misused = head.submit("evaluate", "no-such-run", "--workdir", tmp_path, "--json")
    assert misused.returncode == 2, misused.stderr
    assert "unknown run 'no-such-run'" in misused.stderr
    told = json.loads(misused.stdout)
    assert (told["state"], told["exit_code"]) == ("FAILED", 2)
    assert listed(head)[told["id"]]["command"] == "shapesys evaluate no-such-run"


def test_ctrl_c_detaches_and_the_same_command_attaches(head: Head, tmp_path: Path) -> None:
    words = [*LONG, "--workdir", str(tmp_path)]
    detached = head.submit(*words, "--detach", "--json")
    assert detached.returncode == 0, detached.stderr
    job = json.loads(detached.stdout)["id"]
    attached = _attach(head, words)
    assert attached.stderr is not None
    _read_until(attached.stderr, f"job {job} runs already")
    assert attached.stdout is not None
    _read_until(attached.stdout, "prepare:")
    attached.send_signal(signal.SIGINT)
    shown, said = attached.communicate(timeout=30)
    assert attached.returncode == 130
    assert f"detached; job {job} goes on" in said
    assert f"shapesys submit --cancel {job} --address {head.address}" in " ".join(shown.split())
    assert listed(head)[job]["state"] == "RUNNING"

    cancelled = head.run("submit", "--cancel", job, "--address", head.address)
    assert (cancelled.returncode, cancelled.stdout.strip()) == (0, f"job {job} cancelled")
    followed = head.run("submit", "--follow", job, "--address", head.address)
    assert followed.returncode == 130
    assert "was cancelled" in followed.stdout


def _attach(head: Head, words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "shapesys.cli.main", *head.submit_words(), *words]
    return subprocess.Popen(
        command, env=head.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _read_until(stream: IO[str], text: str) -> None:
    seen = []
    for line in stream:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"never saw {text!r} in {''.join(seen)}")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"RAY_AUTH_TOKEN": "wrong"}, "refuses this token (403)"),
        ({"RAY_AUTH_MODE": "disabled"}, "asks for a token (401)"),
    ],
)
def test_strangers_are_told_which_token_is_missing(head: Head, token: dict[str, str], said: str) -> None:
    done = head.run("submit", "--list", "--address", head.address, **token)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_token_file_lets_in(head: Head, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(head.token)
    words = ["submit", "--list", "--json", "--address", head.address]
    assert head.run(*words, "--token-file", file, RAY_AUTH_TOKEN="wrong").returncode == 0


def test_the_uploaded_code_runs_in_the_job_and_its_workers(head: Head, tmp_path: Path) -> None:
    from shapesys.cli.upload import collect
    from shapesys.on_ray.job_client import JobsClient
    from shapesys.on_ray.job_logs import Follower
    from shapesys.on_ray.jobs import Submission, exit_code, submit

    package = tmp_path / "job.zip"
    package.write_bytes(collect(True, {}).packed())
    where = "lambda: __import__('shapesys').__file__"
    ask = f"print('HERE', ({where})()); print('THERE', ray.get(ray.remote({where}).remote()))"
    code = f"import ray; ray.init(log_to_driver=False); {ask}"
    client = JobsClient(head.address, head.token)
    entrypoint = shlex.join([sys.executable, "-P", "-c", code])
    started = submit(client, Submission(f"where-{os.getpid()}", entrypoint, package), print)
    text: list[str] = []
    assert exit_code(Follower(client, started.id, text.append, print).to_the_end()) == 0
    places = [line.split()[1] for line in "".join(text).splitlines() if line.startswith(("HERE ", "THERE "))]
    assert len(places) == 2
    assert all("working_dir_files" in place for place in places), places


def test_an_outage_loses_no_line_and_repeats_none(head: Head) -> None:
    from shapesys.on_ray.job_client import JobsClient
    from shapesys.on_ray.job_logs import Follower
    from shapesys.on_ray.jobs import Submission, exit_code, submit

    with Proxy(head.address).running() as proxy:
        client = JobsClient(proxy.address, head.token)
        lines = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.5; done; exit 3"
        started = submit(client, Submission(f"lines-{os.getpid()}", lines), print)
        text: list[str] = []
        notes: list[str] = []

        def write(fresh: str) -> None:
            text.append(fresh)
            if "line 2" in fresh:
                proxy.cut(seconds=1.5)

        job = Follower(client, started.id, write, notes.append).to_the_end()
    told = [line for line in "".join(text).splitlines() if line.startswith("line ")]
    assert told == [f"line {number}" for number in range(1, 10)]
    assert exit_code(job) == 3
    assert len(notes) == 1
    assert "the job goes on" in notes[0]


class Proxy:
    """Passes connections on to an address until it is cut; then it refuses all for a while."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self.address = f"http://127.0.0.1:{self._port}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        self._accept_in_background()
        try:
            yield self
        finally:
            self._close()

    def cut(self, seconds: float) -> None:
        self._close()
        threading.Thread(target=self._restore_after, args=(seconds,), daemon=True).start()

    def _restore_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._accept_in_background()

    def _accept_in_background(self) -> None:
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                ours, _ = listening.accept()
                theirs = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [ours, theirs]
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def _close(self) -> None:
        for connection in [self._listening, *self._open]:
            _shut(connection)
        self._open.clear()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    _shut(source)
    _shut(sink)


def _shut(connection: socket.socket) -> None:
    """Close it, also for a thread that waits in it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
