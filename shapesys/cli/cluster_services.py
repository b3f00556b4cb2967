"""What `shapesys doctor` says of the services that the nodes of a cluster share: storage and MLflow."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shapesys.cli.checks import Check
from shapesys.tracking.location import public

if TYPE_CHECKING:
    from shapesys.on_ray.cluster_checks import Node, Reply

_SHOWN = 8


def storage(url: str, written: list[Reply], seen: list[Reply]) -> Iterator[Check]:
    """Every node writes there, and sees what all others wrote: then it is one storage."""
    way_out = "mount the same storage at the same path on every node, or use an address such as s3://bucket/folder"
    good = True
    for reply in [*written, *seen]:
        if reply.failure:
            good = False
            yield Check(f"storage on {reply.node.name}", "missing", f"{url}: {reply.failure}", way_out)
    views = {reply.node.id: frozenset(reply.value) for reply in seen if not reply.failure}
    names = {reply.node.id: reply.node.name for reply in seen}
    for group, blind in _islands(views).items():
        good = False
        here, others = named(names[node] for node in blind), named(names[node] for node in views if node not in group)
        found = f"{url} there is not that of {others}: what those write is not seen"
        yield Check(f"storage on {here}", "missing", found, way_out)
    if good and views:
        yield Check("storage", "ok", f"{url}: written by all {len(views)} nodes, and seen by all")


def _islands(views: Mapping[str, frozenset[str]]) -> dict[frozenset[str], list[str]]:
    """View -> nodes that have it, for the nodes that do not see everything; the largest island is left out."""
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for node, view in views.items():
        groups[view].append(node)
    if len(groups) < 2:
        return {view: nodes for view, nodes in groups.items() if view != frozenset(views)}
    main = max(groups, key=lambda view: len(groups[view]))
    return {view: nodes for view, nodes in groups.items() if view != main}


def mlflow(uri: str | None, able: list[Node], deadline: float) -> Iterator[Check]:
    """The MLflow server named, or set in the environment, as each of the nodes sees it."""
    from shapesys.on_ray import cluster_checks, node_probe

    uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        yield Check("MLflow", "ok", "no server named; runs go to a SQLite file beside them, from the driver alone")
    elif urlsplit(uri).scheme not in {"http", "https"}:
        yield from local_tracking(uri, len(able))
    else:
        yield from tracking(uri, cluster_checks.ask(able, node_probe.reach_tracking, uri, deadline=deadline))


def local_tracking(uri: str, count: int) -> Iterator[Check]:
    """A file or a database instead of a server."""
    if uri.startswith("sqlite:") and count > 1:
        way_out = "run 'mlflow server' on one node and set MLFLOW_TRACKING_URI=http://THAT_NODE:5000"
        yield Check("MLflow", "warning", f"{public(uri)} is a file, which {count} nodes cannot share", way_out)
    else:
        yield Check("MLflow", "ok", f"{public(uri)}; no server to ask")


def tracking(uri: str, answers: list[Reply]) -> Iterator[Check]:
    """The MLflow server, as each node reaches it."""
    problems: dict[str, list[str]] = defaultdict(list)
    for reply in answers:
        if problem := reply.failure or reply.value:
            problems[problem].append(reply.node.name)
    for problem, names in problems.items():
        refused = problem.startswith("refuses the user")
        way_out = (
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD on the cluster"
            if refused
            else "is the server up, and does it listen on an address that these nodes reach (not 127.0.0.1)?"
        )
        yield Check("MLflow", "warning", f"{public(uri)} from {named(names)}: {problem}", way_out)
    if answers and not problems:
        yield Check("MLflow", "ok", f"{public(uri)}: answers on all {len(answers)} nodes")


def named(items: Iterable[str]) -> str:
    """The items in a row, the first few where they are many."""
    told = list(items)
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more
