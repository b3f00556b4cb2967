from __future__ import annotations

import dataclasses
import itertools
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapesys.config.base import parse
from shapesys.errors import ShapesysError, UsageError
from shapesys.tuning.draws import random_points
from shapesys.tuning.ledger import Ending, Report, Trial, TrialRecord
from shapesys.tuning.proposer import STRATEGIES, PointResult, Proposer, make_proposer, point_results
from shapesys.tuning.space import Point, Space, check_space, grid, point_key

RATE, WIDTH, CODE = "train.learning_rate", "model.hidden", "model.latent_dim"


def space(**knobs: dict[str, Any]) -> Space:
    named = {"rate": RATE, "width": WIDTH, "code": CODE, "stds": "inference.cloud_stds", "dropout": "model.dropout"}
    found: Space = parse(Space, {"name": "s", "family": "issn", "knobs": {named[key]: knobs[key] for key in knobs}})
    check_space(found)
    return found


SMALL = space(width={"choices": [16, 32, 64]}, stds={"choices": [[0.1], [0.2, 0.3]]})
WHOLE = space(code={"low": 3, "high": 6}, width={"choices": [16, 32]})
MIXED = space(
    rate={"low": 1e-5, "high": 1e-1, "log": True}, code={"low": 4, "high": 64, "log": True}, width={"choices": [16, 32]}
)
RATES = space(rate={"low": 1e-5, "high": 1e-1, "log": True})


def proposer(found: Space, strategy: str, history: Any = (), seed: int = 0) -> Proposer:
    return make_proposer(found, strategy, "min", seed, history)


def asked(one: Proposer, count: int) -> list[Point]:
    return [point for point in (one.ask() for _ in range(count)) if point is not None]


def search(
    found: Space, objective: Callable[[Point], float], count: int, direction: Any = "min", **how: Any
) -> list[PointResult]:
    """A sweep with one trial at a time that all finish, whose first rung misleads."""
    one = make_proposer(found, "optuna", direction, how.pop("seed", 0))
    results = []
    for number in range(count):
        point = one.ask()
        assert point is not None
        results.append(PointResult(number, point, {1: -objective(point), 3: objective(point)}, "finished"))
        one.tell(number, point, results[-1].rungs, "finished")
    return results


@pytest.mark.parametrize(
    ("strategy", "found"),
    [("grid", SMALL), ("random", SMALL), ("optuna", SMALL), ("random", WHOLE), ("optuna", WHOLE)],
)
def test_a_finite_space_is_tried_once_and_then_exhausted(strategy: str, found: Space) -> None:
    one = proposer(found, strategy)
    points = asked(one, 20)
    every = grid(found) if found is SMALL else [{WIDTH: w, CODE: c} for w in (16, 32) for c in range(3, 7)]
    assert sorted(map(point_key, points)) == sorted(map(point_key, every))
    assert one.ask() is None


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_a_new_driver_goes_on_where_the_last_was(strategy: str, cut: int) -> None:
    found = SMALL if strategy == "grid" else MIXED
    whole = proposer(found, strategy)
    history: list[PointResult] = []
    for number in range(6):
        if number == cut:
            resumed = proposer(found, strategy, json_copy(history))
            again = asked(resumed, 2)
        point = whole.ask()
        assert point is not None
        history.append(PointResult(number, point, {1: 1.0 / (number + 1)}, "finished"))
        # The first of the two that the new driver asks for is what the old one would have asked for.
        if number == cut:
            assert point == again[0]
        whole.tell(number, point, history[-1].rungs, "finished")


def json_copy(history: list[PointResult]) -> list[PointResult]:
    """As the ledger gives it back."""
    return [PointResult(r.number, json.loads(json.dumps(r.point)), dict(r.rungs), r.ending) for r in history]


@pytest.mark.parametrize("strategy", ["random", "optuna"])
def test_the_seed_decides(strategy: str) -> None:
    first, same, other = (asked(proposer(MIXED, strategy, seed=seed), 5) for seed in (1, 1, 2))
    assert first == same
    assert not set(map(point_key, first)) & set(map(point_key, other))


@pytest.mark.parametrize("strategy", ["random", "optuna"])
def test_points_are_plain_json_within_their_ranges(strategy: str) -> None:
    for point in asked(proposer(MIXED, strategy), 12):
        assert json.loads(json.dumps(point)) == point
        assert (type(point[CODE]), type(point[RATE])) == (int, float)
        assert 4 <= point[CODE] <= 64
        assert 1e-5 <= point[RATE] <= 1e-1


def test_the_grid_goes_in_its_order_and_leaves_out_what_was_tried() -> None:
    points = grid(SMALL)
    history = [PointResult(0, points[2], {1: 0.5}, "errored"), PointResult(1, json.loads(json.dumps(points[0])), {})]
    assert asked(proposer(SMALL, "grid", history), 9) == [points[1], *points[3:]]


def test_unknown_strategies_and_grids_of_ranges_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown search strategy 'optun'; did you mean optuna"):
        proposer(SMALL, "optun")
    with pytest.raises(UsageError, match="no grid"):
        proposer(MIXED, "grid")


@given(st.integers(0, 2**31 - 1), st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_random_point_i_depends_on_the_seed_and_i_alone(seed: int, count: int) -> None:
    points = list(itertools.islice(random_points(MIXED, seed), 30))
    assert list(itertools.islice(random_points(MIXED, seed), count)) == points[:count]
    assert len({point_key(point) for point in points}) == 30


@given(st.integers(0, 2**31 - 1), st.sampled_from([(1, 4), (2, 9), (1, 100)]), st.booleans())
@settings(deadline=None, max_examples=30)
def test_random_whole_numbers_stay_between_their_ends(seed: int, ends: tuple[int, int], log: bool) -> None:
    found = space(code={"low": ends[0], "high": ends[1], "log": log}, rate={"low": 0.5, "high": 1.0})
    for point in itertools.islice(random_points(found, seed), 20):
        assert ends[0] <= point[CODE] <= ends[1]
        assert 0.5 <= point[RATE] <= 1.0


def test_the_ends_of_a_whole_range_are_as_likely_as_the_rest() -> None:
    found = space(code={"low": 1, "high": 4}, rate={"low": 0.5, "high": 1.0})
    counts = Counter(point[CODE] for point in itertools.islice(random_points(found, 0), 2000))
    assert set(counts) == {1, 2, 3, 4}
    assert all(420 < count < 580 for count in counts.values()), counts


def test_the_logarithm_of_a_whole_range_is_drawn_evenly() -> None:
    found = space(code={"low": 1, "high": 63, "log": True}, rate={"low": 0.5, "high": 1.0})
    values = [point[CODE] for point in itertools.islice(random_points(found, 0), 2000)]
    # 1 owns the share of [0.5, 1.5], whose logarithm is log 3 of log 127 long; 63 that of [62.5, 63.5].
    assert values.count(1) / 2000 == pytest.approx(math.log(3) / math.log(127), abs=0.03)
    assert 0 < values.count(63) < 20


def test_the_logarithm_of_a_range_is_drawn_evenly() -> None:
    values = sorted(math.log10(point[RATE]) for point in itertools.islice(random_points(RATES, 3), 1000))
    for share in (0.1, 0.5, 0.9):
        assert values[int(share * 1000)] == pytest.approx(-5 + 4 * share, abs=0.2)


def off(point: Point) -> float:
    """Decades between a learning rate and the best one."""
    return abs(math.log10(point[RATE] / 3e-3))


def test_optuna_learns() -> None:
    runs = [[off(result.point) for result in search(RATES, off, 40, seed=seed)] for seed in range(6)]
    early, late = (sum(sum(run[part]) for run in runs) for part in (slice(10), slice(-10, None)))
    assert late < 0.65 * early
    assert all(min(run) < 0.1 for run in runs)


def test_optuna_learns_in_the_right_direction() -> None:
    late = search(RATES, lambda point: -off(point), 40, direction="max")[-10:]
    assert sum(off(result.point) for result in late) / 10 < 0.5


def with_bad_half(ending: Ending, rungs: dict[int, float]) -> list[PointResult]:
    """A history in which large learning rates ended so, and small ones finished, all equally well."""
    points = list(itertools.islice(random_points(RATES, 5), 24))
    return [
        PointResult(n, p, rungs, ending) if p[RATE] > 1e-3 else PointResult(n, p, {1: 1.0, 3: 1.0}, "finished")
        for n, p in enumerate(points)
    ]


@pytest.mark.parametrize(("ending", "rungs"), [("errored", {}), ("errored", {1: 0.1}), ("stopped", {1: 9.0})])
def test_optuna_keeps_away_from_where_trials_err_or_fall_behind(ending: Ending, rungs: dict[int, float]) -> None:
    history = with_bad_half(ending, rungs)
    proposals = [proposer(RATES, "optuna", history, seed=seed).ask() for seed in range(20)]
    assert sum(point is not None and point[RATE] > 1e-3 for point in proposals) <= 4


def test_optuna_does_not_take_a_good_beginning_before_an_error_for_a_good_point() -> None:
    history = [
        dataclasses.replace(result, ending=result.ending if result.ending == "errored" else "stopped")
        for result in with_bad_half("errored", {1: 0.1, 3: 0.1})
    ]
    proposals = [proposer(RATES, "optuna", history, seed=seed).ask() for seed in range(20)]
    assert sum(point is not None and point[RATE] > 1e-3 for point in proposals) <= 4


def test_points_that_run_at_the_same_time_are_those_of_one_driver() -> None:
    history = search(RATES, off, 15)
    points = asked(proposer(RATES, "optuna", history), 8)
    assert len({point_key(point) for point in points}) == 8
    running = [PointResult(15 + n, point, {}) for n, point in enumerate(points[:4])]
    assert asked(proposer(RATES, "optuna", [*history, *running]), 4) == points[4:]


def test_optuna_keeps_away_from_points_that_run() -> None:
    history = search(RATES, off, 20)
    best = min(history, key=lambda result: result.rungs[3]).point[RATE]

    def apart(rate: float) -> float:
        """Decades between the best rate and what is proposed while eight points run near `rate`."""
        running = [PointResult(20 + n, {RATE: rate * (1 + n / 50)}, {}) for n in range(8)]
        points = [proposer(RATES, "optuna", [*history, *running], seed=seed).ask() for seed in range(20)]
        return sum(abs(math.log10(point[RATE] / best)) for point in points if point is not None) / 20

    assert apart(best) > 2 * apart(1e-5)


def test_every_proposal_of_optuna_has_its_own_randomness() -> None:
    tried = [PointResult(n, {RATE: 1e-4 * (n + 1)}, {1: 1.0}, "finished") for n in range(3)]
    proposals = [proposer(RATES, "optuna", tried[:count]).ask() for count in (1, 2, 3)]
    assert len({point_key(point) for point in proposals if point is not None}) == 3


def test_a_point_that_runs_may_have_rungs() -> None:
    history = [*search(RATES, off, 12), PointResult(12, {RATE: 0.01}, {1: 0.5, 3: 0.4})]
    assert proposer(RATES, "optuna", history).ask() is not None


def test_optuna_is_quiet() -> None:
    code = (
        "from shapesys.tuning.proposer import make_proposer\nfrom shapesys.tuning.spaces import load_space\n"
        "one = make_proposer(load_space('issn'), 'optuna', 'min', 0)\n[one.ask() for _ in range(12)]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ("", "")


def test_without_optuna_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shapesys.tuning.optuna_proposer", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ShapesysError, match=r"strategy 'optuna' needs 'optuna'.*pip install 'shapesys\[tune\]'"):
        proposer(RATES, "optuna")
    assert proposer(RATES, "random").ask() is not None


def record(number: int, seed: int, values: dict[int, float], ending: Ending | None) -> TrialRecord:
    trial = Trial(f"{number:03d}-s{seed}", number, seed, {RATE: 0.1 * (number + 1)})
    return TrialRecord(trial, tuple(Report(epoch, value) for epoch, value in values.items()), ending)


def merged(*records: TrialRecord, seeds: int = 1) -> list[PointResult]:
    return point_results({record.trial.id: record for record in records}, seeds)


def test_seeds_of_a_point_are_averaged_rung_by_rung() -> None:
    [result] = merged(
        record(4, 0, {1: 1.0, 3: 0.5, 9: 0.25}, "finished"),
        record(4, 1, {1: 3.0, 3: 1.5}, "stopped"),
        record(4, 2, {}, "stopped"),
    )
    assert result == PointResult(4, {RATE: 0.5}, {1: 2.0, 3: 1.0, 9: 0.25}, "stopped")


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        (("finished", "finished"), "finished"),
        (("finished", "stopped"), "stopped"),
        (("stopped", "errored"), "errored"),
        (("finished", "errored"), "errored"),
        (("errored", None), None),
        (("finished",), None),
    ],
)
def test_how_a_point_ended(endings: tuple[Ending | None, ...], expected: Ending | None) -> None:
    [result] = merged(*(record(0, seed, {1: 1.0}, ending) for seed, ending in enumerate(endings)), seeds=2)
    assert result.ending == expected


def test_points_come_in_the_order_of_their_numbers() -> None:
    found = merged(record(2, 0, {}, None), record(0, 0, {}, None), record(1, 0, {1: 1.0}, "finished"))
    assert [result.number for result in found] == [0, 1, 2]
    assert [result.ending for result in found] == [None, "finished", None]
