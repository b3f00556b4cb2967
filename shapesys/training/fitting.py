"""Networks that are one shape each, fitted to what is observed of it; small ones many at once.

The steps are those of training with one shape per step: `train.epochs` iterations, each of the next
`train.points_per_shape` queries, by the same optimisers and schedules. What a shape's network becomes depends on its
own queries, its id and the seed, never on the networks fitted beside it, but for the rounding of batched products on
GPUs.

Legend: S shapes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from shapesys.families import registry
from shapesys.families.base import Batch, Objective, Observation, TrainingData
from shapesys.families.observed import ObservedQueries
from shapesys.samples.seeds import stable_hash
from shapesys.training.config import TrainJob
from shapesys.training.loop import TrainingDiverged, optimiser_of, scheduled_rate

CPU_NUMBERS, GPU_NUMBERS = 0, 1 << 28
"""Activations of a layer of all networks that are fitted at once. On GPUs the calls that a small network needs cost
more than its numbers, and only memory ends it. On CPUs batches gain at most a quarter, of networks of some 64 units,
and lose from twice that on; there, each is fitted alone, and becomes the same bit for bit whatever is fitted beside it.
"""
ONE_THREAD = 1 << 18
"""Activations of a layer up to which one thread fits a network."""
LAST_SHARE = 0.05
"""Of the iterations, over which a fit's losses are averaged."""

OnStep = Callable[[int, int], None]
"""Called with (iterations done, iterations in all)."""


@dataclass(frozen=True)
class Fitted:
    """A network that is a shape.

    Attributes:
        shape_id: the shape.
        objective: in evaluation mode.
        facts: its losses and statistics, averaged over the last twentieth of the iterations, and its share of the
            seconds that fitting took.
    """

    shape_id: str
    objective: Objective
    facts: Mapping[str, float]


def fit(
    job: TrainJob, observations: Sequence[Observation], device: torch.device, on_step: OnStep | None = None
) -> Iterator[Fitted]:
    """Fit one fresh network to each shape, as many at once as pays, and give them as they are done, in order.

    Args:
        job: of a family and a model for which `Family.one_network_each` holds.
        observations: the columns that the family needs of each shape, all queries that there are.

    Raises:
        TrainingDiverged: a loss or gradient is not finite; names the shapes.
        ShapesysError: a shape's columns cannot teach the family.
    """
    size = at_once(job, device)
    for start in range(0, len(observations), size):
        some = observations[start : start + size]
        fresh = [fresh_network(job, item.shape_id) for item in some]
        with _threads_that_pay(job):
            done = _fit(job, fresh, some, device, on_step)
        yield from done


def at_once(job: TrainJob, device: torch.device) -> int:
    """How many networks of a job are fitted together: 1 where batching them does not pay."""
    room = CPU_NUMBERS if device.type == "cpu" else GPU_NUMBERS
    return max(1, room // _activations(job))


def _activations(job: TrainJob) -> int:
    """Of the widest layer of one network, in one iteration."""
    return job.train.points_per_shape * max(len(parameter) for parameter in fresh_network(job, "").parameters())


@contextmanager
def _threads_that_pay(job: TrainJob) -> Iterator[None]:
    """One thread where networks are small: more would wait for each other, for long where other programs run too."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if _activations(job) > ONE_THREAD else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fresh_network(job: TrainJob, shape_id: str) -> Objective:
    """A network that knows nothing, with weights by the seed and the shape's id."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(f"{job.train.seed}/{shape_id}"))
        return registry.load(job.family).build(job.model, TrainingData(1))


def _fit(
    job: TrainJob,
    objectives: Sequence[Objective],
    observations: Sequence[Observation],
    device: torch.device,
    on_step: OnStep | None,
) -> list[Fitted]:
    config = job.train
    networks: _Networks = _Alone(objectives[0], device) if len(objectives) == 1 else _Together(objectives, device)
    optimiser = optimiser_of(networks.parameters(), [], config)
    queries = ObservedQueries(observations, device, config.seed)
    index = torch.zeros(len(observations), dtype=torch.int64, device=device)
    mean, started = _LastMean(config.epochs), time.perf_counter()
    for step in range(config.epochs):
        for group in optimiser.param_groups:
            group["lr"] = scheduled_rate(config, config.learning_rate, step)
        optimiser.zero_grad(set_to_none=True)
        batch = {**queries.window(step, config.points_per_shape), "shape_index": index, "category_index": index}
        networks.template.begin_epoch(step, config.epochs)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
            total, scalars = networks.losses(networks.template.complete(batch))
        # A loss that is not finite makes every gradient so; a clamp or a sign would have hidden it.
        total.backward(1.0 + 0.0 * total.detach())
        norms = networks.norms()
        _check_finite(norms, observations, f"iteration {step + 1} of {config.epochs}")
        if config.gradient_clip:
            networks.scale_gradients((config.gradient_clip / (norms + 1e-6)).clamp(max=1.0))
        optimiser.step()
        mean.add(step, scalars)
        if on_step:
            on_step(step + 1, config.epochs)
    seconds = (time.perf_counter() - started) / len(observations)
    facts = [own | {"fit_seconds": seconds} for own in mean.of_each(len(observations))]
    fitted = networks.unstacked()
    return [
        Fitted(item.shape_id, objective.eval().requires_grad_(False), own)
        for item, objective, own in zip(observations, fitted, facts, strict=True)
    ]


def _check_finite(norms: Tensor, observations: Sequence[Observation], when: str) -> None:
    """Refuse gradients of which a norm (S,) is not finite."""
    finite = torch.isfinite(norms)
    if not bool(finite.all()):
        ids = [item.shape_id for item, fine in zip(observations, finite.tolist(), strict=True) if not fine]
        raise TrainingDiverged(
            f"the gradient is not finite in {when} ({', '.join(ids[:3])}); lower --train.learning-rate or set "
            "--train.gradient-clip"
        )


class _Networks(ABC):
    """Networks of S shapes that take the same step.

    Attributes:
        template: an objective of their kind.
    """

    template: Objective

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """What is optimised."""

    @abstractmethod
    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Totals (S,) with gradients, and every scalar (S,)."""

    @abstractmethod
    def norms(self) -> Tensor:
        """(S,) of each network's gradient."""

    @abstractmethod
    def scale_gradients(self, factors: Tensor) -> None:
        """Each network's gradient times its factor (S,)."""

    @abstractmethod
    def unstacked(self) -> list[Objective]:
        """The networks one by one."""


class _Alone(_Networks):
    """One network, as training has it."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        self.template = objective.to(device).train()

    def parameters(self) -> list[Tensor]:
        return list(self.template.parameters())

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.template(batch)
        scalars = {name: value.unsqueeze(0) for name, value in terms.scalars().items()}
        return terms.total().unsqueeze(0), scalars

    def norms(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.template.parameters() if parameter.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).unsqueeze(0)

    def scale_gradients(self, factors: Tensor) -> None:
        for parameter in self.template.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factors[0])

    def unstacked(self) -> list[Objective]:
        return [self.template]


class _Together(_Networks):
    """Many networks as one whose parameters have an axis more."""

    def __init__(self, objectives: Sequence[Objective], device: torch.device) -> None:
        self._all = [objective.to(device).train() for objective in objectives]
        self.template = self._all[0]
        parameters, self._buffers = stack_module_state(list(self._all))
        self._parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}

    def parameters(self) -> list[Tensor]:
        return list(self._parameters.values())

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        def of_one(parameters: Batch, buffers: Batch, row: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            one = {name: value.unsqueeze(0) for name, value in row.items()}
            terms = functional_call(self.template, (dict(parameters), dict(buffers)), (one,))
            return terms.total(), terms.scalars()

        total, scalars = vmap(of_one)(self._parameters, self._buffers, batch)
        return total, scalars

    def norms(self) -> Tensor:
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in self._gradients()]
        return torch.stack(squares).sum(dim=0).sqrt()

    def scale_gradients(self, factors: Tensor) -> None:
        for gradient in self._gradients():
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]

    def unstacked(self) -> list[Objective]:
        for row, objective in enumerate(self._all):
            nn.Module.load_state_dict(
                objective, {name: value[row].detach() for name, value in (self._parameters | self._buffers).items()}
            )
        return self._all


class _LastMean:
    """Averages scalars (S,) over the last iterations."""

    def __init__(self, iterations: int) -> None:
        self._from = iterations - max(1, int(LAST_SHARE * iterations))
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def add(self, step: int, scalars: Mapping[str, Tensor]) -> None:
        if step < self._from:
            return
        self._steps += 1
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value.detach()

    def of_each(self, shapes: int) -> list[dict[str, float]]:
        """Name -> mean of every shape; ``loss`` is the total."""
        named = {name.replace("loss/total", "loss").replace("/", "_"): value for name, value in self._sums.items()}
        means = {name: (value / self._steps).tolist() for name, value in named.items()}
        return [{name: values[row] for name, values in means.items()} for row in range(shapes)]
