"""Points from Optuna's tree-structured Parzen estimator, asked anew each time with all that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapesys.errors import missing_extra
from shapesys.tuning.draws import random_points
from shapesys.tuning.ledger import Ending
from shapesys.tuning.objective import Direction
from shapesys.tuning.proposer import Fits, PointResult, SequenceProposer, any_point
from shapesys.tuning.space import Knob, Point, Space, point_key, value_key, whole_numbers

try:
    import optuna
except ImportError:
    raise missing_extra("optuna", "tune", "search strategy 'optuna'") from None

ATTEMPTS = 20
"""Proposals of known or refused points after which the next one is drawn at random."""


class OptunaProposer:
    """Every proposal comes from a fresh study that holds the history, so that none depends on who asked before.

    Points that run are in it too, as bad ones for the moment (the "constant liar"), so that parallel trials spread.
    """

    def __init__(
        self,
        space: Space,
        direction: Direction,
        seed: int,
        history: Sequence[PointResult],
        fits: Fits = any_point,
    ) -> None:
        # Optuna tells of every study and trial otherwise.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        whole = whole_numbers(space)
        self._space, self._direction, self._seed, self._fits = space, direction, seed, fits
        self._distributions = {path: _distribution(knob, path in whole) for path, knob in space.knobs.items()}
        self._results = {result.number: result for result in history}

    def ask(self) -> Point | None:
        tried = {point_key(result.point) for result in self._results.values()}
        study = self._study()
        proposals = (self._point(study.ask(self._distributions).params) for _ in range(ATTEMPTS))
        fitting = (point for point in proposals if point_key(point) not in tried and self._fits(point))
        point = next(fitting, None) or self._any_other()
        if point is not None:
            number = max(self._results, default=-1) + 1
            self._results[number] = PointResult(number, point, {})
        return point

    def tell(self, number: int, point: Point, rungs: Mapping[int, float], ending: Ending | None) -> None:
        self._results[number] = PointResult(number, point, rungs, ending)

    def _any_other(self) -> Point | None:
        results = list(self._results.values())
        return SequenceProposer(random_points(self._space, self._seed), results, self._fits).ask()

    def _study(self) -> Any:
        seed = np.random.SeedSequence([self._seed, len(self._results)]).generate_state(1)[0]
        sampler = optuna.samplers.TPESampler(seed=int(seed), constant_liar=True)
        direction = "maximize" if self._direction == "max" else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.add_trials([self._trial(self._results[number]) for number in sorted(self._results)])
        return study

    def _trial(self, result: PointResult) -> Any:
        """A point as Optuna's trial.

        One that erred counts as pruned before its first value, the worst a trial can be: Optuna would forget a failed
        trial, and come back to the settings that diverge.
        """
        state = optuna.trial.TrialState
        states = {"finished": state.COMPLETE, "stopped": state.PRUNED, "errored": state.PRUNED, None: state.RUNNING}
        rungs = {} if result.ending == "errored" else dict(result.rungs)
        return optuna.trial.create_trial(
            state=states[result.ending],
            value=rungs[max(rungs)] if result.ending == "finished" else None,
            params={path: _coded(self._space.knobs[path], value) for path, value in result.point.items()},
            distributions=self._distributions,
            intermediate_values=rungs,
        )

    def _point(self, params: Mapping[str, Any]) -> Point:
        knobs = self._space.knobs
        return {path: _decoded(knob, params[path]) for path, knob in knobs.items()}


def _distribution(knob: Knob, whole: bool) -> Any:
    """Choices by their place in the list, since Optuna holds lists for no category."""
    if knob.choices is not None:
        return optuna.distributions.CategoricalDistribution(range(len(knob.choices)))
    low, high = knob.ends
    if whole:
        return optuna.distributions.IntDistribution(int(low), int(high), log=knob.log)
    return optuna.distributions.FloatDistribution(low, high, log=knob.log)


def _coded(knob: Knob, value: Any) -> Any:
    if knob.choices is None:
        return value
    return [value_key(choice) for choice in knob.choices].index(value_key(value))


def _decoded(knob: Knob, value: Any) -> Any:
    return value if knob.choices is None else knob.choices[value]
