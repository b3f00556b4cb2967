"""`shapesys bench`: each hot path against its peers, as ratios within one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from shapesys.cli.output import Answer, complain, table
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, UsageError, unknown_name

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
_THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in _THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}

Row = dict[str, Any]


@verb(example="shapesys bench\nshapesys bench benchmarks/bench_metrics.py --quick")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--quick", is_flag=True, help="Smaller inputs and fewer repeats; ratios are rougher.")
@click.option("--time-limit", default=1800.0, show_default=True, help="Seconds one benchmark file may take.")
@click.option("--dry-run", is_flag=True, help="List what would run, and stop.")
def command(paths: tuple[str, ...], quick: bool, time_limit: float, dry_run: bool) -> Answer:
    """Measure the hot paths against their peers: every file in its own process, on one thread.

    A ratio is the peer's time divided by ours. Exits 1 when a file fails; a missed target is shown as missed.
    """
    files = [_file(path) for path in paths] if paths else sorted(FOLDER.glob("bench_*.py"))
    if not files:
        raise ShapesysError(f"no bench_*.py in {FOLDER}; name the files, or run from a checkout of the repository")
    if dry_run:
        return Answer({"files": files}, [str(path) for path in files])
    rows: list[Row] = []
    failures: dict[str, str] = {}
    for path in files:
        complain(f"{path.stem} ...")
        try:
            rows += _measure(path, quick, time_limit)
        except ShapesysError as error:
            failures[path.name] = str(error)
    return _answer(rows, failures, _targets(files), quick)


def _file(path: str) -> Path:
    """A benchmark by path, or by its name with or without 'bench_' and '.py'."""
    given = Path(path)
    if given.is_file():
        return given.resolve()
    known = {found.stem.removeprefix("bench_"): found for found in FOLDER.glob("bench_*.py")}
    name = given.stem.removeprefix("bench_")
    if name not in known:
        raise unknown_name("benchmark", name, known)
    return known[name]


def _measure(path: Path, quick: bool, time_limit: float) -> list[Row]:
    """Run one file in a fresh process and return its rows.

    Raises:
        ShapesysError: it failed, took too long, or returned something else.
    """
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        out = Path(folder) / "rows.json"
        words = [sys.executable, "-m", "shapesys.cli.bench_file", str(path), str(out), *(["--quick"] if quick else [])]
        try:
            done = subprocess.run(
                words, env=os.environ | ONE_THREAD, capture_output=True, text=True, errors="replace",
                timeout=time_limit, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ShapesysError(f"took more than {time_limit:g} s") from None
        if done.returncode:
            raise ShapesysError(_last_line(done.stderr) or f"ended with exit code {done.returncode}")
        rows: list[Row] = json.loads(out.read_text(encoding="utf-8"))
    return [row | {"file": path.name} for row in rows]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _targets(files: Sequence[Path]) -> dict[str, float]:
    """Row name -> least ratio, from the targets.toml beside the benchmarks."""
    found: dict[str, float] = {}
    for folder in sorted({path.parent for path in files}):
        path = folder / "targets.toml"
        if path.is_file():
            try:
                found |= {name: float(value) for name, value in tomllib.loads(path.read_text("utf-8")).items()}
            except (ValueError, TypeError) as error:
                raise UsageError(f"{path}: {error}; every line reads 'name of a row' = least ratio") from None
    return found


def _answer(rows: list[Row], failures: dict[str, str], targets: dict[str, float], quick: bool) -> Answer:
    lines = [line for row in rows for line in _comparisons(row, targets)]
    data = {"quick": quick, "rows": lines, "failed": failures}
    columns = ("what", "ours", "peer", "peer's time", "ratio", "target", "verdict", "note")
    keys = ("name", "ours", "peer", "theirs", "ratio", "target", "verdict", "note")
    cells = [[line[key] for key in keys] for line in lines]
    right = ("ours", "peer's time", "ratio", "target")
    shown: list[Any] = [table("ratio = peer's time / ours, one thread", columns, cells, right)]
    shown += [f"failed: {name}: {reason}" for name, reason in failures.items()]
    return Answer(data, shown, exit_code=1 if failures else 0)


def _comparisons(row: Row, targets: dict[str, float]) -> list[Row]:
    """One line for each peer. The target holds against every peer unless it names one: 'row | peer'."""
    unit = str(row.get("unit", "s"))
    return [
        _judged(
            {
                "file": row["file"],
                "name": row["name"],
                "ours": row["ours_s"],
                "peer": peer,
                "theirs": theirs,
                "ratio": theirs / row["ours_s"],
                "unit": unit,
                "note": row.get("note", ""),
            },
            targets.get(f"{row['name']} | {peer}", targets.get(row["name"])),
        )
        for peer, theirs in row["peers"].items()
    ]


def _judged(line: Row, target: float | None) -> Row:
    verdict = None if target is None else "reached" if line["ratio"] >= target else "missed"
    return line | {"target": target, "verdict": verdict}
