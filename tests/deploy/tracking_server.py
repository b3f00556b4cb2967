"""A whole tracking server on the loopback address: PostgreSQL, an S3 server, and cluster/mlflow/serve.sh on top."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVE = Path(__file__).parents[2] / "cluster" / "mlflow" / "serve.sh"
BUCKET = "mlflow"
DATABASE = "mlflow"


@dataclass(frozen=True)
class Server:
    """A running server, the user who may do everything, and what the test may look at behind it."""

    uri: str
    admin: str
    password: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path
    s3: Any


@contextmanager
def tracking_server(folder: Path) -> Iterator[Server]:
    """Start everything, wait until it answers, end everything.

    Args:
        folder: where the server may leave its log.
    """
    with postgres() as database, s3_server() as s3:
        port = free_port()
        environment = os.environ | database | s3.environment | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "MLFLOW_ARTIFACTS": f"s3://{BUCKET}",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_AUTH_ADMIN_USERNAME": "keeper",
            "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_hex(16),
            "MLFLOW_PORT": str(port),
            "MLFLOW_WORKERS": "1",
        }  # fmt: skip
        log = folder / "server.log"
        with log.open("wb") as stream:
            process = subprocess.Popen([SERVE], env=environment, stdout=stream, stderr=stream, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, log)
            names = ("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD")
            yield Server(
                f"http://127.0.0.1:{port}", *(environment[name] for name in names), process, environment, log, s3.client
            )
        finally:
            end(process)


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """An empty database behind a password; yields the settings that reach it."""
    prefix = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="shapesys-postgres-", dir="/tmp"))
    password, port = secrets.token_hex(16), free_port()
    try:
        (folder / "password").write_text(password)
        if prefix:
            for path in (folder, folder / "password"):
                shutil.chown(path, _someone().pw_name)
        data = folder / "data"
        made = [program("initdb"), "-D", data, "-U", "tracker", "--auth=scram-sha-256", f"--pwfile={folder}/password"]
        subprocess.run([*prefix, *made, "--no-sync"], check=True, capture_output=True, cwd=folder)
        command = [program("postgres"), "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*prefix, *command], stdout=log, stderr=log, cwd=folder, start_new_session=True)
        try:
            wait_until(lambda: _listens(port), process, folder / "log")
            create_database(port, password)
            settings = {"USER": "tracker", "PASSWORD": password, "DB": DATABASE, "PORT": str(port)}
            yield {f"POSTGRES_{name}": value for name, value in settings.items()}
        finally:
            end(process, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_database(port: int, password: str) -> None:
    connect = pytest.importorskip("pg8000.dbapi").connect
    connection = connect(user="tracker", password=password, host="127.0.0.1", port=port, database="postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {DATABASE}")
    connection.close()


@dataclass(frozen=True)
class S3:
    """An S3 server with an empty bucket."""

    client: Any
    environment: dict[str, str]


@contextmanager
def s3_server() -> Iterator[S3]:
    moto = pytest.importorskip("moto.server")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        endpoint, keys = f"http://{host}:{port}", {"aws_access_key_id": "made", "aws_secret_access_key": "up"}
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint, **keys)
        client.create_bucket(Bucket=BUCKET)
        environment = {name.upper(): value for name, value in keys.items()}
        yield S3(client, environment | {"MLFLOW_S3_ENDPOINT_URL": endpoint})
    finally:
        server.stop()


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def unprivileged() -> list[str]:
    """The words before a command that PostgreSQL, which refuses to run as root, needs here."""
    if os.geteuid() != 0:
        return []
    someone = _someone()
    return [program("setpriv"), f"--reuid={someone.pw_uid}", f"--regid={someone.pw_gid}", "--clear-groups"]


def _someone() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    wait_until(answers, process, log)


def wait_until(ready: Any, process: subprocess.Popen[bytes], log: Path, limit: float = 120.0) -> None:
    ends = time.monotonic() + limit
    while not ready():
        assert process.poll() is None, f"ended early:\n{log.read_text(errors='replace')}"
        assert time.monotonic() < ends, f"not up within {limit:g} s:\n{log.read_text(errors='replace')}"
        time.sleep(0.2)


def end(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM) -> None:
    """End a process that leads its own group, and whoever is left of the group."""
    process.send_signal(by)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
