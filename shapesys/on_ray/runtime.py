"""The one place that starts Ray, or connects to it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, first_line
from shapesys.on_ray.quiet import divert_messages
from shapesys.on_ray.reach import check_reachable, why_refused

LEAST_CPUS = 4
"""Logical CPUs of a private instance, however small the machine: reading tasks, actors and training workers that wait
for one another's CPU would wait for ever."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PREFIX = "shapesys-ray-"
_LOCK = "owner.lock"
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def runtime(
    address: str | None = None,
    num_cpus: float = 1,
    *,
    dashboard: bool = False,
    resources: dict[str, float] | None = None,
) -> Iterator[None]:
    """Ray for the length of a ``with`` block.

    An instance that this process already has is used and left running. Otherwise: the cluster at `address` or at
    RAY_ADDRESS; without either a private instance on the loopback address, ended with the block.

    Args:
        num_cpus: CPUs that the caller's actors and workers take together; a private instance has more than that.
        dashboard: start the dashboard of a private instance, which job submission and the state API need.
        resources: custom resources of a private instance.

    Raises:
        ShapesysError: the cluster cannot be reached, or a private instance does not start.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = cluster_address(address)
    if address:
        check_reachable(address)
    _choose_authentication(private=address is None)
    divert_messages()
    with contextlib.ExitStack() as stack:
        with _own_end():
            if address:
                _connect(address)
            else:
                _start(stack.enter_context(_temporary_folder()), num_cpus, dashboard, resources)
        stack.callback(ray.shutdown)
        yield


@contextlib.contextmanager
def _own_end() -> Iterator[None]:
    """A block after which SIGTERM does again what it did before: Ray's core ends the process by it, with a stack trace
    and without a word in any status file."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def cluster_address(given: str | None) -> str | None:
    """The cluster that is named, by argument or by RAY_ADDRESS; None where an instance is started here.

    A cluster that is named may start machines for what waits; an instance of our own stays as it is.
    """
    return given or os.environ.get("RAY_ADDRESS") or None


def require_room(lack: str, way_out: str, may_grow: bool, seconds: float | None = None) -> None:
    """Say that the cluster lacks room: a warning where it may grow, for `seconds` or for as long as it takes.

    Raises:
        ShapesysError: it stays as it is.
    """
    if not may_grow:
        raise ShapesysError(f"{lack}; {way_out}")
    _log.warning("%s; waiting%s for it to grow", lack, "" if seconds is None else f" {seconds:g} s")


def on_node(node_id: str, function: Callable[..., Any]) -> Any:
    """The function as a task that runs there and nowhere else; it reserves nothing, so that a busy node answers too."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(function)


def physical_cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def usable_cpus() -> float:
    """CPUs of the running cluster's machines, not the logical ones that a private instance pretends to have."""
    import ray

    cpus = float(ray.cluster_resources().get("CPU", 1.0))
    return min(cpus, physical_cpus()) if len(alive_nodes()) == 1 else cpus


def alive_nodes() -> list[dict[str, Any]]:
    """What Ray knows of every node of the running cluster that is not dead."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _connect(address: str) -> None:
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        has_token = os.environ["RAY_AUTH_MODE"] == "token"
        raise ShapesysError(why_refused(address, error, has_token)) from error


def _start(folder: str, num_cpus: float, dashboard: bool, resources: dict[str, float] | None) -> None:
    import ray

    options: dict[str, Any] = {
        "num_cpus": max(LEAST_CPUS, physical_cpus(), math.ceil(num_cpus) + 2),
        "include_dashboard": dashboard,
        "resources": resources,
        "runtime_env": {"env_vars": _ONE_THREAD},
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": folder,
        "log_to_driver": False,
        "logging_level": "ERROR",
        # Workers started beforehand, one per logical CPU, lack the environment of ours, and nobody would use them.
        "_system_config": {"prestart_worker_first_driver": False},
    }
    try:
        # "local" starts an instance even where the environment or a file names another one.
        ray.init(address="local", **options)
    except Exception as error:
        raise ShapesysError(f"a private Ray instance did not start: {first_line(error)}") from error


def _choose_authentication(private: bool) -> None:
    """State the mode instead of leaving it to defaults, which differ between head, driver and job client.

    Ray's own services listen on every interface, so that a private instance gets a token of its own.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    if private:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ["RAY_AUTH_MODE"] = "token" if private or _has_token() else "disabled"
    # Ray read the environment when it was imported; what it starts now must agree with what it believes.
    raylet: Any = import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def _has_token() -> bool:
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """A short path, since Ray's sockets have long names; removed at the end, like those of killed processes."""
    root = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    for old in root.glob(f"{_PREFIX}*"):
        if _is_abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether the process that made a folder is gone, and its lock with it (process ids mean little in containers)."""
    try:
        if time.time() - folder.stat().st_mtime < 60:
            return False
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
