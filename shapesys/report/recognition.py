"""What the page says of recognised labels: numbers of the whole set, the confusion of classes, every part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.metrics.recognition import worst_confusions
from shapesys.report.numbers import formatter, number
from shapesys.report.sections import metric_view
from shapesys.report.summary import whole_set_lines

MOST_CLASSES = 60
"""Classes of a confusion matrix that a page can show; of more, only the mistakes are listed."""
MOST_MISTAKES = 12


def recognition_view(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of an evaluation's section; empty where the run predicts no labels."""
    confusion = summary.get("confusion")
    return {
        "whole_set": [_headline(line) for line in whole_set_lines(summary)],
        "confusion": _confusion(confusion) if confusion else None,
        "mistakes": _mistakes(confusion) if confusion else [],
        "parts": _parts(summary.get("parts", ())),
    }


def _headline(line: Any) -> dict[str, Any]:
    return {**metric_view(line), "value": formatter(line.reference)(line.overall.get("mean"))}


def _confusion(confusion: Mapping[str, Any]) -> dict[str, Any] | None:
    """Classes that truth or prediction has, and how every true class (row) was shared out."""
    counts = np.asarray(confusion["counts"], np.int64)
    present = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if not len(present) or len(present) > MOST_CLASSES:
        return None
    names = [confusion["labels"][place] for place in present]
    shown = counts[np.ix_(present, present)]
    return {"labels": names, "rows": [_row(names, shown, place) for place in range(len(names))]}


def _row(names: Sequence[str], counts: NDArray[np.int64], place: int) -> dict[str, Any]:
    total = int(counts[place].sum())
    cells = [
        {
            "count": int(count),
            "share": round(count / total, 3) if total else 0,
            "right": column == place,
            "title": f"true {names[place]}, predicted {names[column]}: {count} of {total}",
        }
        for column, count in enumerate(counts[place].tolist())
    ]
    recall = formatter(1.0)(counts[place, place] / total) if total else ""
    return {"name": names[place], "cells": cells, "total": total, "recall": recall}


def _mistakes(confusion: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts, names = np.asarray(confusion["counts"], np.int64), confusion["labels"]
    return [
        {
            "true": names[true],
            "predicted": names[predicted],
            "count": count,
            "of": int(counts[true].sum()),
            "share": f"{count / counts[true].sum():.0%}",
        }
        for true, predicted, count in worst_confusions(counts, MOST_MISTAKES)
    ]


def _parts(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    show = formatter(0.5)
    return [
        {
            "category": part["category"],
            "part": part["part"],
            "points": number(part["points"]),
            "accuracy": show(part["accuracy"]),
            "iou": show(part["iou"]),
        }
        for part in parts
    ]
