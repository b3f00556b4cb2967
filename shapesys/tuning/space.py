"""A search space: which settings a sweep varies, and the values they may take.

Knobs are kept in alphabetical order of their paths, so that a space means the same however it was written or stored.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import JsonValue, ValidationInfo, field_validator, model_validator

from shapesys.config.base import Config, field_paths, setting
from shapesys.errors import UsageError, unknown_name
from shapesys.families import registry
from shapesys.training.config import job_type
from shapesys.tuning.field_rules import allowed, allows, kind_of

Point = Mapping[str, Any]
"""Dotted path -> plain JSON value of every knob."""

STORE = "data.store"
SECTIONS = ("model.", "inference.", "train.", STORE)
"""What may differ between the trials of a sweep: of the data the store alone, which may hold the same shapes sampled
otherwise; scale is the same for all."""

_NEVER = {"train.seed": "a sweep's 'seeds' tries every point with several seeds"}
_NO_KNOB = {"train.epochs": "trials are compared after equal epochs; fix it, or give it to the sweep"}


class Knob(Config):
    """What one setting may be: a range (`low` to `high`, log-uniform where `log`) or one of `choices`."""

    low: float | None = setting(None, help="lower end of the range", strict=True, allow_inf_nan=False)
    high: float | None = setting(None, help="upper end of the range", strict=True, allow_inf_nan=False)
    log: bool = setting(False, help="draw the logarithm evenly", strict=True)
    choices: tuple[JsonValue, ...] | None = setting(None, help="the values to choose from")

    @model_validator(mode="after")
    def _consistent(self) -> Knob:
        problem = self._problem_of_range() if self.choices is None else self._problem_of_choices(self.choices)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of a range."""
        assert self.low is not None, "a knob with choices has no ends"
        assert self.high is not None, "a knob with choices has no ends"
        return self.low, self.high

    def _problem_of_range(self) -> str:
        if self.low is None or self.high is None:
            return "a knob needs both low and high, or choices"
        if not self.low < self.high:
            return f"low = {self.low:g} is not below high = {self.high:g}"
        return f"log needs a low above 0, not {self.low:g}" if self.log and self.low <= 0 else ""

    def _problem_of_choices(self, choices: Sequence[Any]) -> str:
        if self.low is not None or self.high is not None or self.log:
            return "choices stand alone: leave out low, high and log, or leave out choices"
        if not choices:
            return "choices is empty; give at least one value"
        keys = [value_key(choice) for choice in choices]
        repeated = [json.dumps(choice) for index, choice in enumerate(choices) if keys[index] in keys[:index]]
        return f"choices repeat {', '.join(repeated)}" if repeated else ""


class Space(Config):
    """The knobs of a sweep, by dotted path into the training job."""

    name: str = setting(..., help="what users type")
    family: str = setting(..., help="family whose settings the knobs are")
    summary: str = setting("", help="one line for 'shapesys list spaces'")
    source: str = setting("", help="where the values come from: a paper's section, or our choice and why")
    strategy: Literal["grid", "random", "optuna"] = setting(
        "random", help="how points are chosen unless told otherwise"
    )
    fixed: dict[str, JsonValue] = setting({}, help="settings that every trial shares, by dotted path")
    knobs: dict[str, Knob] = setting(..., help="dotted path -> what it may be")

    @field_validator("knobs")
    @classmethod
    def _in_order(cls, knobs: dict[str, Knob], info: ValidationInfo) -> dict[str, Knob]:
        if not knobs:
            raise ValueError("a space needs at least one knob")
        both = sorted(knobs.keys() & info.data.get("fixed", {}).keys())
        if both:
            raise ValueError(f"{', '.join(both)} cannot be a knob and fixed at once")
        return dict(sorted(knobs.items()))


def value_key(value: Any) -> str:
    """Text that is equal for equal JSON values: 1 and 1.0 are, 1 and true are not.

    Raises:
        ValueError: not a finite JSON value.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return json.dumps(float(value) if number else value, sort_keys=True, allow_nan=False)


def point_key(point: Point) -> str:
    """Text that is equal for equal points."""
    return json.dumps({path: value_key(value) for path, value in point.items()}, sort_keys=True)


def check_space(space: Space) -> None:
    """Hold every knob and every fixed setting against the fields of the family's training job.

    Raises:
        UsageError: an unknown or forbidden path, or a value that its field does not allow; one line each.
    """
    problems = [*_problems_of_fixed(space), *_problems_of_knobs(space)]
    if problems:
        raise UsageError("\n".join(problems))


def whole_numbers(space: Space) -> frozenset[str]:
    """The paths of ranges whose setting is a whole number."""
    fields = fields_of(space.family)
    ranges = (path for path, knob in space.knobs.items() if knob.choices is None)
    return frozenset(path for path in ranges if kind_of(fields[path]) == "whole")


def size(space: Space) -> int | None:
    """How many different points there are; None where a knob is continuous."""
    whole = whole_numbers(space)
    return math.prod(_values(knob) for knob in space.knobs.values()) if _is_discrete(space, whole) else None


def grid(space: Space) -> list[Point]:
    """Every combination of the choices, knobs in alphabetical order; the last knob varies fastest.

    Raises:
        UsageError: a knob is a range.
    """
    ranges = [path for path, knob in space.knobs.items() if knob.choices is None]
    if ranges:
        raise UsageError(
            f"space '{space.name}' has no grid, because {' and '.join(ranges)} can be anything in a range; "
            "give choices, or search with the strategy random or optuna"
        )
    values = [knob.choices or () for knob in space.knobs.values()]
    return [dict(zip(space.knobs, chosen, strict=True)) for chosen in itertools.product(*values)]


def fields_of(family: str) -> dict[str, Any]:
    """Dotted path -> declared field of the family's training job."""
    return field_paths(job_type(registry.load(family)))


def unknown_setting(family: str, path: str) -> UsageError:
    """The error for a path that the family's training job has not, with the nearest that may vary."""
    return unknown_name(f"setting of {family}", path, (name for name in fields_of(family) if name.startswith(SECTIONS)))


def _is_discrete(space: Space, whole: frozenset[str]) -> bool:
    return all(knob.choices is not None or path in whole for path, knob in space.knobs.items())


def _values(knob: Knob) -> int:
    if knob.choices is not None:
        return len(knob.choices)
    low, high = knob.ends
    return int(high) - int(low) + 1


def _problems_of_fixed(space: Space) -> Iterator[str]:
    fields = fields_of(space.family)
    for path, value in space.fixed.items():
        problem = _problem_of_path(space, path, fields, _NEVER)
        if problem:
            yield problem
        elif not allows(fields[path], value):
            yield f"fixed '{path}' = {json.dumps(value)} is not allowed: the setting is {allowed(fields[path])}"


def _problems_of_knobs(space: Space) -> Iterator[str]:
    fields = fields_of(space.family)
    for path, knob in space.knobs.items():
        problem = _problem_of_path(space, path, fields, _NEVER | _NO_KNOB)
        if problem:
            yield problem
        else:
            yield from (f"knob '{path}': {problem}" for problem in _problems_of_knob(knob, fields[path]))


def _problem_of_path(space: Space, path: str, fields: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    if path not in fields:
        return str(unknown_setting(space.family, path))
    if not path.startswith(SECTIONS):
        return f"'{path}' is the same for all trials; a space holds settings of {', '.join(SECTIONS)} only"
    return f"'{path}' cannot be searched: {reasons[path]}" if path in reasons else ""


def _problems_of_knob(knob: Knob, field: Any) -> Iterator[str]:
    kind = kind_of(field)
    if knob.choices is None and kind not in ("whole", "number"):
        yield f"a range needs a number, but the setting is {allowed(field)}; give choices"
        return
    named = [("choice", value) for value in knob.choices] if knob.choices is not None else _named_ends(knob)
    for name, value in named:
        plain = int(value) if kind == "whole" and isinstance(value, float) and value.is_integer() else value
        if not allows(field, plain):
            yield f"{name} {json.dumps(plain)} is not allowed: the setting is {allowed(field)}"


def _named_ends(knob: Knob) -> list[tuple[str, Any]]:
    return list(zip(("low", "high"), knob.ends, strict=True))
