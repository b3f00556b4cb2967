"""Whether a metric means the same in all columns, and in what their evaluations differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shapesys.report.compare_columns import Column, grouped_by_value, joined
from shapesys.report.flatten import flatten
from shapesys.report.load import Evaluation
from shapesys.report.summary import MetricLine, all_lines

Definition = dict[str, Any]

_DEFINITION = "definition."
_NOT_DEFINING = {"seed", "note", "name"}
_SETTING = "evaluation setting "
_CHANGED = f"{_SETTING}inference."
_OF_THE_MESH = ("resolution", "close_at_box", "largest_component")
"""Settings of the extracted surface: part of what a metric of that surface measures."""


def definition(evaluation: Evaluation, line: MetricLine) -> Definition:
    """What pins a metric down; empty where the evaluation did not record it.

    Metrics of samples on the extracted surface also depend on the settings of its extraction.
    """
    record = flatten(line.convention)
    named = {path.removeprefix(_DEFINITION): value for path, value in record.items() if path.startswith(_DEFINITION)}
    # What was done stands over what the convention asks for: evaluation may take fewer samples.
    stated = named | {path: value for path, value in record.items() if not path.startswith(_DEFINITION)}
    stated = {name: value for name, value in stated.items() if name not in _NOT_DEFINING and value is not None}
    if stated.get("sampling", "as_given") != "as_given":
        settings = evaluation.settings.get("settings", {})
        stated |= {f"extraction {name}": settings[name] for name in _OF_THE_MESH if name in settings}
    return stated


def differing_definitions(columns: Sequence[Column], split: str, name: str) -> dict[str, list[Any]]:
    """Part of a metric's definition -> each column's value, of the parts in which any two runs differ.

    A run that does not state a part is passed over: it was not measured there, or by a version that kept less.
    """
    return _differing([
        [definition(evaluation, line) for evaluation in column.evaluations(split)
         for line in all_lines(evaluation.summary) if line.name == name]
        for column in columns
    ])  # fmt: skip


def evaluation_remarks(columns: Sequence[Column], split: str) -> list[str]:
    """A line for everything in which the evaluations differ: checkpoint steps, stores, settings."""
    facts = [[_facts(evaluation) for evaluation in column.evaluations(split)] for column in columns]
    changed = {name for runs in facts for found in runs for name in found if name.startswith(_CHANGED)}
    # The family's own settings are listed where they were changed; elsewhere they had the run's value.
    stated = [[found | dict.fromkeys(changed - found.keys(), "the run's") for found in runs] for runs in facts]
    return _lines(columns, _differing(stated))


def training_remarks(columns: Sequence[Column]) -> list[str]:
    """A line where the runs learnt from different data."""
    name = "trained on different data (digest)"
    facts = [[{name: _short(report.provenance.get("data_digest"))} for report in column.reports] for column in columns]
    return _lines(columns, _differing(facts))


def same_store(columns: Sequence[Column], split: str) -> bool:
    """Whether all were evaluated on the same store, as far as they recorded it."""
    found = {evaluation.settings.get("store") for column in columns for evaluation in column.evaluations(split)}
    return len(found - {None}) < 2


def _differing(found: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, list[Any]]:
    """Name -> each column's value, or list of values, of the names whose stated values are not all equal."""
    names = dict.fromkeys(name for runs in found for facts in runs for name in facts)
    held = {name: [[f[name] for f in runs if f.get(name) is not None] for runs in found] for name in names}
    return {
        name: [joined(values) if values else None for values in columns]
        for name, columns in held.items()
        if len({repr(value) for values in columns for value in values}) > 1
    }


def _lines(columns: Sequence[Column], differing: Mapping[str, Sequence[Any]]) -> list[str]:
    return [f"{name}: {grouped_by_value(columns, values)}" for name, values in differing.items()]


def _facts(evaluation: Evaluation) -> dict[str, Any]:
    settings = flatten(evaluation.settings.get("settings", {}))
    facts = {
        "checkpoint step": evaluation.summary.get("checkpoint_step", evaluation.settings.get("step")),
        "evaluated on different data (digest)": _short(evaluation.settings.get("store")),
        **{f"{_SETTING}{path}": value for path, value in settings.items() if path != "split"},
    }
    return {name: value for name, value in facts.items() if value is not None and value != {}}


def _short(digest: Any) -> str | None:
    return str(digest)[:12] if digest else None
