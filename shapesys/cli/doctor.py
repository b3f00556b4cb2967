"""`shapesys doctor`: can this machine do the work, and what to do where it cannot."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "missing": ("✗", "red")}


@verb(example="shapesys doctor\nshapesys doctor --no-ray --json")
@click.option("--runs-root", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--address", help="Also reach this Ray cluster, instead of starting a private instance.")
@click.option("--ray/--no-ray", "start_ray", default=True, help="Start Ray and run one task (a few seconds).")
def command(runs_root: Path, address: str | None, start_ray: bool) -> Answer:
    """Check this machine: versions, extras, CPU, GPU, memory, folders, kernels, Ray.

    Exits 1 where something essential is missing; a warning says what will not work, and the way out.
    """
    from rich.text import Text

    from shapesys.cli.checks import all_checks, findings

    found = findings(all_checks(runs_root, address, start_ray))
    healthy = all(check.state != "missing" for check in found)
    shown = table("", ("", "check", "found", "what to do"), [])
    for check in found:
        shown.add_row(Text(*_MARKS[check.state]), Text(check.name), Text(check.found), Text(check.way_out))
    warned = sum(check.state == "warning" for check in found)
    closing = f"ready, with {warned} warnings" if healthy else "not ready: mend what is marked ✗"
    return Answer({"healthy": healthy, "checks": [asdict(c) for c in found]}, [shown, closing], int(not healthy))
