"""What a node finds out about itself: an MLflow server it reaches or not, and GPUs that torch can use or not."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("ray")

from shapesys.on_ray import node_probe
from shapesys.on_ray.node_probe import gpus, reach_tracking

SEARCH = "/api/2.0/mlflow/experiments/search"
Serve = Callable[[dict[str, tuple[int, str]]], str]


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    """Path and Authorization header of every request."""
    return []


@pytest.fixture
def serve(asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A function that starts a web server with these answers by path, 404 elsewhere, and returns its address."""
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    running: list[HTTPServer] = []

    def start(answers: dict[str, tuple[int, str]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers.get("Authorization", "")))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = answers.get(self.path, (404, ""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815  (the server's own name)

            def log_message(self, *_: object) -> None:
                return

        server = HTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("health", [(200, "OK"), (404, "")])
def test_mlflow_is_reached_even_where_a_proxy_hides_its_health(
    serve: Serve, asked: list[tuple[str, str]], health: tuple[int, str]
) -> None:
    address = serve({"/health": health, SEARCH: (200, '{"experiments": []}')})
    assert reach_tracking(f"{address}/") == ""
    assert asked == [("/health", ""), (SEARCH, "")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, ""), "refuses the user (401)"),
        ((403, ""), "refuses the user (403)"),
        ((404, ""), "answers 404 Not Found"),
        ((200, "<html>welcome</html>"), "does not answer as MLflow: "),
        ((200, ""), "does not answer as MLflow: "),
    ],
)
def test_what_is_wrong_with_an_answer_is_told(serve: Serve, answer: tuple[int, str], said: str) -> None:
    assert reach_tracking(serve({"/health": (200, "OK"), SEARCH: answer})).startswith(said)


def test_no_server_gives_no_answer(free_port: int) -> None:
    assert reach_tracking(f"http://127.0.0.1:{free_port}").startswith("no answer: ")


def basic(user: str) -> str:
    return f"Basic {base64.b64encode(user.encode()).decode()}"


@pytest.mark.parametrize(
    ("variables", "user", "header"),
    [
        ({}, "me:p%40ss@", basic("me:p@ss")),
        ({"USERNAME": "you", "PASSWORD": "word"}, "me:pass@", basic("you:word")),
        ({"TOKEN": "t0ken"}, "", "Bearer t0ken"),
        ({"TOKEN": "t0ken", "USERNAME": "you", "PASSWORD": "word"}, "", basic("you:word")),
    ],
)
def test_the_user_is_named_as_mlflow_would(
    serve: Serve, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str], user: str, header: str,
) -> None:  # fmt: skip
    address = serve({"/health": (200, "OK"), SEARCH: (200, "{}")})
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    assert reach_tracking(address.replace("://", f"://{user}")) == ""
    assert [sent for _, sent in asked] == [header, header]


TORCH = """
import os, types
class Tensor:
    def sum(self): return self
    def item(self): return 2.0
def ones(size, device):
    if device in os.environ.get("BROKEN", ""):
        raise RuntimeError("CUDA error: no kernel image is available\\nSee the manual.\\n" + device + " is broken")
    return Tensor()
visible = os.environ.get("CUDA_VISIBLE_DEVICES")
version = types.SimpleNamespace(cuda="13.0")
cuda = types.SimpleNamespace(
    device_count=lambda: 2 if visible is None else 0, get_device_name=lambda index: f"H200 {index}"
)
"""


@pytest.fixture
def torch_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that puts a module of this text in torch's place, for processes that start from now on."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("BROKEN", raising=False)
    monkeypatch.setattr(node_probe, "_driver", lambda: "580.1")

    def of(text: str) -> None:
        (tmp_path / "torch.py").write_text(text)

    return of


def test_gpus_are_found_though_ray_hides_them(
    torch_that: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_that(TORCH)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == {"names": ["H200 0", "H200 1"], "cuda": "13.0", "driver": "580.1"}


def test_a_gpu_that_cannot_compute_is_an_error_in_one_line(
    torch_that: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_that(TORCH)
    monkeypatch.setenv("BROKEN", "cuda:1")
    assert gpus() == {"names": [], "error": "cuda:1 is broken"}


def test_a_torch_that_ends_its_process_is_an_error(torch_that: Callable[[str], None]) -> None:
    torch_that("import os; os._exit(3)")
    assert gpus() == {"names": [], "error": "torch ended with exit code 3"}


def test_a_torch_that_hangs_is_an_error(torch_that: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    torch_that("import time; time.sleep(60)")
    monkeypatch.setattr(node_probe, "_GPU_SECONDS", 0.5)
    assert gpus() == {"names": [], "error": "torch did not answer within 0.5 s"}
