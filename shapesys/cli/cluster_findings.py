"""What `shapesys doctor` says of a cluster: from what its nodes answered to findings with the way out."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shapesys.cli.checks import GIGABYTE, Check, State
from shapesys.cli.cluster_services import mlflow, named, storage

if TYPE_CHECKING:
    from shapesys.on_ray.cluster_checks import Node, Reply

LEAST_DISK, LEAST_MEMORY = 5.0, 2.0
"""GB free that a node needs: for Ray's temporary folder, where a full disk stops everything; and to work in."""

DISK_SHARE = 0.05
"""Ray takes no more objects on a disk that has less than this share free."""

LEAST_STORE = 0.1
"""GB of a node's object store, through which results and reading tasks pass."""

FULL = 0.9
"""Share of an object store in use from which on Ray writes objects to disk."""

MOST_SKEW = 1.0
"""Seconds by which clocks may differ: signed requests to object stores and the order of records depend on them."""

_ESSENTIAL = ("python", "ray", "shapesys")

Row = dict[str, Any]


def examine(
    address: str | None, shared: str | None, tracking: str | None, deadline: float
) -> tuple[list[Check], list[Row]]:
    """Check the cluster at `address`; returns the findings and a row for every living node.

    Args:
        address: of Ray's head, for drivers; None for RAY_ADDRESS.
        shared: folder or fsspec address of the storage that all nodes share.
        tracking: address of the MLflow server.
        deadline: seconds that a node has for an answer.

    Raises:
        ShapesysError: the cluster cannot be reached.
    """
    from shapesys.on_ray import cluster_checks, node_probe
    from shapesys.on_ray.runtime import runtime

    address = address or os.environ.get("RAY_ADDRESS") or ""
    with runtime(address):
        known = cluster_checks.nodes()
        alive = [node for node in known if node.alive]
        promised = {node.id: node.resources.get("GPU", 0.0) for node in alive}
        answers = cluster_checks.ask(alive, node_probe.facts, promised, deadline=deadline)
        able = [reply.node for reply in answers if not reply.failure]
        found = [*living(address, known), *answering(answers)]
        good = [reply for reply in answers if not reply.failure]
        clocks = clocks_of(cluster_checks.ask(able, node_probe.clock, deadline=deadline))
        for judge in (versions, gpus, room, object_store, clocks):
            found += judge(good)
        found += authentication(good)
        if shared:
            found += storage(shared, *cluster_checks.share_files(able, shared, deadline))
        elif len(able) > 1:
            found.append(Check("storage", "warning", "not checked", "name what all nodes share with --shared DIR"))
        found += mlflow(tracking, able, deadline)
        return found, [_row(reply) for reply in good]


def living(address: str, known: Iterable[Node]) -> Iterator[Check]:
    """How many nodes there are, and which have died."""
    alive = [node for node in known if node.alive]
    cpus, gpu_count = (sum(node.resources.get(kind, 0.0) for node in alive) for kind in ("CPU", "GPU"))
    yield Check("cluster", "ok", f"{address}: {len(alive)} nodes, {cpus:g} CPUs, {gpu_count:g} GPUs")
    dead = [node for node in known if not node.alive and not node.death.startswith("EXPECTED")]
    if dead:
        told = named(f"{node.name} ({node.death})" for node in dead)
        way_out = "see logs/raylet.out of that node; where it was taken away on purpose, nothing is to be done"
        yield Check("dead nodes", "warning", told, way_out)


def answering(answers: Iterable[Reply]) -> Iterator[Check]:
    """Nodes that are alive and yet do not answer."""
    for reply in answers:
        if reply.failure:
            missing = "No module named" in reply.failure
            way_out = (
                "install the same environment there, or take it along with: shapesys submit doctor"
                if missing
                else "log in there: a full disk, a storage that hangs or memory in swap keep workers from starting"
            )
            yield Check(f"node {reply.node.name}", "missing", reply.failure, way_out)


def versions(answers: list[Reply]) -> Iterator[Check]:
    """One environment everywhere; where one differs from most, its nodes are named."""
    told = {reply.node.name: reply.value["versions"] for reply in answers}
    common: list[str] = []
    for package in next(iter(told.values()), {}):
        holders: dict[str | None, list[str]] = defaultdict(list)
        for name, found in told.items():
            holders[found[package]].append(name)
        usual = max(holders, key=lambda version: len(holders[version]))
        common += [f"{package} {usual}"] if usual else []
        others = [f"{version or 'none'} on {named(names)}" for version, names in holders.items() if version != usual]
        if others:
            state: State = "missing" if package in _ESSENTIAL else "warning"
            way_out = "give every node the same image or environment, and restart those nodes"
            yield Check(package, state, f"{usual or 'none'} on most; {named(others)}", way_out)
    if answers:
        yield Check("versions", "ok", ", ".join(common))


def gpus(answers: list[Reply]) -> Iterator[Check]:
    """The GPUs that Ray gives out must be there for torch."""
    kinds: dict[str, int] = defaultdict(int)
    for reply in answers:
        seen, promised = reply.value["gpus"], reply.node.resources.get("GPU", 0.0)
        usable = len(seen["names"])
        software = ", ".join(f"{n} {seen[key]}" for n, key in (("CUDA", "cuda"), ("driver", "driver")) if seen.get(key))
        for name in seen["names"]:
            kinds[f"{name} ({software})" if software else name] += 1
        if usable < promised:
            reason = f": {seen['error']}" if seen.get("error") else ""
            found = f"Ray gives out {promised:g}, torch sees {usable}{reason}"
            way_out = "install a torch built for this driver's CUDA, or start that node with the right --num-gpus"
            yield Check(f"GPUs of {reply.node.name}", "missing", found, way_out)
        elif usable > promised and not reply.node.resources.get("GPU"):
            found = f"torch sees {usable}, and Ray gives out none"
            yield Check(f"GPUs of {reply.node.name}", "warning", found, f"start that node with --num-gpus {usable}")
    if answers:
        found = named(f"{count} x {kind}" for kind, count in kinds.items())
        yield Check("GPUs", "ok", found or "none; all runs on CPU")


def room(answers: list[Reply]) -> Iterator[Check]:
    """Memory to work in, and disk for Ray's temporary folder."""
    yield from _least(
        "memory", answers, lambda told: told["memory_free_bytes"], lambda _: LEAST_MEMORY * GIGABYTE,
        "free", "end other programs there, or run fewer tasks on it",
    )  # fmt: skip
    yield from _least(
        "disk", answers, lambda told: told["disk_free_bytes"],
        lambda told: max(LEAST_DISK * GIGABYTE, DISK_SHARE * told["disk_bytes"]),
        "free for Ray's temporary folder", "remove old session_* folders there, or 'ray start --temp-dir' elsewhere",
    )  # fmt: skip


def object_store(answers: list[Reply]) -> Iterator[Check]:
    """Room for what tasks hand on, in memory: containers have 64 MB of shared memory unless told otherwise."""
    stores = [(reply.node.name, *_store_of(reply)) for reply in answers]
    small = [f"{name} {size:.1f} GB" for name, size, _, _ in stores if size < LEAST_STORE]
    on_disk = [f"{name} {size:.1f} GB" for name, size, _, shared in stores if shared < size]
    full = [f"{name} {used:.1f} of {size:.1f} GB" for name, size, used, _ in stores if used > FULL * size]
    for told, what, way_out in (
        (small, "small", "start that node with a larger --object-store-memory"),
        (on_disk, "larger than /dev/shm, so that it lies on a disk", "give the container more, as docker's --shm-size"),
        (full, "nearly full", "wait for other jobs, or start more nodes"),
    ):
        if told:
            yield Check("object store", "warning", f"{what}: {named(told)}", way_out)
    if stores and not (small or on_disk or full):
        yield Check("object store", "ok", f"{min(size for _, size, _, _ in stores):.1f} GB or more on every node")


def _store_of(reply: Reply) -> tuple[float, float, float]:
    """(size, used, shared memory of the node) in GB; shared memory that is not there to be measured is infinite."""
    size = reply.node.resources.get("object_store_memory", 0.0)
    left, shared = reply.node.unused.get("object_store_memory", size), reply.value["shared_memory_bytes"]
    return size / GIGABYTE, (size - left) / GIGABYTE, math.inf if shared is None else shared / GIGABYTE


def clocks_of(clocks: list[Reply]) -> Callable[[list[Reply]], Iterator[Check]]:
    """The judgement on clocks that were asked for."""
    from shapesys.on_ray.cluster_checks import clock_difference

    def judge(_: list[Reply]) -> Iterator[Check]:
        skews = {reply.node.name: clock_difference(reply) for reply in clocks if not reply.failure}
        wrong = [f"{name} {skew:+.1f} s" for name, skew in skews.items() if abs(skew) > MOST_SKEW]
        if wrong:
            yield Check("clocks", "warning", f"{named(wrong)} against this one", "run a time service (chrony) there")
        elif skews:
            yield Check("clocks", "ok", f"all within {MOST_SKEW:g} s of this one")

    return judge


def authentication(answers: list[Reply]) -> Iterator[Check]:
    """Whoever reaches Ray's ports runs code; a token keeps strangers out."""
    open_nodes = [reply.node.name for reply in answers if reply.value["authentication"] != "token"]
    if open_nodes:
        way_out = "start every node with RAY_AUTH_MODE=token and one RAY_AUTH_TOKEN: 'ray get-auth-token --generate'"
        found = f"none on {named(open_nodes)}: whoever reaches its ports can run code"
        yield Check("authentication", "warning", found, way_out)
    elif answers:
        yield Check("authentication", "ok", "by token")


def _least(
    name: str,
    answers: list[Reply],
    found: Callable[[Mapping[str, Any]], float],
    least: Callable[[Mapping[str, Any]], float],
    what: str,
    way_out: str,
) -> Iterator[Check]:
    """One finding for all nodes: those that have too little, else the one that has least."""
    if not answers:
        return
    few = [reply for reply in answers if found(reply.value) < least(reply.value)]
    if few:
        told = named(f"{reply.node.name} {found(reply.value) / GIGABYTE:.1f} GB" for reply in few)
        yield Check(name, "warning", f"{what}: {told}", way_out)
        return
    scarcest = min(answers, key=lambda reply: found(reply.value))
    yield Check(name, "ok", f"{found(scarcest.value) / GIGABYTE:.1f} GB or more {what} on every node")


def _row(reply: Reply) -> Row:
    node, told = reply.node, reply.value
    store, left = node.resources.get("object_store_memory", 0.0), node.unused.get("object_store_memory")
    cpus, idle = node.resources.get("CPU", 0.0), node.unused.get("CPU", 0.0)
    return {
        "node": node.name,
        "cpus": cpus,
        "cpus_used": cpus - idle if node.unused else None,
        "gpus": node.resources.get("GPU", 0.0),
        "gpu_names": told["gpus"]["names"],
        "load": told["load"],
        "memory_bytes": told["memory_bytes"],
        "memory_free_bytes": told["memory_free_bytes"],
        "object_store_bytes": store,
        "object_store_used_bytes": None if left is None else store - left,
        "disk_free_bytes": told["disk_free_bytes"],
        "temporary": told["temporary"],
        "versions": told["versions"],
    }
