"""What the parts of a sweep's page say, as plain data for the template."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shapesys.report.numbers import MISSING, duration, formatter, known
from shapesys.report.sweep_command import train_command
from shapesys.report.sweep_load import SweepReport
from shapesys.report.sweep_points import Point, better, first_line, score, state
from shapesys.report.sweep_text import short_names, value_text
from shapesys.tuning.ledger import TrialRecord

TONES = {"finished": "good", "stopped early": "quiet", "errored": "bad", "running": "busy", "interrupted": "warn"}
_SWEEP_TONES = {"finished": "good", "running": "busy", "failed": "bad", "interrupted": "warn"}
_ARROWS = {1: ("↑", "higher is better"), -1: ("↓", "lower is better")}
_HASH = 10
_ERRORS_SHOWN = 8
_MANY = 200
"""Trials above which marks and lines are drawn fainter."""


def headline(report: SweepReport) -> dict[str, Any]:
    """Name, what is searched and by which measure, and how many trials ended how."""
    sweep, status = report.sweep, report.status.get("state", "")
    counted = Counter(report.word(record) for record in report.records.values())
    named = [word for word in TONES if counted[word] or word not in ("running", "interrupted")]
    return {
        "name": report.directory.name,
        "badges": [sweep.base.family, f"preset {sweep.base.preset}", f"space {sweep.space.name}"],
        "state": status,
        "tone": _SWEEP_TONES.get(status, "warn"),
        "error": report.status.get("error") or "",
        "summary": sweep.space.summary,
        "source": sweep.space.source,
        "metric": sweep.tune.metric,
        "arrow": _ARROWS[better(sweep)],
        "many": len(report.records) > _MANY,
        "facts": _facts(report),
        "counts": [(word, counted[word], TONES[word]) for word in named],
    }


def _facts(report: SweepReport) -> list[tuple[str, Any]]:
    sweep, records = report.sweep, list(report.records.values())
    tune = sweep.tune
    ended = max((record.ended for record in records), default=0.0)
    wall = ended - min((record.begun for record in records), default=0.0) if ended else None
    commit = report.provenance.get("code", {}).get("commit", "")[:_HASH]
    facts: dict[str, Any] = {
        "objective": f"{tune.statistic} over the shapes of {sweep.evaluate.split}",
        "points chosen by": tune.strategy if tune.strategy != "auto" else sweep.space.strategy,
        "early stopping": tune.early_stopping,
        "seeds per point": tune.seeds,
        "epochs": sweep.base.train.epochs,
        "time in trials": duration(sum(record.seconds for record in records)),
        "first begin to last end": duration(wall),
        "commit": commit,
        "data": sweep.base.data.store,
    }
    return [(name, value) for name, value in facts.items() if value not in ("", MISSING)]


def best_view(report: SweepReport, folder: Path) -> dict[str, Any] | None:
    """The best point and the command that trains it alone; None while no trial has finished."""
    point = report.best
    if point is None:
        return None
    from shapesys.tuning.trial import trial_job

    show, first = formatter(point.mean, 4), point.records[0]
    job = trial_job(report.sweep, first.trial)
    return {
        "name": point.name,
        "value": show(point.mean),
        "spread": show(point.spread) if point.spread is not None else "",
        "seeds": _seeds(point),
        "values": [(path, value_text(point.values[path])) for path in sorted(point.values)],
        "command": train_command(job, f"{report.directory.name}-{first.trial.id}", point.values),
        "seed": first.trial.seed,
        "trials": [(record.trial.id, _link(report, record, folder)) for record in point.records],
    }


def _seeds(point: Point) -> str:
    if point.seeds == 1:
        return ""
    if point.complete:
        return f"mean over {len(point.scores)} seeds"
    return f"mean over {len(point.scores)} of {point.seeds} seeds: no point has finished all of its seeds"


def seeds_sentence(report: SweepReport) -> str:
    """Whether the best point differs from the second by more than seeds differ; empty where seeds were not varied."""
    compared = [point for point in report.ranking if point.spread is not None]
    if not compared:
        return ""
    if len(compared) < 2 or report.best is not compared[0]:
        return "Fewer than two of the leading points have several finished seeds, so nothing can be compared yet."
    first, second = compared[:2]
    assert first.mean is not None
    assert second.mean is not None
    gap, spread = abs(first.mean - second.mean), max(first.spread or 0.0, second.spread or 0.0)
    show = formatter(first.mean, 4)
    verdict = "more than seeds do" if gap > spread else "no more than seeds do, so the order of the two may be chance"
    return (
        f"{first.name} and {second.name} differ by {show(gap)} in the mean, {verdict}: the larger standard deviation "
        f"over their {min(len(first.scores), len(second.scores))} seeds is {show(spread)}."
    )


def trial_table(report: SweepReport, folder: Path) -> dict[str, Any]:
    """Every trial, those of the best points first; `folder` is the page's, for links."""
    names = short_names(report.sweep.space.knobs)
    places, values = report.places, [score(record) for record in report.records.values()]
    shown = sorted(value for value in values if value is not None) or _measured(report)
    show = formatter(shown[len(shown) // 2] if shown else None, 4)
    last = len(places)
    means = {record.trial.id: point for point in report.points for record in point.records}
    order = sorted(
        report.records.values(),
        key=lambda r: (places.get(r.trial.number, last), r.ending != "finished", -r.epoch, r.trial.number),
    )
    return {
        "columns": [{"name": name, "path": path} for path, name in names.items()],
        "rows": [_row(report, record, show, folder) | _mean(means[record.trial.id], show) for record in order],
    }


def _measured(report: SweepReport) -> list[float]:
    return sorted(float(r.value) for r in report.records.values() if r.value is not None and known(r.value))


def _row(report: SweepReport, record: TrialRecord, show: Callable[[Any], str], folder: Path) -> dict[str, Any]:
    point, word, final = record.trial.point, report.word(record), score(record)
    return {
        "id": record.trial.id,
        "link": _link(report, record, folder),
        "word": word,
        "tone": TONES[word],
        "value": show(record.value),
        # A value from before the last epoch has no place in the order of the finished ones.
        "sort": "" if final is None else final,
        "final": final is not None,
        "best": report.best is not None and record in report.best.records,
        "epoch": record.epoch,
        "cells": [_knob_cell(point, path) for path in report.sweep.space.knobs],
        "seconds": record.seconds,
        "time": duration(record.seconds) if record.reports else MISSING,
        "error": first_line(record.error),
    }


def _mean(point: Point, show: Callable[[Any], str]) -> dict[str, Any]:
    """The mean over the seeds of a trial's point, which sorts once all of them have finished."""
    spread = f" ± {show(point.spread)}" if point.spread is not None else ""
    return {"mean": show(point.mean) + spread, "mean_sort": point.mean if point.complete else ""}


def _knob_cell(point: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Numbers sort as numbers, other choices by their text."""
    value = point.get(path)
    return {"text": value_text(value) if path in point else MISSING, "sort": value if known(value) else None}


def _link(report: SweepReport, record: TrialRecord, folder: Path) -> str:
    """The trial's own page as seen from the page's folder; empty where it has none."""
    page = report.directory.trial(record.trial.id).page
    return quote(Path(os.path.relpath(page, folder)).as_posix()) if page.is_file() else ""


def error_views(report: SweepReport) -> dict[str, Any]:
    """Each error once, whole, with the trials that met it; what goes beyond a screenful is folded away."""
    found: dict[str, list[TrialRecord]] = {}
    for record in report.records.values():
        if state(record) == "errored":
            found.setdefault(record.error or "ended without saying why", []).append(record)
    views = [
        {"error": error, "trials": [(record.trial.id, _point_text(record)) for record in records]}
        for error, records in found.items()
    ]
    return {"shown": views[:_ERRORS_SHOWN], "folded": views[_ERRORS_SHOWN:]}


def _point_text(record: TrialRecord) -> str:
    names = short_names(record.trial.point)
    return ", ".join(f"{names[path]} {value_text(value)}" for path, value in sorted(record.trial.point.items()))
