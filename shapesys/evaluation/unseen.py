"""Predictions for shapes that a run has not been trained on: by what it shares among shapes, or by a fit to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shapesys.config.base import Config
from shapesys.families.base import Family, FieldPrediction, Objective, Observation, Prediction
from shapesys.families.steps import OnStep, heard_by
from shapesys.training.config import TrainJob
from shapesys.training.fitting import Fitted, fit


def predict_unseen(
    family: Family,
    objective: Objective,
    job: TrainJob,
    observations: Sequence[Observation],
    inference: Config,
    seed: int,
    on_step: OnStep | None = None,
) -> list[Prediction]:
    """One prediction per observation.

    Args:
        objective: the restored one, whose device is used.
        inference: of families that share something among shapes.
        on_step: told of every iteration of a fit, or of an optimisation at test time.

    Raises:
        ShapesysError: a shape cannot be predicted.
    """
    if not family.one_network_each(job.model):
        with heard_by(on_step):
            return list(family.infer(objective, observations, inference, seed))
    device = next(objective.parameters()).device
    return [as_prediction(family, fitted) for fitted in fit(job, observations, device, on_step=on_step)]


def as_prediction(family: Family, fitted: Fitted) -> Prediction:
    """What a network that is a shape predicts of it, with the facts of its fit."""
    assert family.known is not None
    [prediction] = family.known(fitted.objective, [0], [fitted.shape_id])
    assert isinstance(prediction, FieldPrediction)
    return replace(prediction, facts={**prediction.facts, **fitted.facts})
