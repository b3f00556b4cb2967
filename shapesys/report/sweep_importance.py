"""How much each knob matters for a good result, where enough points have finished to say so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shapesys.report.sweep_points import Point, better
from shapesys.tuning.config import Sweep
from shapesys.tuning.space import Knob, value_key

FEWEST = 10
"""Finished points below which an importance would be noise."""

TOP = 0.25
"""The importance is that for reaching this best share of the points."""


@dataclass(frozen=True)
class Importance:
    """Shares that add up to 1, largest first, or none and the reason why.

    Attributes:
        shares: dotted path -> share.
        note: how to read them, or why there are none.
    """

    note: str
    shares: Mapping[str, float] = field(default_factory=dict)


def importance(sweep: Sweep, points: Sequence[Point]) -> Importance:
    """The importance of every knob by PED-ANOVA (arXiv 2304.10255), from points with a finished trial.

    Args:
        sweep: its space says which values a knob may take.
        points: those without a finished trial are left out.

    Returns:
        No shares, and the reason, with one knob, too few points, results that are all equal, or without optuna.
    """
    scored = [(point, point.mean) for point in points if point.mean is not None]
    if len(sweep.space.knobs) == 1:
        return Importance("There is one knob, so there is nothing to weigh it against.")
    if len(scored) < FEWEST:
        return Importance(f"{len(scored)} of at least {FEWEST} points have finished; with fewer this would be noise.")
    if len({mean for _, mean in scored}) == 1:
        return Importance("All points gave the same result, so no knob mattered.")
    try:
        shares = _ped_anova(sweep, [point.values for point, _ in scored], [mean for _, mean in scored])
    except ImportError:
        return Importance("This needs 'optuna', which is not installed: pip install 'shapesys[tune]'.")
    note = f"Share of each knob in reaching the best {TOP:.0%} of {len(scored)} finished points, by PED-ANOVA."
    few = "" if len(scored) >= 10 * len(sweep.space.knobs) else " Few points for so many knobs: read it as a hint."
    return Importance(note + few, shares)


def _ped_anova(sweep: Sweep, points: Sequence[Mapping[str, Any]], values: Sequence[float]) -> dict[str, float]:
    import optuna

    distributions = {path: _distribution(knob, [p[path] for p in points]) for path, knob in sweep.space.knobs.items()}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize" if better(sweep) > 0 else "minimize")
            for point, value in zip(points, values, strict=True):
                params = {path: _plain(sweep.space.knobs[path], point[path]) for path in distributions}
                study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
            return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    finally:
        optuna.logging.set_verbosity(verbosity)


def _distribution(knob: Knob, values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if knob.choices is not None:
        return CategoricalDistribution(list(dict.fromkeys(_plain(knob, value) for value in (*knob.choices, *values))))
    ends = [end for end in (knob.low, knob.high, *values) if end is not None]
    return FloatDistribution(min(ends), max(ends), log=knob.log)


def _plain(knob: Knob, value: Any) -> Any:
    """A choice as text, since optuna takes no lists; a number of a range as it is."""
    return float(value) if knob.choices is None else value_key(value)
