"""Says at once that an address cannot be a cluster's; Ray itself finds out after minutes."""

from __future__ import annotations

import socket

from shapesys.errors import ShapesysError, UsageError

_PATIENCE_S = 5.0
_ASK_WEB_SERVER, _WEB_SERVER = b"GET / HTTP/1.0\r\n\r\n", b"HTTP/"


def check_reachable(address: str) -> None:
    """Look whether something that may be Ray listens at HOST:PORT or ray://HOST:PORT; other addresses pass.

    Raises:
        UsageError: the address of a dashboard, which takes jobs and no drivers.
        ShapesysError: nothing listens there.
    """
    if address.startswith(("http://", "https://")):
        raise _takes_jobs(address, address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S) as connection:
            said = _greeting(connection)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ShapesysError(f"cannot reach the Ray cluster at '{address}': {reason}; is its head up?") from error
    if said == _WEB_SERVER:
        raise _takes_jobs(address, f"http://{host}:{port}")


def _greeting(connection: socket.socket) -> bytes:
    """What a web server would begin with; Ray's servers say something else, or hang up."""
    try:
        connection.sendall(_ASK_WEB_SERVER)
        return connection.recv(len(_WEB_SERVER))
    except OSError:
        return b""


def _takes_jobs(address: str, dashboard: str) -> UsageError:
    return UsageError(
        f"'{address}' is a web server, such as a cluster's dashboard: it takes jobs, with 'shapesys submit VERB ... "
        f"--address {dashboard}'; a verb connects to the port that 'ray start --head' printed, usually 6379"
    )
