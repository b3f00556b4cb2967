"""How each kind of prediction is measured: the one table that generic code asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shapesys.errors import UsageError
from shapesys.evaluation import labels, superpixels, surfaces
from shapesys.evaluation.config import SETTINGS_OF, EvaluateConfig
from shapesys.evaluation.measured import Measured
from shapesys.evaluation.whole_set import whole_set
from shapesys.families.base import Family, FieldPrediction, PointPrediction, Prediction, SuperpixelPrediction
from shapesys.metrics.aggregate import Summary
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary

WholeSet = Callable[[pa.Table, Summary, Vocabulary, EvaluateConfig], dict[str, Any]]


@dataclass(frozen=True)
class Suite:
    """What measures predictions of one kind.

    Attributes:
        predicts: ``surfaces``, ``labels`` or ``superpixels``; names its settings in `SETTINGS_OF`.
        views: the views that hold the ground truth, beside those that the family needs.
        of_surfaces: the same, of stores whose shapes are surfaces: a bare scan can be measured without.
        read: (store, a shape's row of the `shapes` view, settings) -> its ground truth.
        measure: (prediction, ground truth, settings) -> row and records.
        check: raises `UsageError` for settings that no shape could be measured with.
        whole_set: makes numbers of all rows together; None where the statistics of columns say it all.
    """

    predicts: str
    views: tuple[str, ...]
    read: Callable[[Store, Mapping[str, Any], EvaluateConfig], Any]
    measure: Callable[[Any, Any, EvaluateConfig], Measured]
    check: Callable[[EvaluateConfig], None] = lambda settings: None
    whole_set: WholeSet | None = None
    of_surfaces: tuple[str, ...] = ()


SUITES: dict[type[Prediction], Suite] = {
    FieldPrediction: Suite(
        "surfaces", ("cloud",), surfaces.read, surfaces.measure, surfaces.check, of_surfaces=("meshes",)
    ),
    PointPrediction: Suite("labels", ("cloud",), labels.read, labels.measure, whole_set=whole_set),
    SuperpixelPrediction: Suite("superpixels", ("superpixels",), superpixels.read, superpixels.measure),
}


def suite_of(family: Family) -> Suite:
    """What measures a family's predictions."""
    return SUITES[family.predicts]


def refuse_foreign(names: Iterable[str], suite: Suite, whose: str, prefix: str = "") -> None:
    """Refuse settings that would change nothing.

    Args:
        names: settings of `EvaluateConfig` that were typed.
        whose: predicts, e.g. "run 'cars'".
        prefix: of their flags.

    Raises:
        UsageError: one of them measures another kind of prediction.
    """
    for name in names:
        for kind, settings in SETTINGS_OF.items():
            if name in settings and kind != suite.predicts:
                flag = f"--{prefix}{name.replace('_', '-')}"
                raise UsageError(f"{flag} measures {kind}, but {whose} predicts {suite.predicts}; leave it out")
