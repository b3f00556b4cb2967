"""Folders that every node must see. Noticed before the work: results on one node's own disk are as good as lost.

A folder of the same name is not enough. A `Witness` is a file with known content in it: one made for the purpose where
the folder is written to, one that is there anyway where it is only read.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from shapesys.errors import ShapesysError
from shapesys.on_ray.runtime import alive_nodes, on_node
from shapesys.samples.filesystem import Folder
from shapesys.samples.manifest import MANIFEST
from shapesys.training.run_dir import RunDirectory

PATIENCE_S = 5.0
"""A network file system may show a new file late."""
NODES_LIMIT_S = 60.0
"""Seconds for all nodes to answer; one that does not is judged by the work itself."""

MOUNT_STORE = "mount the store's storage there too, or give --store an address such as s3://bucket/store"

_MARK = ".shared-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Witness:
    """A file that tells its folder from another of the same name.

    Attributes:
        path: of the file.
        digest: of its content, as the driver sees it.
        way_out: what the user can do where it is not seen.
    """

    path: Path
    digest: str
    way_out: str

    @classmethod
    def of(cls, path: Path, way_out: str) -> Witness:
        """A file that is there."""
        return cls(path, _digest(path), way_out)

    def seen(self) -> bool:
        """Whether this process sees the file, with this content."""
        end = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                if _digest(self.path) == self.digest:
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(PATIENCE_S / 10)


@contextlib.contextmanager
def marked(folder: Path, way_out: str) -> Iterator[Witness]:
    """A witness in a folder that is written to, for the length of a ``with`` block. One block per folder at a time."""
    for old in folder.glob(f"{_MARK}*"):
        # Of a killed process.
        old.unlink(missing_ok=True)
    # A name never used before: some file systems remember for a while what they did not find.
    mark = folder / f"{_MARK}{secrets.token_hex(8)}"
    mark.write_text(secrets.token_hex(16))
    try:
        yield Witness.of(mark, way_out)
    finally:
        mark.unlink(missing_ok=True)


@contextlib.contextmanager
def run_and_store(run: RunDirectory, store: str, flag: str = "--runs-root") -> Iterator[tuple[Witness, ...]]:
    """Witnesses of a run, which is written to, and of the store that it reads where that is a folder.

    Args:
        flag: by which the user says where the run lies.
    """
    with marked(run.path, f"give {flag} a folder on storage that all nodes mount at the same path") as written:
        read = Folder(store)
        yield (written, Witness.of(Path(read.path(MANIFEST)), MOUNT_STORE)) if read.is_local else (written,)


def unseen(witnesses: Sequence[Witness]) -> str | None:
    """What a process has to say of its node: the folder that it does not see and the way out, or None."""
    for witness in witnesses:
        if not witness.seen():
            return f"node {own_address()} does not see {witness.path.parent} as the driver does; {witness.way_out}"
    return None


def require_on_all_nodes(complaint: Callable[..., str | None], *arguments: Any) -> None:
    """Ask every other node that work may run on, by one small task each.

    Args:
        complaint: a function of `arguments`, importable there: what is wrong on the node that it runs on, or None.

    Raises:
        ShapesysError: the first complaint, or that a node cannot import this package.
    """
    others = {node["NodeID"]: node["NodeManagerAddress"] for node in _other_nodes()}
    asked = {on_node(node_id, complaint).remote(*arguments): address for node_id, address in others.items()}
    answered = ray.wait(list(asked), num_returns=len(asked), timeout=NODES_LIMIT_S)[0] if asked else []
    for reference in answered:
        if said := _answer(asked[reference], reference):
            raise ShapesysError(said)


def own_address() -> str:
    """The address that Ray knows this process's node by."""
    own = ray.get_runtime_context().get_node_id()
    return next(str(node["NodeManagerAddress"]) for node in ray.nodes() if node["NodeID"] == own)


def _other_nodes() -> list[dict[str, Any]]:
    own = ray.get_runtime_context().get_node_id()
    return [node for node in alive_nodes() if node["NodeID"] != own and {"CPU", "GPU"} & node["Resources"].keys()]


def _answer(address: str, reference: Any) -> str | None:
    try:
        said: str | None = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # Of a failed import, the last line is the reason.
        reason = str(error.cause or error).strip().splitlines()[-1]
        return (
            f"node {address} cannot start work: {reason}; install the driver's shapesys, with what it needs, there too"
        )
    except ray.exceptions.RayError:
        # The node was lost on the way; the work will go elsewhere.
        _log.debug("node %s gave no answer", address)
        return None
    return said


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
