"""A source whose files say how the shape behaves; importable by name, so that child processes find it too."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.samples.settings import CloudConfig, LimitConfig, OccupancyConfig, PrepareConfig, QueryConfig
from shapesys.sources.base import Census, Plane, ShapeRef, Skipped, Source, digest_of

SMALL = PrepareConfig(
    sdf=QueryConfig(count=500, chunk=200),
    cloud=CloudConfig(points=64),
    occupancy=OccupancyConfig(points=300),
    limits=LimitConfig(seconds=20.0, memory_gib=2.0),
)
"""Settings that make a shape cheap."""


class TrapSettings(Config):
    """Where the files are."""

    root: str = setting(..., help="folder of <category>/<name>.json files")
    driver: int = setting(0, help="process id that is spared by 'kill_worker' shapes")


class TrapSource(Source):
    """Files ``{"kind": ..., "size": ...}``: boxes, sheets, and shapes that misbehave when they are read."""

    name = "trap"
    Settings = TrapSettings

    def __init__(self, settings: TrapSettings) -> None:
        self.settings = settings

    def census(self) -> Census:
        root = Path(self.settings.root)
        files = sorted(path.relative_to(root).with_suffix("") for path in root.glob("*/*.json"))
        refs = [
            ShapeRef(path.as_posix(), path.parent.name, "test" if path.name.startswith("t") else "train", self.name)
            for path in files
        ]
        skipped = [Skipped(path.stem, "census", "a note is not a shape") for path in root.glob("*.txt")]
        return Census.of(refs, skipped)

    def load(self, ref: ShapeRef) -> Mesh:
        return misbehave(**json.loads(self._path(ref).read_text()))

    def digest(self, ref: ShapeRef) -> str:
        text = self._path(ref).read_text()
        if "kill_worker" in text and os.getpid() != self.settings.driver:
            self._kill_worker(ref, text)
        if "unreadable" in text:
            raise ShapeRejected("read", "the file cannot be read")
        return digest_of(text)

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        return (1.0, 0.0, 0.0, 5.0) if ref.category == "box" else None

    def _kill_worker(self, ref: ShapeRef, text: str) -> None:
        mark = self._path(ref).with_suffix(".killed")
        if "kill_worker_always" in text or not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)

    def _path(self, ref: ShapeRef) -> Path:
        return Path(self.settings.root) / f"{ref.id}.json"


def write_shape(root: Path, shape_id: str, kind: str = "box", size: float = 1.0) -> None:
    path = root / f"{shape_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": kind, "size": size}))


def misbehave(kind: str, size: float) -> Mesh:
    """A mesh, or what the kind promises."""
    if kind in ("box", "kill_worker", "kill_worker_always"):
        solid = trimesh.creation.box((size, 1.0, 2.0))
        return Mesh(np.asarray(solid.vertices) + [5.0, 0.0, 0.0], np.asarray(solid.faces))
    if kind == "sheet":
        corners = np.array([[0.0, 0.0, 0.0], [size, 0.0, 0.0], [0.0, size, 0.0]])
        return Mesh(corners, np.array([[0, 1, 2]]), face_labels=np.array([3]))
    _TRAPS[kind](size)
    raise AssertionError(f"the trap '{kind}' did not spring")


def double(task: Any) -> Any:
    """A well-behaved task for `IsolatedWorker`: twice a number, or the trap that is named."""
    return 2 * task if isinstance(task, int) else misbehave(*task)


def linger() -> None:
    time.sleep(1.5)


def child_pid(_: Any) -> int:
    return os.getpid()


def _hang(_: float) -> None:
    time.sleep(600)


def _hang_holding_the_interpreter(_: float) -> None:
    ctypes.PyDLL(None).sleep(600)


def _eat_memory(gib: float) -> None:
    np.ones(int(gib * 2**30), dtype=np.uint8)


def _raise(error: Exception) -> Any:
    def spring(_: float) -> None:
        raise error

    return spring


_TRAPS: dict[str, Any] = {
    "hang": _hang,
    "hang_native": _hang_holding_the_interpreter,
    "memory": _eat_memory,
    "segfault": lambda _: ctypes.string_at(0),
    "abort": lambda _: os.abort(),
    "exit": lambda _: os._exit(3),
    "killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "bug": _raise(KeyError("vertices")),
    "reject": _raise(ShapeRejected("read", "no faces")),
    "unusable": _raise(UsageError("nothing works without the extra")),
    "fatal": _raise(ShapesysError("the machine is on fire")),
}
