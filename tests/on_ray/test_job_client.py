"""The connection to a Jobs API: what servers of many kinds answer, and where the token comes from."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("ray")

import ray

from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray import job_client
from shapesys.on_ray.job_client import JobsClient, Unreachable, compare_versions, dashboard_address, find_token


@contextmanager
def server(status: int = 200, body: str = "", says: str = "Python/3.11 aiohttp/3") -> Iterator[tuple[str, list[str]]]:
    """A web server that answers everything alike; yields its address and the Authorization headers it got."""
    headers: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def version_string(self) -> str:
            return says

        def log_message(self, *_: object) -> None:
            return

    with _serving(HTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address, headers


@contextmanager
def _serving(made: HTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        made.server_close()


@contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """A port that is no web server: answers with these bytes, or not at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                if answer:
                    with connection:
                        connection.sendall(answer)
                else:
                    held.append(connection)

        held: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for connection in held:
            connection.close()


def dashboard(version: str = ray.__version__) -> str:
    return json.dumps({"version": "4", "ray_version": version, "ray_commit": "", "session_name": ""})


def test_a_dashboard_is_let_in_with_the_token() -> None:
    with server(body=dashboard()) as (address, headers):
        client = JobsClient(address, "t0ken")
    assert set(headers) == {"Bearer t0ken"}
    assert compare_versions(client) == ("same", f"Ray {ray.__version__}, Python 3.11")


def test_the_address_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://192.0.2.1:8265")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://192.0.2.2:8265")
    with server(body=dashboard()) as (address, _):
        assert JobsClient(address, None).get_address() == address


@pytest.mark.parametrize(
    ("status", "token", "said"),
    [
        (401, None, r"asks for a token \(401\); give it with --token-file FILE or set RAY_AUTH_TOKEN"),
        (403, "wrong", r"refuses this token \(403\)"),
        (404, None, "not as a Ray dashboard"),
        (500, None, "not as a Ray dashboard"),
        (502, None, "a proxy that does not reach its head"),
    ],
)
def test_refusals_say_what_to_do(status: int, token: str | None, said: str) -> None:
    with server(status) as (address, _), pytest.raises(ShapesysError, match=said):
        JobsClient(address, token)


@pytest.mark.parametrize("body", ["<html>welcome</html>", '{"other": 1}'])
def test_another_web_server_is_no_dashboard(body: str) -> None:
    with server(body=body) as (address, _), pytest.raises(ShapesysError, match="not as a Ray dashboard"):
        JobsClient(address, None)


def test_a_port_for_drivers_is_no_dashboard() -> None:
    with listener(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\r\n") as address, pytest.raises(ShapesysError, match="6379"):
        JobsClient(address, None)


def test_silence_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_client, "_ANSWER_SECONDS", 0.3)
    with listener(b"") as address, pytest.raises(Unreachable, match="no answer in time"):
        JobsClient(address, None)


def test_nobody_there(free_port: int) -> None:
    with pytest.raises(Unreachable, match="nothing listens there"):
        JobsClient(f"http://127.0.0.1:{free_port}", None)


@pytest.mark.parametrize(
    ("version", "says", "agreement", "told"),
    [
        ("2.31.0", "Python/3.11", "different", "the cluster runs Ray 2.31.0"),
        (ray.__version__, "Python/3.9 aiohttp/3", "unusable", "runs Python 3.9, and shapesys needs 3.11"),
        (ray.__version__, "nginx", "same", f"Ray {ray.__version__}"),
    ],
)
def test_versions_are_compared(version: str, says: str, agreement: str, told: str) -> None:
    with server(body=dashboard(version), says=says) as (address, _):
        found = compare_versions(JobsClient(address, None))
    assert found[0] == agreement
    assert told in found[1]


@pytest.mark.parametrize("variable", ["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"])
def test_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in job_client.ADDRESS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "https://head/")
    assert dashboard_address(None) == "https://head"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_tokens_come_from_the_nearest_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(name: str, text: str) -> Path:
        (home / name).write_text(text)
        return home / name

    assert find_token() is None
    (home / ".ray").mkdir()
    write(".ray/auth_token", "from-home\n")
    assert find_token() == "from-home"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(write("path", "from-path")))
    assert find_token() == "from-path"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-variable")
    assert find_token() == "from-variable"
    assert find_token(write("file", " from-file ")) == "from-file"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert find_token() is None


def test_a_token_file_that_gives_none_is_told(home: Path) -> None:
    with pytest.raises(UsageError, match=r"--token-file .*No such file"):
        find_token(home / "absent")
    (home / "empty").write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        find_token(home / "empty")


@pytest.mark.parametrize("text", ["one\ntwo", "<html>\n</html>", "caf\u00e9", "a\0b"])
def test_what_cannot_be_a_token_is_told_and_not_quoted(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (home / "file").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"^--token-file '.*file' holds no token") as told:
        find_token(home / "file")
    assert text not in str(told.value)
    if "\0" not in text:
        monkeypatch.setenv("RAY_AUTH_TOKEN", text)
        with pytest.raises(UsageError, match="^RAY_AUTH_TOKEN holds no token"):
            find_token()
