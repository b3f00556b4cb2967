"""Saliency as an attribute of any field: a second head of the decoder, and the loss that trains it.

Equation 1 of ISSN (arXiv 2012.07290) needs nothing of a family but an error L of every query point: a saliency s in
(0, 1] weights the point's own error, and -log s keeps s from vanishing. For a fixed error the optimum is
s* = min(1, lambda / L): saliency is high where the category makes the field predictable.

Legend: B shapes, N query points per shape.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.base import Term, TrainingData
from shapesys.fields.network_field import SALIENCY
from shapesys.nets.implicit_decoder import ImplicitDecoder

SATURATED = 0.99
"""A saliency above this counts as saturated in the statistics."""
FIRST_ERROR = 0.3
"""Mean error of an untrained network, as a share of their scale, on queries mostly near the surface."""


class MayLearnSaliency(Protocol):
    """Settings of a family whose decoder has a saliency head where it learns saliency."""

    @property
    def learns_saliency(self) -> bool: ...


class Weighted(NamedTuple):
    """Errors as equation 1 takes them.

    Attributes:
        saliency: (B, N), with its gradient.
        error: mean error, weighted by saliency where lambda > 0.
        log: mean of -log s, with its weight lambda.
        statistics: of the map; scalars.
    """

    saliency: Tensor
    error: Term
    log: Term
    statistics: dict[str, Tensor]


def weight_by_saliency(error: Tensor, logits: Tensor, weight: float) -> Weighted:
    """Equation 1 without the prior on codes.

    Args:
        error: (B, N) non-negative error of each query point.
        logits: (B, N) of the saliency head.
        weight: lambda; at 0 errors are not weighted, and nothing here trains the head.
    """
    log_saliency = F.logsigmoid(logits)
    saliency = log_saliency.exp()
    weighted = error * saliency if weight > 0 else error
    log = Term(-log_saliency.mean(), weight)
    return Weighted(saliency, Term(weighted.mean()), log, _statistics(saliency.detach()))


def start_saliency(decoder: ImplicitDecoder, weight: float, scale: float) -> None:
    """Start saliency near its optimum for the first errors, lambda / L, instead of at a half.

    Saliency scales the gradient of the error. Starting at a half, the gradient shrinks tenfold in the first steps, and
    Adam, which remembers the large ones for a thousand steps, moves on at a tenth of its rate for as long.

    Args:
        decoder: whose second head is the saliency.
        weight: lambda; at 0, saliency starts at a half.
        scale: of errors: the clamp of distances where there is one.
    """
    first = min(0.5, weight / (FIRST_ERROR * scale)) if weight else 0.5
    with torch.no_grad():
        decoder.head.bias[1] = math.log(first / (1.0 - first))


def attributes(config: MayLearnSaliency) -> tuple[str, ...]:
    """Saliency where it is learned."""
    return (SALIENCY,) if config.learns_saliency else ()


def check(config: MayLearnSaliency, data: TrainingData) -> None:
    """Refuse categories of one shape where saliency is to be learned.

    Raises:
        ShapesysError: names them.
    """
    if config.learns_saliency:
        check_common(data, "--model.saliency-weight 0")


def check_common(data: TrainingData, advice: str) -> None:
    """Refuse categories of one shape, which has nothing in common with another.

    Args:
        advice: how to learn distances alone.

    Raises:
        ShapesysError: names them.
    """
    single = sorted(name for name, count in data.counts.items() if count == 1 and name == (data.interest or name))
    if single:
        raise ShapesysError(
            f"category {', '.join(single)} has one training shape, but saliency is what a category's shapes have in "
            f"common; prepare more of them, leave the category out with --categories, or learn distances alone with "
            f"{advice}"
        )


def saliency_warnings(weight: float) -> list[str]:
    """Values of lambda > 0 that appendix A.1 reports to fail."""
    if weight >= 1e-2:
        return [
            f"saliency_weight = {weight:g} is at or above 1e-2: saliency saturates near 1 everywhere (appendix A.1)"
        ]
    if weight < 1e-4:
        return [f"saliency_weight = {weight:g} is below 1e-4: saliency vanishes and distances suffer (appendix A.1)"]
    if weight <= 1e-4:
        return [f"saliency_weight = {weight:g}: saliency maps become noisy (appendix A.1)"]
    return []


def _statistics(saliency: Tensor) -> dict[str, Tensor]:
    return {
        "saliency_mean": saliency.mean(),
        "saliency_min": saliency.flatten(1).min(dim=1).values.mean(),
        "saliency_saturated": (saliency > SATURATED).float().mean(),
    }
