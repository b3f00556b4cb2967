"""Recipes whose variants are one training each, or one network fitted to each shape, measured on a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Picture
from shapesys.reproduction.recipe import Recipe, Request, Scale, Variant

Pictured = Callable[[Path], Picture]
"""A picture of an evaluation, by its file, as it stands on the page. A function of a module: it travels to workers."""


@dataclass(frozen=True)
class TrainedVariant(Variant):
    """A family with some settings.

    Attributes:
        family: to train.
        presets: scale -> preset of the family.
        changes: dotted path -> value, on top of the preset.
        inference: changes to the family's inference settings, of the evaluation alone: variants that differ in nothing
            but these and `measured` share one run.
        measured: changes to the settings of the evaluation, on top of the recipe's.
        inference_at: scale -> further changes to the inference settings, below those of `inference`.
        requires: a module that is not installed with the package; without it the variant is left out. Empty for none.
    """

    family: str
    presets: Mapping[Scale, str]
    changes: Mapping[str, Any] = field(default_factory=dict)
    inference: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    inference_at: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict)
    requires: str = ""

    def evaluation(self, scale: Scale) -> dict[str, Any]:
        """Changes to the settings of its evaluation."""
        return {**self.measured, "inference": {**self.inference_at.get(scale, {}), **self.inference}}


@dataclass(frozen=True)
class TrainedRecipe(Recipe):
    """Trains every variant with every seed, or fits its networks, and measures each.

    Attributes:
        pictured: how pictures that an evaluation draws stand on the page; None where none are drawn.
        measured: scale -> changes to the settings of the evaluation.
    """

    variants: Sequence[TrainedVariant]
    pictured: Pictured | None = None
    measured: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict)

    def phases(self, request: Request) -> list[list[Experiment]]:
        # A list of recipes needs no network.
        from shapesys.reproduction.trained_experiment import experiments

        return [[*experiments(self, request)]]
