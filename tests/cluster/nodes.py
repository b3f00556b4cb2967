"""Clusters of several nodes on one machine, started as on many: `ray start` on a head and on each worker.

`Loopback` gives every node an address of its own and nothing else, which works everywhere. `Namespaces` gives every
node a network, a process table and mounts of its own, which takes root; there a node can lose its cable or lack a
folder. Whoever holds the cluster, nothing of it outlives its ``with`` block.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

BIN = Path(sys.executable).parent
LIMIT_S = 120.0
"""Seconds that anything here may take."""

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "RAY_prestart_worker_first_driver": "0",
    # A node that answers none of three questions is dead. By default that takes over half a minute.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


class Unavailable(Exception):
    """This machine cannot make such nodes; says why."""


class Place(Protocol):
    """Where nodes live."""

    def address(self, number: int) -> str:
        """The IP address of a node."""
        ...

    def make(self, number: int, hidden: Path | None) -> list[str]:
        """Prepare a node; returns the words before a command that make it the node's first process."""
        ...

    def enter(self, number: int, first: psutil.Process) -> list[str]:
        """The words before a command that run it on a node with that first process."""
        ...

    def cut(self, number: int) -> None:
        """Take a node off the network, so that its end says no farewell."""
        ...


class Loopback:
    """Nodes are processes with loopback addresses of their own."""

    def address(self, number: int) -> str:
        return f"127.0.0.{number + 1}"

    def make(self, number: int, hidden: Path | None) -> list[str]:
        assert hidden is None, "one file system for all"
        return []

    def enter(self, number: int, first: psutil.Process) -> list[str]:
        return []

    def cut(self, number: int) -> None:
        return


_NETWORK = """
set -e
mount -t tmpfs tmpfs "$(readlink -f /var/run)"
ip link add bridge0 type bridge
ip link set bridge0 up
"""

_HOST = """
set -e
ip netns add node$0
ip link add cable$0 type veth peer name eth0 netns node$0
ip link set cable$0 master bridge0 up
ip -n node$0 addr add $1/24 dev eth0
ip -n node$0 link set eth0 up
ip -n node$0 link set lo up
"""

_WITHOUT_FOLDER = 'mount -t tmpfs tmpfs "$0"; exec "$@"'


class Namespaces:
    """Nodes are network, process and mount namespaces joined by a bridge, inside namespaces of their own.

    One process holds all of it; it ends when this one does, however that ends, and everything inside with it.
    """

    def __init__(self, holder: psutil.Process) -> None:
        self._holder = holder

    def address(self, number: int) -> str:
        return f"10.77.0.{number + 1}"

    def make(self, number: int, hidden: Path | None) -> list[str]:
        self._run("sh", "-c", _HOST, str(number), self.address(number))
        network = [*_nsenter(self._holder), "ip", "netns", "exec", f"node{number}"]
        node = [*network, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*node, "sh", "-c", _WITHOUT_FOLDER, str(hidden)] if hidden else node

    def enter(self, number: int, first: psutil.Process) -> list[str]:
        return _nsenter(first)

    def cut(self, number: int) -> None:
        self._run("ip", "link", "set", f"cable{number}", "down")

    def _run(self, *words: str) -> None:
        done = subprocess.run([*_nsenter(self._holder), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(done.stderr.strip() or f"{words[0]} failed")


@contextlib.contextmanager
def namespaces() -> Iterator[Namespaces]:
    """A place for nodes with namespaces of their own.

    Raises:
        Unavailable: no root, no tools, or the kernel does not permit it.
    """
    if os.geteuid() != 0:
        raise Unavailable("network namespaces need root")
    if missing := [tool for tool in ("ip", "unshare", "nsenter", "mount") if shutil.which(tool) is None]:
        raise Unavailable(f"no command {' or '.join(missing)}")
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]
    # It ends with its standard input, which this process holds open.
    holder = subprocess.Popen(
        [*words, "echo ready; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        if b"ready" not in (holder.stdout or sys.stdin.buffer).readline():
            raise Unavailable((holder.communicate()[1] or b"").decode().strip())
        place = Namespaces(psutil.Process(holder.pid).children()[0])
        place._run("sh", "-c", _NETWORK)
        yield place
    finally:
        holder.communicate()


def _nsenter(target: psutil.Process) -> list[str]:
    return ["nsenter", "--target", str(target.pid), "--net", "--mount", "--pid", "--wd=/"]


@dataclass
class Node:
    """A running node of a cluster."""

    number: int
    address: str
    process: subprocess.Popen[bytes]

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on it."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def runs(self, title: str) -> bool:
        """Whether one of its processes has a title with these words."""
        return any(title in _title(process) for process in self.processes())

    def first(self) -> psutil.Process:
        """The process that `ray start` runs in."""
        found = [psutil.Process(self.process.pid), *self.processes()]
        return next(process for process in found if process.name() not in ("nsenter", "ip", "unshare", "sh"))


@dataclass
class Cluster:
    """A head without CPUs for work, and workers that come and go."""

    place: Place
    folder: Path
    environment: dict[str, str]
    port: int
    nodes: list[Node] = field(default_factory=list)
    started: int = 0

    @property
    def head(self) -> Node:
        return self.nodes[0]

    @property
    def workers(self) -> list[Node]:
        return self.nodes[1:]

    @property
    def address(self) -> str:
        return f"{self.head.address}:{self.port}"

    def start_head(self) -> None:
        more = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--ray-client-server-port={free_port()}"]
        self._wait(self._start(more, 0, None))

    def add_workers(self, count: int = 1, cpus: int = 4, hidden: Path | None = None) -> list[Node]:
        """Start workers side by side; `hidden` is a folder that they do not see."""
        added = [self._start([f"--address={self.address}"], cpus, hidden) for _ in range(count)]
        for node in added:
            self._wait(node)
        return added

    def fill(self, count: int) -> None:
        """Start workers until there are so many."""
        self.add_workers(count - len(self.workers))

    def kill(self, node: Node) -> float:
        """Cut a node off, then kill all that runs on it; returns when it was cut off."""
        cut = time.monotonic()
        self.place.cut(node.number)
        _kill_all(node)
        self.nodes.remove(node)
        return cut

    def driver(self, *words: object, log: Path) -> subprocess.Popen[bytes]:
        """Start a command of `shapesys` on the head, with the cluster's address; what it says goes to the log."""
        command = [*self.place.enter(self.head.number, self.head.first()), str(BIN / "shapesys"), *map(str, words)]
        with log.open("wb") as file:
            return subprocess.Popen(
                [*command, "--address", self.address], env=self.environment, stdout=subprocess.PIPE, stderr=file
            )

    def close(self) -> None:
        for node in reversed(self.nodes):
            _kill_all(node)
        self.nodes.clear()

    def _start(self, more: Sequence[str], cpus: int, hidden: Path | None) -> Node:
        number, self.started = self.started, self.started + 1
        before, address = self.place.make(number, hidden), self.place.address(number)
        folder = self.folder / str(number)
        folder.mkdir()
        command = [*before, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *more]
        command += [f"--node-ip-address={address}", f"--temp-dir={folder}", f"--num-cpus={cpus}", "--num-gpus=0"]
        # Nodes of one machine share its ports.
        command += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"]
        command += ["--object-store-memory=100000000", "--disable-usage-stats"]
        with self._log(number).open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        node = Node(number, address, process)
        self.nodes.append(node)
        return node

    def _wait(self, node: Node) -> None:
        log, end = self._log(node.number), time.monotonic() + LIMIT_S
        while "Ray runtime started" not in log.read_text():
            assert node.process.poll() is None, f"no node:\n{log.read_text()}"
            assert time.monotonic() < end, f"no node within {LIMIT_S:g} s:\n{log.read_text()}"
            time.sleep(0.1)

    def _log(self, number: int) -> Path:
        return self.folder / f"{number}.log"


@contextlib.contextmanager
def cluster(place: Place, workers: int) -> Iterator[Cluster]:
    """A head and workers of four logical CPUs each, at a place."""
    # Short, since Ray's sockets have long names.
    folder = Path(tempfile.mkdtemp(prefix="nodes-", dir="/tmp"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= ENVIRONMENT | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    made = Cluster(place, folder, environment, free_port())
    try:
        made.start_head()
        made.add_workers(workers)
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kill_all(node: Node) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        # Parents first, and with the first process all of its namespace; what only leads to it then ends by itself.
        first = node.first()
        doomed = [first, *first.children(recursive=True)]
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(doomed, timeout=LIMIT_S)
    node.process.wait(LIMIT_S)


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline()[:1])
    except psutil.Error:
        return ""
