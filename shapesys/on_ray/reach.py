"""Says at once that an address cannot be a cluster's; Ray itself finds out after minutes. And why a cluster refuses."""

from __future__ import annotations

import re
import socket

from shapesys.errors import ShapesysError, UsageError, first_line

_PATIENCE_S = 5.0
_VERSIONS = re.compile(
    r"cluster was started with:\s+Ray: (\S+)\s+Python: (\S+)\s.*?was started with:\s+Ray: (\S+)\s+Python: (\S+)",
    re.DOTALL,
)
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


def why_refused(address: str, error: BaseException, has_token: bool) -> str:
    """In one line why a cluster that was reached took no driver."""
    if found := _VERSIONS.search(str(error)):
        theirs, ours = (f"Ray {ray} on Python {python}" for ray, python in (found.group(1, 2), found.group(3, 4)))
        return (
            f"the cluster at '{address}' runs {theirs}, and this machine {ours}; use an environment with the cluster's "
            "versions here, or run the verb there with 'shapesys submit VERB ... --address http://HEAD:8265'"
        )
    # Ray does not tell a wrong token from a head that answers nobody.
    hint = "; is this the cluster's own token? set" if has_token else "; if it asks for a token, set"
    hint += " RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file of it"
    return f"cannot reach the Ray cluster at '{address}': {first_line(error)}{hint}"


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
