"""What each part of the page says, as plain data for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shapesys.report import plots
from shapesys.report.component_columns import component_lines
from shapesys.report.excerpt import MOST_REMARKS, worst_of
from shapesys.report.flatten import flatten
from shapesys.report.load import Evaluation, Row, RunReport
from shapesys.report.numbers import duration, formatter, known, number
from shapesys.report.select import pick_metric
from shapesys.report.summary import STATISTICS, MetricLine, counts, has_floors, metric_lines

_ARROWS = {1: ("↑", "higher is better"), -1: ("↓", "lower is better"), 0: ("", "")}
_STATES = {"finished": "good", "running": "busy", "failed": "bad", "interrupted": "warn"}
_SECONDS = "_seconds"


def run_view(report: RunReport, evaluations: list[dict[str, Any]]) -> dict[str, Any]:
    """Header, settings, curves and origin of a run; its evaluations as `evaluation_view` made them."""
    state = report.status.get("state", "unknown")
    return {
        "name": report.run.name,
        "family": report.config.get("family", ""),
        "preset": report.config.get("preset", ""),
        "state": state,
        "tone": _STATES.get(state, "warn"),
        "error": report.status.get("error") or "",
        "facts": _facts(report),
        "changed": report.changed,
        "charts": [plots.svg(chart) for chart in plots.charts({report.run.name: report.history})],
        "evaluations": evaluations,
        "stages": _stages(report.status),
        "provenance": _provenance(report.provenance),
        "patch": report.provenance.get("code", {}).get("patch", ""),
        "config": sorted(flatten(report.config).items()),
    }


def evaluation_view(evaluation: Evaluation, key: str, shapes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Summary, per-shape table and remarks of one split; `key` names its embedded shapes."""
    lines = metric_lines(evaluation.summary)
    return {
        "split": evaluation.split,
        "key": key,
        "counts": counts(evaluation.summary),
        "summary": summary_view(evaluation.summary, lines),
        "gallery": shapes,
        "table": _worst_shapes(evaluation, lines, shapes),
        **_remarks(evaluation),
    }


def _worst_shapes(
    evaluation: Evaluation, lines: Sequence[MetricLine], shapes: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Every shape; of very many the worst, in what ranks those in 3D."""
    wanted = shapes["metric"] if shapes else None
    ranking = pick_metric({line.name: line for line in lines}, wanted)
    excerpt = worst_of(
        [_cost(row, ranking) for row in evaluation.rows],
        ranking.name if ranking else "nothing",
        str(evaluation.directory.rows.relative_to(evaluation.directory.path.parents[1])),
    )
    columns = [*lines, *component_lines(evaluation.rows)]
    return shape_table([evaluation.rows[at] for at in excerpt.places], columns) | {"title": excerpt.title}


def _cost(row: Row, ranking: MetricLine | None) -> float:
    """What a row is worse by, the more the worse; infinite without a value."""
    value = row.get(ranking.name) if ranking else None
    if ranking is None or value is None or not known(value):
        return math.inf
    return -float(value) if ranking.better > 0 else float(value)


def _remarks(evaluation: Evaluation) -> dict[str, Any]:
    """Shapes that failed, then those with a remark; the first ones of very many."""
    found = [row for row in evaluation.rows if row.get("status") != "ok" or row.get("reason")]
    if len(found) <= MOST_REMARKS:
        return {"remarks": found, "more_remarks": 0}
    found.sort(key=lambda row: row.get("status") != "failed")
    return {"remarks": found[:MOST_REMARKS], "more_remarks": len(found) - MOST_REMARKS}


def summary_view(summary: Mapping[str, Any], lines: Sequence[MetricLine]) -> dict[str, Any]:
    categories = sorted(summary.get("categories", {}))
    return {
        "statistics": STATISTICS,
        "categories": categories if len(categories) > 1 else [],
        "floors": has_floors(lines),
        "lines": [_summary_line(line, categories) for line in lines],
    }


def shape_table(rows: Sequence[Row], lines: Sequence[MetricLine]) -> dict[str, Any]:
    """Every shape: text cells, and metric cells with the raw value to sort by."""
    shown = [line for line in lines if any(known(row.get(line.name)) for row in rows)]
    show = {line.name: formatter(line.reference) for line in shown}
    return {
        "columns": [{"metric": line.metric, "variant": line.variant} for line in shown],
        "rows": [
            {
                "id": row["shape_id"],
                "category": row.get("category") or "",
                "status": row.get("status", ""),
                "reason": row.get("reason") or "",
                "cells": [{"text": say(row.get(name)), "sort": _sort_key(row.get(name))} for name, say in show.items()],
            }
            for row in rows
        ],
    }


def metric_view(line: MetricLine) -> dict[str, Any]:
    """A metric's name, direction and definition."""
    return {
        "metric": line.title,
        "variant": line.variant,
        "arrow": _ARROWS[line.better],
        "convention": [(name.replace("_", " "), value) for name, value in _convention(line)],
    }


def _summary_line(line: MetricLine, categories: Sequence[str]) -> dict[str, Any]:
    show = formatter(line.reference)
    return {
        **metric_view(line),
        "floor": show(line.floor),
        "overall": [show(line.overall.get(name)) for name in STATISTICS],
        "count": line.overall.get("count"),
        "categories": [_category_cell(line, category) for category in categories],
    }


def _convention(line: MetricLine) -> list[tuple[str, Any]]:
    """What pins a metric down, the parts of its definition first; what is not set is left out."""
    record = dict(line.convention)
    definition = record.pop("definition", {})
    record.pop("name", None)
    stated = [*definition.items(), *record.items()] if isinstance(definition, Mapping) else list(record.items())
    return [(name, value) for name, value in dict(stated).items() if value is not None]


def _category_cell(line: MetricLine, category: str) -> dict[str, Any]:
    show, values = formatter(line.reference), line.categories.get(category, {})
    return {
        "name": category,
        "floor": show(line.floors.get(category)),
        "statistics": [show(values.get(name)) for name in STATISTICS],
        "mean": show(values.get("mean")),
        "count": values.get("count"),
    }


def _facts(report: RunReport) -> list[tuple[str, str]]:
    """The line under the run's name."""
    last = report.history[-1] if report.history else {}
    code = report.provenance.get("code", {})
    commit = code.get("commit", "")[:10] + (" + uncommitted changes" if code.get("patch") else "")
    loss = (last.get("loss") or {}).get("total")
    facts = {
        "started": report.provenance.get("created", "").replace("T", " ")[:16],
        "steps": number(last["step"]) if "step" in last else "",
        "last loss": number(loss, 4) if known(loss) else "",
        "commit": commit,
        "data": (report.provenance.get("data_digest") or "")[:12],
    }
    return [(name, value) for name, value in facts.items() if value]


def _stages(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Seconds by stage: a mapping under ``seconds``, and entries such as ``train_seconds``."""
    nested = status.get("seconds")
    found = dict(nested) if isinstance(nested, Mapping) else {}
    found |= {name.removesuffix(_SECONDS): value for name, value in status.items() if name.endswith(_SECONDS)}
    return [(name, duration(value)) for name, value in found.items() if known(value)]


def _provenance(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    left_out = {"schema", "code.patch", "code.patch_cut"}
    return [(path, value) for path, value in flatten(provenance).items() if path not in left_out]


def _sort_key(value: Any) -> float | str:
    return float(value) if known(value) else ""
