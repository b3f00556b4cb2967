"""Axes: order, ends, logarithms, slots, and ticks that are round numbers between the ends."""

from __future__ import annotations

import pytest

from shapesys.report.sweep_axes import (
    choice_axis,
    count_axis,
    knob_axis,
    number_axis,
    objective_axis,
    rung_axis,
    time_axis,
)  # fmt: skip
from shapesys.report.sweep_text import short_names, shortened, value_text
from shapesys.tuning.space import Knob


def texts(axis) -> list[str]:  # type: ignore[no-untyped-def]
    assert all(0 <= tick.share <= 1 for tick in axis.ticks)
    return [tick.text for tick in axis.ticks]


def test_a_range_reaches_from_end_to_end() -> None:
    axis = knob_axis("dropout", Knob(low=0.0, high=0.3), [0.1], margin=0.0)
    assert (axis.share(0.0), axis.share(0.15), axis.share(0.3)) == pytest.approx((0, 0.5, 1))
    assert texts(axis) == ["0", "0.1", "0.2", "0.3"]


def test_a_logarithmic_range_has_its_mean_in_the_middle_and_decades_as_ticks() -> None:
    axis = knob_axis("rate", Knob(low=1e-5, high=1e-2, log=True), [1e-3], margin=0.0)
    assert axis.share(10**-3.5) == pytest.approx(0.5)
    assert texts(axis) == ["1e-05", "0.0001", "0.001", "0.01"]
    assert texts(number_axis("", [10, 100], log=True, margin=0)) == ["10", "20", "50", "100"]
    assert len(texts(number_axis("", [1e-12, 1e3], log=True))) <= 7


def test_choices_have_a_slot_each_whatever_they_are() -> None:
    axis = knob_axis("choice", Knob(choices=("a", None, True, [1, 2], 1, 2.0)), [2])
    assert texts(axis) == ["a", "none", "true", "[1, 2]", "1", "2"]
    shares = [axis.share(value) for value in ("a", None, True, [1, 2], 1, 2)]
    assert shares == pytest.approx([(at + 0.5) / 6 for at in range(6)])


def test_a_choice_that_the_space_no_longer_has_gets_a_slot() -> None:
    axis = knob_axis("choice", Knob(choices=(1, 2)), [3])
    assert texts(axis) == ["1", "2", "3"]


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0, 1e-9])
def test_one_value_alone_stands_in_the_middle(value: float) -> None:
    axis = number_axis("", [value])
    assert axis.share(value) == pytest.approx(0.5)
    assert axis.ticks


def test_an_objective_is_logarithmic_where_positive_and_wide() -> None:
    assert objective_axis("", [0.01, 0.5]).log
    assert not objective_axis("", [0.01, 0.02]).log
    assert not objective_axis("", [-1.0, 0.5]).log
    assert not objective_axis("", [0.0, 0.5]).log


def test_rungs_are_the_ticks_of_their_axis_and_counts_are_whole() -> None:
    assert texts(rung_axis([27, 3, 9, 3])) == ["3", "9", "27"]
    assert texts(count_axis("", 3)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("longest", "name"), [(0.0, "seconds"), (100, "seconds"), (600, "minutes"), (9000, "hours"), (4e5, "days")]
)
def test_time_is_told_in_the_unit_that_suits_it(longest: float, name: str) -> None:
    axis, unit = time_axis(longest)
    assert axis.label == name
    assert unit == {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[name]


def test_short_words() -> None:
    assert short_names(["model.hidden", "train.rate"]) == {"model.hidden": "hidden", "train.rate": "rate"}
    assert short_names(["a.rate", "b.rate"]) == {"a.rate": "a.rate", "b.rate": "b.rate"}
    assert [value_text(value) for value in (1.23456e-5, 12, "x", None, False)] == [
        "1.235e-05",
        "12",
        "x",
        "none",
        "false",
    ]
    assert shortened("abcdefgh", 5) == "ab…gh"
    assert shortened("abc", 5) == "abc"
    assert choice_axis("", ["x" * 40]).ticks[0].text.count("x") == 13
