"""What a node answers about itself; these functions run there, as tasks."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import ray

from shapesys.errors import ShapesysError
from shapesys.samples.filesystem import Folder

PACKAGES = ("ray", "torch", "shapesys", "mlflow")
HTTP_SECONDS = 10.0
VISIBLE_SECONDS = 6.0
"""How long a file may take to be seen by another node: network filesystems keep listings for a few seconds."""

_SHARED_MEMORY = "/dev/shm"
_GPU_SECONDS = 60.0
_GPU = """
import json, torch
count = torch.cuda.device_count()
for index in range(count):
    torch.ones(2, device=f"cuda:{index}").sum().item()
names = [torch.cuda.get_device_name(index) for index in range(count)]
print(json.dumps({"names": names, "cuda": torch.version.cuda}))
"""


def facts(promised: dict[str, float]) -> dict[str, Any]:
    """Versions, load, memory and disk of this node, and what its GPUs are to torch.

    Args:
        promised: node id -> GPUs that Ray believes in.
    """
    import psutil

    memory, temporary = psutil.virtual_memory(), session_folder()
    disk = shutil.disk_usage(temporary)
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "load": os.getloadavg()[0],
        "cpus": os.cpu_count(),
        "memory_bytes": memory.total,
        "memory_free_bytes": memory.available,
        "shared_memory_bytes": shutil.disk_usage(_SHARED_MEMORY).total if Path(_SHARED_MEMORY).is_dir() else None,
        "temporary": temporary,
        "disk_bytes": disk.total,
        "disk_free_bytes": disk.free,
        "authentication": authentication(),
        "gpus": gpus() if promised.get(_own_id()) or _has_driver() else {"names": []},
    }


def clock() -> float:
    """This node's clock, in Unix seconds."""
    return time.time()


def session_folder() -> str:
    """The folder that Ray keeps logs and spilled objects in."""
    node = ray._private.worker._global_node
    return str(node.get_session_dir_path()) if node else tempfile.gettempdir()


def authentication() -> str:
    """'token' or 'disabled', as Ray's services on this node hold it."""
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    return "token" if is_token_auth_enabled() else "disabled"


def gpus() -> dict[str, Any]:
    """Names of the GPUs that torch can use here and CUDA's and the driver's version, or the 'error' that it meets.

    In a process of its own: Ray hides GPUs from a task that asked for none, and a broken driver may end a process.
    """
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _GPU], env=environment,
            capture_output=True, text=True, errors="replace", timeout=_GPU_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"names": [], "error": f"torch did not answer within {_GPU_SECONDS:g} s"}
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return {"names": [], "error": lines[-1] if lines else f"torch ended with exit code {done.returncode}"}
    return json.loads(done.stdout) | {"driver": _driver()}


def write_file(url: str, folder: str) -> None:
    """Put a file named after this node into `folder`, which lies in the storage `url`.

    Raises:
        ShapesysError: there is no such storage, or it cannot be written to.
    """
    storage = Folder(url)
    if storage.is_local and not Path(storage.url).is_dir():
        raise ShapesysError(f"there is no folder {storage.url}")
    Folder(folder).write(_own_id(), b"seen")


def seen_files(folder: str, expected: list[str]) -> list[str]:
    """Which of the expected files are here; waits a little for those that are not yet."""
    end = time.monotonic() + VISIBLE_SECONDS
    while True:
        here = {name.rpartition("/")[2] for name in Folder(folder).names()}
        if here.issuperset(expected) or time.monotonic() > end:
            return sorted(here.intersection(expected))
        time.sleep(0.5)


def remove_folder(folder: str) -> None:
    """Remove what the checks wrote; another node may be faster."""
    opened = Folder(folder)
    if opened.is_local:
        shutil.rmtree(opened.url, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        opened.filesystem.delete_dir(opened.path())


def reach_tracking(uri: str) -> str:
    """Ask an MLflow server for its health, then for an experiment as a user; what went wrong, or nothing."""
    base, headers = _without_user(uri)
    try:
        _request(f"{base}/health", headers)
    except (urllib.error.URLError, OSError, ValueError) as error:
        if not isinstance(error, urllib.error.HTTPError):  # a proxy may hide the health page; nothing hides an outage
            return f"no answer: {getattr(error, 'reason', error)}"
    try:
        answer = _request(f"{base}/api/2.0/mlflow/experiments/search", headers, b'{"max_results": 1}')
        json.loads(answer)
    except urllib.error.HTTPError as error:
        asks = error.code in (401, 403)
        return f"refuses the user ({error.code})" if asks else f"answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"does not answer as MLflow: {error}"
    return ""


def _request(url: str, headers: dict[str, str], data: bytes | None = None) -> bytes:
    asked = urllib.request.Request(url, data, headers | {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=HTTP_SECONDS) as response:
        return bytes(response.read())


def _without_user(uri: str) -> tuple[str, dict[str, str]]:
    """The address alone, and the header that says who asks: by MLflow's own variables, or by the address."""
    parts = urlsplit(uri.rstrip("/"))
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
    base = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if user or password:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return base, {"Authorization": f"Basic {encoded}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return base, {"Authorization": f"Bearer {token}"} if token else {}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _has_driver() -> bool:
    return any(Path(path).exists() for path in ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/kfd"))


def _driver() -> str | None:
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=HTTP_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)


def _own_id() -> str:
    return str(ray.get_runtime_context().get_node_id())
