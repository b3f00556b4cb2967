"""A search space: which settings a sweep varies, and the values they may take."""

from __future__ import annotations

from typing import Any, Literal

from shapesys.config.base import Config, setting


class Knob(Config):
    """What one setting may be: a range (`low` to `high`, log-uniform where `log`) or one of `choices`."""

    low: float | None = setting(None, help="lower end of the range")
    high: float | None = setting(None, help="upper end of the range")
    log: bool = setting(False, help="draw the logarithm evenly")
    choices: tuple[Any, ...] | None = setting(None, help="the values to choose from")


class Space(Config):
    """The knobs of a sweep, by dotted path into the training job."""

    name: str = setting(..., help="what users type")
    family: str = setting(..., help="family whose settings the knobs are")
    summary: str = setting("", help="one line for 'shapesys list spaces'")
    source: str = setting("", help="where the values come from: a paper's section, or our choice and why")
    strategy: Literal["grid", "random", "optuna"] = setting("random", help="how points are chosen unless told otherwise")
    fixed: dict[str, Any] = setting({}, help="settings that every trial shares, by dotted path")
    knobs: dict[str, Knob] = setting(..., help="dotted path -> what it may be")
