"""What the name of a metric tells: ``metric/convention``, and which way is better."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SEPARATOR = re.compile("[/@]")
FLOOR_ENDINGS = ("/floor", "@floor")
_OF_SURFACES = ("fscore", "precision", "recall", "iou", "normal_consistency")
_OF_LABELS = ("accuracy", "oa", "macc", "miou")
_OF_SUPERPIXELS = ("asa", "boundary_recall", "compactness")
_HIGHER_IS_BETTER = (*_OF_SURFACES, *_OF_LABELS, *_OF_SUPERPIXELS)
_LOWER_IS_BETTER = ("chamfer", "hausdorff", "gradient_error", "d_sym", "ssr", "cross_entropy", "undersegmentation")

_OTHER_WAY = {"normal_consistency/pytorch3d": -1}
"""Conventions that turn their metric around."""


def split_name(name: str) -> tuple[str, str]:
    """Metric and convention: ``chamfer/onet.chamfer_l1`` -> (chamfer, onet.chamfer_l1)."""
    metric, *convention = _SEPARATOR.split(name, maxsplit=1)
    return metric, convention[0] if convention else ""


def is_floor(name: str) -> bool:
    return name.endswith(FLOOR_ENDINGS)


def better_direction(name: str, convention: Mapping[str, Any] | None = None) -> int:
    """+1 higher is better, -1 lower is better, 0 neither; the word of the convention or of its definition first."""
    stated = {**(convention or {}).get("definition", {}), **(convention or {})}
    if "higher_is_better" in stated:
        return {None: 0, True: 1, False: -1}[stated["higher_is_better"]]
    if name in _OTHER_WAY:
        return _OTHER_WAY[name]
    metric = split_name(name)[0]
    return int(_begins(metric, _HIGHER_IS_BETTER)) - int(_begins(metric, _LOWER_IS_BETTER))


def _begins(metric: str, names: Iterable[str]) -> bool:
    return any(metric == name or metric.startswith(f"{name}_") for name in names)
