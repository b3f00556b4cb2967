"""How functions are fitted to samples: the errors that the figures compare, and the descent that is the same for all.

Legend: S functions, N samples of each, d dimensions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from shapesys.families.fields.losses import sign_agnostic_error, sign_agnostic_gradient_error
from shapesys.laboratory.functions import Functions


@dataclass(frozen=True)
class Samples:
    """What is known of a function.

    Attributes:
        points: (S, N, d), each function's own, in an order that says nothing.
        values: (S, N) of the function there; for sign-agnostic errors an unsigned distance h.
        gradients: (S, N, d) of the function; zero where it has none.
    """

    points: Tensor
    values: Tensor
    gradients: Tensor

    def part(self, step: int, size: int) -> Samples:
        """The batch of a step: samples go round in whole batches of that size; all of them where they are fewer."""
        count = self.points.shape[1] // size
        if count == 0:
            return self
        which = slice(step % count * size, (step % count + 1) * size)
        return Samples(self.points[:, which], self.values[:, which], self.gradients[:, which])


Fitted = TypeVar("Fitted", bound=Functions)
Error = Callable[[Functions, Samples], Tensor]
"""(S, N) errors of functions at their samples."""


def absolute(functions: Functions, samples: Samples) -> Tensor:
    """|f - h|, which knows a sign."""
    return (functions(samples.points) - samples.values).abs()


def squared(functions: Functions, samples: Samples) -> Tensor:
    """(f - h)^2, which knows a sign."""
    return (functions(samples.points) - samples.values).square()


def sal(functions: Functions, samples: Samples) -> Tensor:
    """tau(f, h) = ||f| - h|."""
    return sign_agnostic_error(functions(samples.points), samples.values)


def sald(weight: float) -> Error:
    """tau(f, h) + weight tau(grad f, grad h)."""

    def error(functions: Functions, samples: Samples) -> Tensor:
        values, gradients = functions.with_gradients(samples.points)
        of_gradients = sign_agnostic_gradient_error(gradients, samples.gradients)
        return sign_agnostic_error(values, samples.values) + weight * of_gradients

    return error


def sobolev(functions: Functions, samples: Samples) -> Tensor:
    """(f - h)^2 + |grad f - grad h|^2, which knows signs (Czarnecki et al., NeurIPS 2017)."""
    values, gradients = functions.with_gradients(samples.points)
    return (values - samples.values).square() + (gradients - samples.gradients).square().sum(dim=-1)


@dataclass(frozen=True)
class Schedule:
    """Steps of Adam, whose rate falls from `rate` to 0 along a cosine; samples of a step for each function."""

    steps: int
    rate: float
    batch: int = 512


def trained(start: Fitted, error: Error, samples: Samples, schedule: Schedule) -> Fitted:
    """Functions that began as `start`, which stays as it is."""
    functions = copy.deepcopy(start)
    descend(functions.parameters(), lambda step: error(functions, samples.part(step, schedule.batch)), schedule)
    return functions


def descend(parameters: Iterable[nn.Parameter], errors: Callable[[int], Tensor], schedule: Schedule) -> None:
    """Descend the mean of `errors(step)`, (S, N), for each of S; their sum has the same gradients as each alone."""
    optimizer = torch.optim.Adam(list(parameters), lr=schedule.rate)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps)
    for step in range(schedule.steps):
        optimizer.zero_grad()
        errors(step).mean(dim=1).sum().backward()
        optimizer.step()
        rates.step()
