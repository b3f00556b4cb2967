"""The connection to a cluster's Jobs API, which its dashboard serves; every failure is told in one line."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import ray
from ray.job_submission import JobSubmissionClient

from shapesys.errors import ShapesysError, UsageError, first_line, unknown_name

ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
OLDEST_PYTHON = (3, 11)
_CONNECT_SECONDS, _ANSWER_SECONDS, _UPLOAD_SECONDS = 5.0, 60.0, 600.0
_DASHBOARD_PORT = 8265
_GATEWAY_ERRORS = (502, 503, 504)

Agreement = Literal["same", "different", "unusable"]


class Unreachable(ShapesysError):
    """No answer from the cluster: the network or the head is away, perhaps for a moment."""


class JobsClient(JobSubmissionClient):
    """Ray's client with time limits and errors of one line.

    Args:
        address: of the dashboard, e.g. http://HEAD:8265.
        token: the cluster's authentication token; None where it asks for none.

    Raises:
        Unreachable: nothing answers there.
        ShapesysError: the token is refused, or what answers is no Ray dashboard.
    """

    def __init__(self, address: str, token: str | None) -> None:
        self.url = address
        self.has_token = token is not None
        self.server = ""
        for module in ("dashboard_sdk", "job.sdk"):
            logging.getLogger(f"ray.dashboard.modules.{module}").setLevel(logging.WARNING)
        # A header of ours, be it empty, keeps Ray from looking for a token elsewhere.
        headers = {"Authorization": f"Bearer {token}" if token else ""}
        with _first_choice(address):
            try:
                super().__init__(address, headers=headers)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise _no_dashboard(address) from error

    @property
    def cluster_ray(self) -> str:
        """Ray's version on the cluster."""
        return str(self._server_ray_version)

    @property
    def cluster_python(self) -> str | None:
        """Python's version on the head, e.g. '3.11', where the dashboard's own server answers and not a proxy."""
        found = re.search(r"Python/(\d+\.\d+)", self.server)
        return found[1] if found else None

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        answer_seconds = _UPLOAD_SECONDS if method == "PUT" else _ANSWER_SECONDS
        options.setdefault("timeout", (_CONNECT_SECONDS, answer_seconds))
        try:
            response = super()._do_request(method, endpoint, **options)
        except ray.exceptions.AuthenticationError as error:
            raise _refused(self.url, self.has_token) from error
        except (OSError, ValueError) as error:  # the errors of `requests`
            raise _no_answer(self.url, error) from error
        if response.status_code in _GATEWAY_ERRORS:
            raise Unreachable(
                f"{self.url} is a proxy that does not reach its head at the moment ({response.status_code})"
            )
        self.server = response.headers.get("Server", "")
        return response


def connect(address: str | None, token_file: Path | None = None) -> JobsClient:
    """A client of the cluster at `address`, or at the address that the environment names.

    Raises:
        UsageError: no address, or one of another kind.
        ShapesysError: the cluster cannot be reached, or refuses.
    """
    return JobsClient(dashboard_address(address), find_token(token_file))


def dashboard_address(given: str | None) -> str:
    """The address of the dashboard: as given, else from RAY_API_SERVER_ADDRESS or RAY_ADDRESS.

    Raises:
        UsageError: none is named, or it is not an http address.
    """
    source, address = "--address", given
    if not address:
        named = [(name, os.environ[name]) for name in ADDRESS_VARIABLES if os.environ.get(name)]
        if not named:
            raise UsageError("no cluster named; give --address http://HEAD:8265 or set RAY_API_SERVER_ADDRESS")
        source, address = named[0]
    scheme, separated, rest = address.partition("://")
    if not separated or scheme not in {"http", "https"}:
        host = urlsplit(f"//{rest if separated else address}").hostname or "HEAD"
        raise UsageError(
            f"{source} '{address}' is an address for drivers; jobs go to the head's dashboard, "
            f"usually http://{'HEAD' if host == 'auto' else host}:{_DASHBOARD_PORT}"
        )
    return address.rstrip("/")


def find_token(file: Path | None = None) -> str | None:
    """The authentication token: from `file`, RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token, in this order.

    Raises:
        UsageError: a file that was named cannot be read, or what is there is no token.
    """
    if file is not None:
        return _read_token(file, "--token-file")
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return None
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return _checked(token, "RAY_AUTH_TOKEN")
    if path := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return _read_token(Path(path), "RAY_AUTH_TOKEN_PATH")
    default = Path.home() / ".ray" / "auth_token"
    return _read_token(default, "the token file") if default.is_file() else None


def compare_versions(client: JobsClient) -> tuple[Agreement, str]:
    """Whether code of this machine can run on the cluster, and what differs."""
    ours, theirs = ray.__version__, client.cluster_ray
    python = client.cluster_python
    if python and tuple(int(part) for part in python.split(".")) < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        return "unusable", f"the cluster runs Python {python}, and shapesys needs {oldest} or newer"
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        return "different", f"the cluster runs Ray {theirs}, and this machine {ours}"
    return "same", f"Ray {theirs}" + (f", Python {python}" if python else "")


def known_job(client: JobsClient, job_id: str) -> Any:
    """What the cluster knows of a job.

    Raises:
        UsageError: it knows no such job; names the nearest ones.
    """
    try:
        return client.get_job_info(job_id)
    except RuntimeError as error:
        if "404" not in str(error):
            raise ShapesysError(f"{client.url} could not tell about job '{job_id}': {first_line(error)}") from error
        known = [job.submission_id for job in client.list_jobs() if job.submission_id]
        raise unknown_name("job", job_id, known) from error


@contextlib.contextmanager
def _first_choice(address: str) -> Iterator[None]:
    """A block in which Ray takes this address: its variables win over the one it is given."""
    name = ADDRESS_VARIABLES[0]
    before = os.environ.get(name)
    os.environ[name] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _read_token(path: Path, source: str) -> str:
    try:
        token = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} '{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not token:
        raise UsageError(f"{source} '{path}' is empty; write one with: ray get-auth-token --generate")
    return _checked(token, f"{source} '{path}'")


def _checked(token: str, source: str) -> str:
    """The token, if it can be sent: one line of plain characters. It is not quoted, whatever it is."""
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{source} holds no token, but several lines or odd characters; give the cluster's own")
    return token


def _refused(address: str, has_token: bool) -> ShapesysError:
    if has_token:
        return ShapesysError(
            f"{address} refuses this token (403); give the cluster's own with --token-file FILE or RAY_AUTH_TOKEN"
        )
    return ShapesysError(f"{address} asks for a token (401); give it with --token-file FILE or set RAY_AUTH_TOKEN")


def _no_answer(address: str, error: Exception) -> Unreachable:
    text = str(error)
    if "BadStatusLine" in text or "RemoteDisconnected" in text or "SSL" in text:
        return _no_dashboard(address)
    reasons = {
        "resolve": "its name is not known here",
        "refused": "nothing listens there",
        "timed out": "no answer in time",
        "unreachable": "no way to its network",
        "No route": "no way to its network",
    }
    reason = next((said for part, said in reasons.items() if part in text), first_line(error))
    return Unreachable(f"cannot reach {address}: {reason}; is the head up, and its dashboard's port open from here?")


def _no_dashboard(address: str) -> Unreachable:
    return Unreachable(
        f"{address} answers, but not as a Ray dashboard; its port is usually {_DASHBOARD_PORT} (6379 and 10001 are for "
        "drivers), and its address begins with http:// unless a proxy adds encryption"
    )
