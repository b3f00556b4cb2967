"""Addresses that cannot be a cluster's, told before Ray is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("ray")

from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray.reach import check_reachable


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
