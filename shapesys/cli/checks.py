"""What `shapesys doctor` looks at. Every check returns what it found and the way out where something is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from shapesys.errors import class_and_line

State = Literal["ok", "warning", "missing"]
GIGABYTE = 1e9
SOCKET_ROOM = 40
"""Longest temporary folder that leaves Ray's socket paths below the 107 bytes that Linux allows."""


@dataclass(frozen=True)
class Check:
    """One finding: 'missing' means shapesys cannot work, 'warning' that something will not."""

    name: str
    state: State
    found: str
    way_out: str = ""


def python_version() -> Iterator[Check]:
    new_enough = sys.version_info >= (3, 11)
    way_out = "" if new_enough else "install Python 3.11 or newer"
    yield Check("Python", "ok" if new_enough else "missing", platform.python_version(), way_out)


def packages() -> Iterator[Check]:
    """Core requirements, then each extra, against the versions this package declares."""
    declared = [Requirement(text) for text in metadata.requires("shapesys") or []]
    core = [requirement for requirement in declared if "extra ==" not in str(requirement.marker)]
    yield _requirements("core packages", core, "missing", "pip install -c constraints.txt -e .")
    for extra in metadata.metadata("shapesys").get_all("Provides-Extra") or []:
        if extra in {"all", "dev"}:
            continue
        wanted = [need for need in declared if need not in core and _applies(need, extra)]
        yield _requirements(f"extra '{extra}'", wanted, "warning", f"pip install 'shapesys[{extra}]'")


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _requirements(name: str, wanted: list[Requirement], otherwise: State, way_out: str) -> Check:
    installed: list[str] = []
    wrong: list[str] = []
    for requirement in wanted:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        fits = requirement.specifier.contains(version, prereleases=True)
        (installed if fits else wrong).append(f"{requirement.name} {version}")
    if wrong:
        return Check(name, otherwise, ", ".join(wrong), way_out)
    return Check(name, "ok", ", ".join(installed))


def processor() -> Iterator[Check]:
    flags = _cpu_flags()
    fast = sorted(flags & {"amx_bf16", "avx512_bf16", "avx512f", "avx2", "bf16"})
    yield Check("CPU", "ok", f"{os.cpu_count()} x {platform.machine()}, {' '.join(fast) or 'no vector flags known'}")
    if not flags & {"amx_bf16", "avx512_bf16", "bf16"}:
        way_out = "keep --train.precision float32 on CPU"
        yield Check("bfloat16", "warning", "emulated on this CPU, so slower than float32", way_out)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "").split())


def accelerator() -> Iterator[Check]:
    import torch

    if not torch.cuda.is_available():
        yield Check("GPU", "ok", "none that torch can use; everything runs on CPU")
        return
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield Check("GPU", "ok", f"{', '.join(names)}; bfloat16 {'yes' if torch.cuda.is_bf16_supported() else 'no'}")


def memory() -> Iterator[Check]:
    from shapesys.fields.memory import available_bytes

    yield _enough(
        "memory", available_bytes() / GIGABYTE, 2.0, "free", "close other programs; prepare and train need about 2 GB"
    )


def shared_memory() -> Iterator[Check]:
    path = Path("/dev/shm")
    if not path.is_dir():
        yield Check("/dev/shm", "ok", "not used on this system")
        return
    way_out = "start the container with --shm-size=2g; Ray falls back to slow files in /tmp below that"
    yield _enough("/dev/shm", shutil.disk_usage(path).free / GIGABYTE, 1.0, "free", way_out)


def temporary_folder() -> Iterator[Check]:
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(folder) > SOCKET_ROOM:
        way_out = "set RAY_TMPDIR=/tmp: Ray's socket names below it must stay under 107 bytes"
        yield Check("temporary folder", "warning", f"{folder} has {len(folder)} characters", way_out)
    else:
        yield Check("temporary folder", "ok", folder)


def runs_folder(root: Path) -> Iterator[Check]:
    place = root.resolve()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        yield Check("runs folder", "missing", f"cannot write in {place}: {reason}", "choose another with --runs-root")
        return
    free = shutil.disk_usage(place).free / GIGABYTE
    yield _enough("runs folder", free, 5.0, f"free in {place}", "free some space, or choose another with --runs-root")


def _enough(name: str, found: float, least: float, what: str, way_out: str) -> Check:
    enough = found >= least
    return Check(name, "ok" if enough else "warning", f"{found:.1f} GB {what}", "" if enough else way_out)


_WARP = """
import numpy as np
from shapesys.geometry.warp_tree import WarpTree
vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
tree = WarpTree(vertices, np.array([[0, 1, 2]]))
_, distances, _ = tree.closest(np.array([[0, 0, 2]], dtype=np.float32))
assert abs(float(distances[0]) - 2) < 1e-5, distances
"""


def distance_kernels() -> Iterator[Check]:
    """Compile the distance kernels in a process of their own: a broken compiler can take its process with it."""
    yield _in_process(
        "distance kernels", _WARP, "compiled, and right on one triangle", "pip install 'shapesys[sampling]'"
    )


_RAY = """
from shapesys.on_ray.runtime import runtime
import ray
with runtime(num_cpus=1):
    assert ray.get(ray.remote(lambda: 41 + 1).remote()) == 42
"""


def ray_starts() -> Iterator[Check]:
    """Start a private Ray instance and run one task."""
    way_out = "see the line above; 'ray stop --force' ends a stale instance of yours"
    yield _in_process("Ray", _RAY, "started here, and ran a task", way_out)


def _in_process(name: str, code: str, good: str, way_out: str, limit: float = 120.0) -> Check:
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, errors="replace", timeout=limit, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Check(name, "warning", f"did not answer within {limit:g} s", way_out)
    if done.returncode == 0:
        return Check(name, "ok", good)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return Check(name, "warning", lines[-1] if lines else f"ended with exit code {done.returncode}", way_out)


def all_checks(runs_root: Path, start_ray: bool) -> list[Callable[[], Iterator[Check]]]:
    """The checks in the order they are shown."""
    checks: list[Callable[[], Iterator[Check]]] = [
        python_version,
        packages,
        processor,
        accelerator,
        memory,
        shared_memory,
        temporary_folder,
        lambda: runs_folder(runs_root),
        distance_kernels,
    ]
    return checks + ([ray_starts] if start_ray else [])


def findings(checks: list[Callable[[], Iterator[Check]]]) -> list[Check]:
    """Everything the checks found; one that breaks is itself a finding."""
    found: list[Check] = []
    for check in checks:
        try:
            found += check()
        except Exception as error:
            name = getattr(check, "__name__", "check").replace("_", " ")
            what = class_and_line(error)
            found.append(Check(name, "missing", what, "pip install -c constraints.txt -e ."))
    return found
