"""Networks that are one shape each, fitted to what is observed of it; small ones many at once.

The steps are those of training with one shape per step: `train.epochs` iterations, each of the next
`train.points_per_shape` queries, by the same optimisers and schedules. What a shape's network becomes depends on its
own queries, its id and the seed, never on the networks fitted beside it, but for the rounding of batched products on
GPUs.

Legend: S shapes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from shapesys.families import registry
from shapesys.families.base import Batch, Objective, Observation, TrainingData
from shapesys.families.observed import ObservedQueries, alike
from shapesys.families.steps import OnStep
from shapesys.samples.seeds import stable_hash
from shapesys.training.config import TrainConfig, TrainJob
from shapesys.training.fitted_together import Networks, networks_of
from shapesys.training.loop import TrainingDiverged, optimiser_of, scheduled_rate

CPU_NUMBERS, GPU_NUMBERS = 0, 1 << 28
"""Activations of a layer of all networks that are fitted at once. On GPUs the calls that a small network needs cost
more than its numbers, and only memory ends it. On CPUs batches gain at most a quarter, of networks of some 64 units,
and lose from twice that on; there, each is fitted alone, and becomes the same bit for bit whatever is fitted beside it.
"""
ONE_THREAD = 1 << 18
"""Activations of a layer up to which one thread fits a network."""
SAVE_SECONDS = 60.0
"""Between saves of a fit's state: what a killed process loses at most."""
LAST_SHARE = 0.05
"""Of the iterations, over which a fit's losses are averaged."""


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


class HalfDone(Protocol):
    """Where the state of networks that are fitted together is kept while they are."""

    def load(self) -> Mapping[str, Any] | None:
        """What an earlier process left of the same fit; None where nothing."""

    def save(self, state: Mapping[str, Any]) -> None:
        """In place of what was kept before."""

    def tell(self, share: float) -> None:
        """How much of the fit is done, to whoever waits for it; after every step."""

    def drop(self) -> None:
        """When whoever asked for the networks has taken all of them."""


def fit(
    job: TrainJob,
    observations: Sequence[Observation],
    device: torch.device,
    half_done: Callable[[Sequence[str]], HalfDone] | None = None,
    on_step: OnStep | None = None,
) -> Iterator[Fitted]:
    """Fit one fresh network to each shape, as many at once as pays, and give them as they are done, in order.

    Args:
        job: of a family and a model for which `Family.one_network_each` holds.
        observations: the columns that the family needs of each shape, all queries that there are.
        half_done: ids of shapes that are fitted together -> where their state is kept now and then.

    Raises:
        TrainingDiverged: a loss or gradient is not finite; names the shapes.
        ShapesysError: a shape's columns cannot teach the family.
    """
    if not observations:
        return
    numbers = _activations(job)
    size = _fitting_together(numbers, device)
    together = [like[start : start + size] for like in alike(observations) for start in range(0, len(like), size)]
    for some in together:
        fresh = [fresh_network(job, item.shape_id) for item in some]
        kept = half_done([item.shape_id for item in some]) if half_done else None
        with _threads_that_pay(numbers):
            done = _fit(job, fresh, some, device, kept, on_step)
        yield from done
        if kept:
            kept.drop()


def at_once(job: TrainJob, device: torch.device) -> int:
    """How many networks of a job are fitted together: 1 where batching them does not pay."""
    return _fitting_together(_activations(job), device)


def _fitting_together(activations: int, device: torch.device) -> int:
    return max(1, (CPU_NUMBERS if device.type == "cpu" else GPU_NUMBERS) // activations)


def _activations(job: TrainJob) -> int:
    """Of the widest layer of one network, in one iteration."""
    return job.train.points_per_shape * max(len(parameter) for parameter in fresh_network(job, "").parameters())


@contextmanager
def _threads_that_pay(activations: int) -> Iterator[None]:
    """One thread where networks are small: more would wait for each other, for long where other programs run too."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if activations > ONE_THREAD else 1)
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
    fresh: Sequence[Objective],
    observations: Sequence[Observation],
    device: torch.device,
    half_done: HalfDone | None,
    on_step: OnStep | None,
) -> list[Fitted]:
    state = _State.begin(job.train, networks_of(fresh, device))
    if half_done and (left := half_done.load()):
        state.resume(left)
    queries = ObservedQueries(observations, device, job.train.seed)
    index = torch.zeros(len(observations), dtype=torch.int64, device=device)
    saved = time.perf_counter()
    for step in range(state.step, job.train.epochs):
        started = time.perf_counter()
        batch = {**queries.window(step, job.train.points_per_shape), "shape_index": index, "category_index": index}
        finite = state.take_step(batch, device)
        if not all(finite):
            raise _diverged(finite, observations, f"iteration {step + 1} of {job.train.epochs}")
        state.seconds += time.perf_counter() - started
        if half_done and time.perf_counter() - saved > SAVE_SECONDS:
            half_done.save(state.left())
            saved = time.perf_counter()
        if half_done:
            half_done.tell((step + 1) / job.train.epochs)
        if on_step:
            on_step(step + 1, job.train.epochs)
    fitted, facts = state.networks.unstacked(), state.facts(len(observations))
    return [
        Fitted(item.shape_id, objective.eval().requires_grad_(False), own)
        for item, objective, own in zip(observations, fitted, facts, strict=True)
    ]


@dataclass
class _State:
    """Networks on their way, which a killed process leaves behind and another goes on from."""

    config: TrainConfig
    networks: Networks
    optimiser: torch.optim.Optimizer
    mean: _LastMean
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def begin(cls, config: TrainConfig, networks: Networks) -> _State:
        return cls(config, networks, optimiser_of(networks.parameters(), [], config), _LastMean(config.epochs))

    def take_step(self, batch: Batch, device: torch.device) -> list[bool]:
        """One step of every network; whether each one's gradient is finite. Where one is not, nothing has changed."""
        config, template = self.config, self.networks.template
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(config, config.learning_rate, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        template.begin_epoch(self.step, config.epochs)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
            total, scalars = self.networks.losses(template.complete(batch))
        # A loss that is not finite makes every gradient so; a clamp or a sign would have hidden it.
        total.backward(1.0 + 0.0 * total.detach())
        norms = self.networks.norms()
        finite: list[bool] = torch.isfinite(norms).tolist()
        if all(finite):
            if config.gradient_clip:
                self.networks.scale_gradients((config.gradient_clip / (norms + 1e-6)).clamp(max=1.0))
            self.optimiser.step()
            self.mean.add(self.step, scalars)
            self.step += 1
        return finite

    def left(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "parameters": [parameter.detach() for parameter in self.networks.parameters()],
            "optimiser": self.optimiser.state_dict(),
            "sums": self.mean.sums,
            "summed": self.mean.steps,
        }

    def resume(self, left: Mapping[str, Any]) -> None:
        """Go on where another process stopped."""
        with torch.no_grad():
            for parameter, value in zip(self.networks.parameters(), left["parameters"], strict=True):
                parameter.copy_(value)
        self.optimiser.load_state_dict(left["optimiser"])
        self.step, self.seconds = left["step"], left["seconds"]
        self.mean.sums, self.mean.steps = dict(left["sums"]), left["summed"]

    def facts(self, shapes: int) -> list[dict[str, float]]:
        """Of each network: the means of its losses, and its share of the seconds."""
        return [own | {"fit_seconds": self.seconds / shapes} for own in self.mean.of_each(shapes)]


def _diverged(finite: Sequence[bool], observations: Sequence[Observation], when: str) -> TrainingDiverged:
    """What to say of the shapes whose gradients are not finite."""
    ids = [item.shape_id for item, fine in zip(observations, finite, strict=True) if not fine]
    return TrainingDiverged(
        f"the gradient is not finite in {when} ({', '.join(ids[:3])}); lower --train.learning-rate or set "
        "--train.gradient-clip"
    )


class _LastMean:
    """Averages scalars (S,) over the last iterations."""

    def __init__(self, iterations: int) -> None:
        self._from = iterations - max(1, int(LAST_SHARE * iterations))
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, step: int, scalars: Mapping[str, Tensor]) -> None:
        if step < self._from:
            return
        self.steps += 1
        for name, value in scalars.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach()

    def of_each(self, shapes: int) -> list[dict[str, float]]:
        """Name -> mean of every shape; ``loss`` is the total."""
        named = {name.replace("loss/total", "loss").replace("/", "_"): value for name, value in self.sums.items()}
        means = {name: (value / self.steps).tolist() for name, value in named.items()}
        return [{name: values[row] for name, values in means.items()} for row in range(shapes)]
