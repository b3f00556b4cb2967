"""Asks every node of a cluster the same question at once, each within a deadline of its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from shapesys.on_ray import node_probe
from shapesys.on_ray.failure import first_cause
from shapesys.on_ray.runtime import on_node


@dataclass(frozen=True)
class Node:
    """A node as Ray's head knows it.

    Attributes:
        name: host name or address; with the beginning of the node's id where several share one.
        resources: what Ray believes it has, e.g. {'CPU': 8.0, 'GPU': 1.0, 'memory': bytes}.
        unused: of these, what no task holds at the moment.
        death: why it died; empty where it is alive.
    """

    id: str
    name: str
    alive: bool = True
    resources: Mapping[str, float] = field(default_factory=dict)
    unused: Mapping[str, float] = field(default_factory=dict)
    death: str = ""


@dataclass(frozen=True)
class Reply:
    """What one node answered: `value`, or `failure`; with the driver's clock before and after, in Unix seconds."""

    node: Node
    value: Any = None
    failure: str = ""
    asked: float = 0.0
    answered: float = 0.0


def nodes() -> list[Node]:
    """All nodes that Ray's head remembers, dead ones included."""
    unused = _unused()
    told = ray.nodes()
    names = [node["NodeManagerHostname"] or node["NodeManagerAddress"] for node in told]
    return [
        Node(
            id=node["NodeID"],
            name=name if names.count(name) == 1 else f"{name}/{node['NodeID'][:6]}",
            alive=bool(node["Alive"]),
            resources=dict(node["Resources"]),
            unused=dict(unused.get(node["NodeID"], {})),
            death="" if node["Alive"] else _death(node),
        )
        for node, name in zip(told, names, strict=True)
    ]


def ask(where: list[Node], question: Callable[..., Any], *args: Any, deadline: float) -> list[Reply]:
    """Run `question(*args)` on every node of `where` at the same time; one that hangs is a finding, not a hang.

    Args:
        deadline: seconds that a node has, the start of its worker included.
    """
    asked = time.time()
    waiting = {on_node(node.id, question).remote(*args): node for node in where}
    replies: dict[str, Reply] = {}
    end = time.monotonic() + deadline
    while waiting and (left := end - time.monotonic()) > 0:
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=left)
        for reference in done:
            node = waiting.pop(reference)
            replies[node.id] = _reply(node, reference, asked)
    for reference in waiting:
        ray.cancel(reference, force=True)
    silence = f"did not answer within {deadline:g} s"
    return [replies.get(node.id) or Reply(node, failure=silence) for node in where]


def share_files(where: list[Node], url: str, deadline: float) -> tuple[list[Reply], list[Reply]]:
    """Every node writes a file into a folder, then every node lists whose files it sees; all is removed again.

    Returns:
        What came of writing, and the ids of the nodes that each node sees, of those that could write.
    """
    folder = f"{url.rstrip('/')}/.shapesys-doctor-{secrets.token_hex(4)}"
    written = ask(where, node_probe.write_file, url, folder, deadline=deadline)
    able = [reply.node for reply in written if not reply.failure]
    seen = ask(able, node_probe.seen_files, folder, [node.id for node in able], deadline=deadline)
    ask(able, node_probe.remove_folder, folder, deadline=deadline)
    return written, seen


def clock_difference(reply: Reply) -> float:
    """Seconds by which a node's clock is certainly ahead (or behind, negative): what no round trip explains."""
    told = float(reply.value)
    return max(told - reply.answered, 0.0) + min(told - reply.asked, 0.0)


def _unused() -> dict[str, dict[str, float]]:
    """Node id -> resources that no task holds; empty through Ray's client, which does not tell."""
    if ray.util.client.ray.is_connected():
        return {}
    told: dict[str, dict[str, float]] = ray._private.state.available_resources_per_node()
    return told


def _reply(node: Node, reference: Any, asked: float) -> Reply:
    answered = time.time()
    try:
        return Reply(node, ray.get(reference), asked=asked, answered=answered)
    except Exception as error:
        return Reply(node, failure=first_cause(error), asked=asked, answered=answered)


def _death(node: Mapping[str, Any]) -> str:
    reason = str(node.get("DeathReason", "")).rpartition("_NODE_")[2] or "unknown reason"
    message = str(node.get("DeathReasonMessage", "")).strip()
    return f"{reason}: {message}" if message else reason
