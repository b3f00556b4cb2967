"""`shapesys doctor`: can this machine, or a cluster, do the work, and what to do where it cannot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.errors import UsageError, missing_extra

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "missing": ("✗", "red")}


@verb(
    example="shapesys doctor\nshapesys doctor --no-ray --json\n"
    "shapesys doctor --address HEAD:6379 --shared /shared/me --tracking-uri http://MLFLOW:5000\n"
    "shapesys submit doctor --address http://HEAD:8265 --shared /shared/me    # from outside the cluster"
)
@click.option("--runs-root", type=click.Path(path_type=Path), help="Folder that holds the runs. [default: runs]")
@click.option("--address", help="Check the cluster there, not this machine: HOST:6379, auto, ray://HOST:10001, or "
              "http://HOST:8265 for its Jobs API alone. [default: RAY_ADDRESS]")  # fmt: skip
@click.option("--shared", help="Folder or address that all nodes of the cluster should share.")
@click.option("--tracking-uri", help="MLflow server that all nodes should reach. [default: MLFLOW_TRACKING_URI]")
@click.option("--deadline", type=click.FloatRange(min=1), default=60.0, show_default=True,
              help="Seconds that each node of the cluster has for an answer.")  # fmt: skip
@click.option("--ray/--no-ray", "start_ray", default=True, help="Start Ray here and run one task (a few seconds).")
def command(runs_root: Path | None, address: str | None, shared: str | None, tracking_uri: str | None,
            deadline: float, start_ray: bool) -> Answer:  # fmt: skip
    """Check this machine: versions, extras, CPU, GPU, memory, folders, kernels, Ray. With --address, check a cluster.

    Of a cluster: nodes, versions, GPUs, memory, disk, clocks, authentication, and from every node the shared storage
    and MLflow. Exits 1 where something essential is missing; a warning says what will not work, and the way out.
    """
    address = address or (os.environ.get("RAY_ADDRESS") if start_ray else None)
    if address and address.startswith(("http://", "https://")):
        return _answer(_jobs_api(address), [], f"the Jobs API of {address}, not its nodes")
    if address:
        return _cluster(address, shared or (str(runs_root) if runs_root else None), tracking_uri, deadline)
    if shared or tracking_uri:
        raise UsageError("--shared and --tracking-uri are for a cluster; name it with --address HOST:6379")
    from shapesys.cli.checks import all_checks, findings

    return _answer(findings(all_checks(runs_root or Path("runs"), start_ray)), [], "this machine")


def _cluster(address: str, shared: str | None, tracking_uri: str | None, deadline: float) -> Answer:
    try:
        from shapesys.cli.cluster_findings import examine

        found, nodes = examine(address, shared, tracking_uri, deadline)
    except ImportError as error:
        raise missing_extra("ray", "ray", "checking a cluster") from error
    return _answer(found, nodes, f"the cluster at {address}")


def _jobs_api(address: str) -> list[Any]:
    """What can be seen of a cluster through its Jobs API: that it answers, lets us in and runs the same versions."""
    from shapesys.cli.checks import Check, State

    try:
        from shapesys.on_ray.job_client import compare_versions, connect
    except ImportError as error:
        raise missing_extra("ray", "ray", "reaching the Jobs API") from error
    client = connect(address)
    agreement, told = compare_versions(client)
    states: dict[str, State] = {"same": "ok", "different": "warning", "unusable": "missing"}
    way_out = "" if agreement == "same" else "submit from an environment with the cluster's versions"
    running = sum(getattr(job.status, "value", job.status) == "RUNNING" for job in client.list_jobs())
    return [
        Check("Jobs API", "ok", f"{address} answers, {'with' if client.has_token else 'without'} a token"),
        Check("versions", states[agreement], told, way_out),
        Check("jobs", "ok", f"{running} running"),
        Check("nodes", "warning", "not seen from here", f"shapesys submit doctor --address {address}"),
    ]


def _answer(found: Sequence[Any], nodes: list[dict[str, Any]], checked: str) -> Answer:
    from rich.text import Text

    healthy = all(check.state != "missing" for check in found)
    shown = table("", ("", "check", "found", "what to do"), [])
    for check in found:
        shown.add_row(Text(*_MARKS[check.state]), Text(check.name), Text(check.found), Text(check.way_out))
    warned = sum(check.state == "warning" for check in found)
    verdict = f"ready, with {warned} warnings" if healthy else "not ready: mend what is marked ✗"
    data = {"checked": checked, "healthy": healthy, "checks": [asdict(check) for check in found], "nodes": nodes}
    parts = [shown, *([_nodes(nodes)] if nodes else []), f"checked {checked}: {verdict}"]
    return Answer(data, parts, int(not healthy))


def _nodes(nodes: list[dict[str, Any]]) -> Any:
    columns = ("node", "CPUs", "GPUs", "load", "memory", "object store", "disk free")
    rows = [
        (
            row["node"],
            _of(row["cpus_used"], row["cpus"]),
            row["gpus"],
            row["load"],
            _gigabytes(row["memory_bytes"] - row["memory_free_bytes"], row["memory_bytes"]),
            _gigabytes(row["object_store_used_bytes"], row["object_store_bytes"]),
            _gigabytes(None, row["disk_free_bytes"]),
        )
        for row in nodes
    ]
    return table("used of what there is", columns, rows, right=columns[1:])


def _of(used: float | None, total: float) -> str:
    return f"{total:g}" if used is None else f"{used:g} / {total:g}"


def _gigabytes(used: float | None, total: float) -> str:
    from shapesys.cli.checks import GIGABYTE

    whole = f"{total / GIGABYTE:.1f} GB"
    return whole if used is None else f"{used / GIGABYTE:.1f} / {whole}"
