"""Addresses that cannot be a cluster's, told before Ray is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("ray")

from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray.reach import check_reachable, why_refused


@contextlib.contextmanager
def port_that_says(text: bytes) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(timeout=5)


def test_a_port_of_another_kind_is_told_at_once(free_port: int) -> None:
    web_server = port_that_says(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
    with web_server as address, pytest.raises(UsageError, match=f"submit VERB ... --address http://{address}"):
        check_reachable(address)
    with port_that_says(b"\x00\x00\x18\x04\x00") as address:
        check_reachable(address)
    with pytest.raises(ShapesysError, match="Connection refused"):
        check_reachable(f"ray://127.0.0.1:{free_port}")
    check_reachable("auto")


def test_a_dashboard_takes_jobs() -> None:
    with pytest.raises(UsageError, match="shapesys submit VERB ... --address https://head:8265"):
        check_reachable("https://head:8265")


def test_other_versions_are_both_named_with_the_way_out() -> None:
    utils = pytest.importorskip("ray._private.utils")
    with pytest.raises(RuntimeError) as told:
        utils.check_version_info({"ray_version": "2.48.0", "python_version": "3.12.1"}, "node 10.0.0.7:6379")
    said = why_refused("10.0.0.1:6379", told.value, has_token=False)
    assert "'10.0.0.1:6379' runs Ray 2.48.0 on Python 3.12.1, and this machine Ray 2." in said
    assert "shapesys submit" in said
    assert "\n" not in said


def test_any_other_refusal_is_told_in_its_first_line() -> None:
    lost = ConnectionError("no GCS\nmore")
    with_token, without = (why_refused("h:1", lost, has_token) for has_token in (True, False))
    assert with_token.startswith("cannot reach the Ray cluster at 'h:1': no GCS; is this the cluster's own token?")
    assert "no GCS; if it asks for a token, set RAY_AUTH_TOKEN" in without
    assert "\n" not in with_token + without
