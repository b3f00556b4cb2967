"""The training loop: read, step, log, save. It knows its launcher only through `TrainContext`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from shapesys.errors import ShapesysError
from shapesys.families import registry
from shapesys.families.base import Family, Objective, Terms, Traits
from shapesys.training import checkpoint
from shapesys.training.config import TrainConfig, TrainJob
from shapesys.training.context import TrainContext
from shapesys.training.feed import LocalFeed, MakeFeed, open_data, open_validation, to_batch, training_data
from shapesys.training.history import History, Record
from shapesys.training.maps_claim import check_claimed
from shapesys.training.plan import RankPlan, TrainPlan
from shapesys.training.reader import Columns, Reader
from shapesys.training.run_dir import RunDirectory, write_json
from shapesys.training.untrained import settle
from shapesys.training.validation import validate

OnLog = Callable[[Record], None]


@dataclass(frozen=True)
class TrainResult:
    """Where training stopped."""

    steps: int
    epochs: int
    final: Record
    checkpoint: str


class TrainingDiverged(ShapesysError):
    """Loss or gradient is not finite; the last good checkpoint stays."""


def train(
    job: TrainJob,
    run: RunDirectory,
    context: TrainContext,
    make_feed: MakeFeed = LocalFeed,
    on_log: OnLog | None = None,
    until_epoch: int | None = None,
) -> TrainResult:
    """Train to the end of the job from the newest checkpoint of the run, or from scratch; where the family has nothing
    to train, make the checkpoint that holds its settings.

    Args:
        make_feed: (reader, steps to read ahead) -> feed.
        on_log: called on rank 0 with every history record.
        until_epoch: pause after this epoch, with a checkpoint that a later call goes on from; None for the last.

    Raises:
        TrainingDiverged: loss or gradient is not finite.
        ShapesysError: data missing, a checkpoint of other shapes, or saliency maps that changed since the run began.
    """
    check_claimed(run, job.data.saliency)
    family = registry.load(job.family)
    if not family.traits.trained:
        return TrainResult(0, 0, {}, str(settle(job, family, run).path))
    reader, plan = open_data(job, family)
    session = _Session.begin(job, run, context, family, reader, plan, on_log)
    whole = job.train.epochs * plan.steps_per_epoch
    total = min((until_epoch or job.train.epochs) * plan.steps_per_epoch, whole)
    accumulate = job.train.accumulate
    plans = RankPlan(plan, session.step, total, context.rank, context.world_size, accumulate)
    feed = make_feed(reader, job.scale.prefetch_steps * accumulate)
    batches = session.timed(iter(feed.batches(plans)))
    while session.step < total:
        session.take_step(list(islice(batches, accumulate)))
        last = session.step == total
        # A pause measures nothing that an uninterrupted run would not, so that both choose the same checkpoint.
        better = session.validate() if session.is_due(job.train.validate_epochs, session.step == whole) else False
        saving = better or last or session.is_due(job.train.checkpoint_epochs)
        if saving or session.step % job.train.log_steps == 0:
            # Averages never reach back before a checkpoint: a resumed run logs what an uninterrupted one logs.
            session.log()
        if saving:
            session.save()
    return session.result()


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch for one step, so that a resumed run draws what an uninterrupted one would have drawn."""
    torch.manual_seed((seed * 1_000_003 + step) * 4_099 + rank)


def code_parameters(objective: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(network parameters, latent codes) of an objective."""
    network: list[nn.Parameter] = []
    codes: list[nn.Parameter] = []
    for name, parameter in objective.named_parameters():
        (codes if name.startswith("codes.") else network).append(parameter)
    return network, codes


def make_optimiser(objective: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser of a configuration, with separate rates for network and codes."""
    return optimiser_of(*code_parameters(objective), config)


def optimiser_of(network: Sequence[Tensor], codes: Sequence[Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    """The same of bare parameters."""
    decay = config.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": network, "lr": config.learning_rate, "weight_decay": decay, "name": "network"}
    ]
    if codes:
        groups.append({"params": codes, "lr": config.code_learning_rate, "weight_decay": 0.0, "name": "codes"})
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, fused=True)
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, betas=(0.9, config.beta2), fused=True)


def scheduled_rate(config: TrainConfig, rate: float, epoch: int) -> float:
    """What a learning rate has become in an epoch: by steps, or by half a cosine over all epochs (SGDR, equation 5)."""
    floor = min(rate, config.lr_floor)
    if config.schedule == "cosine":
        return floor + (rate - floor) * 0.5 * (1.0 + math.cos(math.pi * epoch / config.epochs))
    steps = epoch // config.lr_step_epochs if config.lr_step_epochs else 0
    return max(rate * config.lr_factor**steps, floor)


@dataclass
class _Session:
    """The state of one run of the loop on one rank."""

    job: TrainJob
    run: RunDirectory
    context: TrainContext
    plan: TrainPlan
    reader: Reader
    objective: Objective
    wrapped: Callable[..., Terms]
    optimiser: torch.optim.Optimizer
    history: History
    on_log: OnLog | None
    held_out: Reader | None
    judge: Traits
    step: int = 0
    wait_seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    summed_steps: int = 0
    window_start: float = field(default_factory=time.perf_counter)
    last_record: Record = field(default_factory=dict)
    last_checkpoint: str = ""
    validation: dict[str, float] = field(default_factory=dict)
    measure: float | None = None
    best: float | None = None

    @classmethod
    def begin(
        cls,
        job: TrainJob,
        run: RunDirectory,
        context: TrainContext,
        family: Family,
        reader: Reader,
        plan: TrainPlan,
        on_log: OnLog | None,
    ) -> _Session:
        """Fresh weights, or those of the newest checkpoint."""
        held_out = open_validation(job, family, reader) if job.train.select == "best" else None
        torch.manual_seed(job.train.seed)
        objective = family.build(job.model, training_data(job, reader))
        newest = checkpoint.latest(run.checkpoints)
        # Read before the first collective call: the first rank writes the next one after it.
        best = checkpoint.best(run.checkpoints)
        if newest:
            newest.check_vocabulary(reader.vocabulary)
            newest.check_framing(reader.store.framing, reader.store.url)
            newest.load_into(objective, reader.shape_ids)
        # Compiled inside the distributed wrapper, which must stay outermost to hold back its synchronisation.
        module: Any = torch.compile(objective) if job.train.compile else objective
        wrapped: Any = context.wrap(module, unused_parameters=family.traits.unused_parameters)
        optimiser = make_optimiser(objective, job.train)
        if newest:
            optimiser.load_state_dict(newest.optimiser_state())
        history = History(run.history)
        session = cls(
            job, run, context, plan, reader, objective, wrapped, optimiser, history, on_log, held_out, family.traits
        )
        session.step = newest.step if newest else 0
        session.best = best.measure() if best else None
        session.last_checkpoint = str(newest.path) if newest else ""
        if context.rank == 0:
            history.rewind(session.step)
        return session

    @property
    def epochs_done(self) -> int:
        return self.step // self.plan.steps_per_epoch

    def timed(self, batches: Iterator[Columns]) -> Iterator[Columns]:
        """The same batches, with the time spent waiting for them added up."""
        while True:
            asked = time.perf_counter()
            columns = next(batches, None)
            self.wait_seconds += time.perf_counter() - asked
            if columns is None:
                return
            yield columns

    def take_step(self, micro_batches: list[Columns]) -> None:
        """One optimiser step over its micro-batches.

        Each loss is a mean over the local shapes; weighting it by the local share of the global batch makes the
        workers' mean gradient the gradient of the global mean, however unequal the shares.
        """
        config = self.job.train
        self._set_rates()
        self.objective.begin_epoch(self.plan.epoch_of(self.step), config.epochs)
        seed_step(config.seed, self.step, self.context.rank)
        self.optimiser.zero_grad(set_to_none=True)
        for number, columns in enumerate(micro_batches):
            share = len(columns["shape_index"]) * self.context.world_size / self.plan.batch
            if number < len(micro_batches) - 1:
                with self.context.without_sync(self.wrapped):  # type: ignore[arg-type]
                    self._backward(columns, share)
            else:
                self._backward(columns, share)
        self._check_finite(micro_batches)
        self.optimiser.step()
        self.step += 1
        self.summed_steps += 1
        self.measure = None

    def _set_rates(self) -> None:
        config, epoch = self.job.train, self.plan.epoch_of(self.step)
        base = {"network": config.learning_rate, "codes": config.code_learning_rate}
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(config, base[group["name"]], epoch)

    def _backward(self, columns: Columns, share: float) -> None:
        device = self.context.device
        reduced = self.job.train.precision == "bfloat16"
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=reduced):
            terms = self.wrapped(to_batch(columns, device))
        total = terms.total()
        # A loss that is not finite makes every gradient so, on all workers; a clamp or a sign would have hidden it.
        total.backward(share + 0.0 * total.detach())
        for name, value in terms.scalars().items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=device)) + value * share

    def _check_finite(self, micro_batches: list[Columns]) -> None:
        gradients = [parameter.grad for parameter in self.objective.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        clip = self.job.train.gradient_clip
        if bool(torch.isfinite(norm)):
            if clip:
                torch.nn.utils.clip_grads_with_norm_(self.objective.parameters(), clip, norm)
            return
        rows = [int(index) for columns in micro_batches for index in columns["shape_index"]]
        ids = [self.reader.shape_ids[index] for index in rows]
        details = {"step": self.step, "rank": self.context.rank, "gradient_norm": float(norm), "shape_ids": ids}
        write_json(self.run.path / f"nonfinite_rank{self.context.rank}.json", details)
        raise TrainingDiverged(
            f"the gradient's norm is {float(norm)} in step {self.step + 1} (shapes {', '.join(ids[:3])}, ...); "
            f"the last checkpoint is untouched. Lower train.learning_rate or set train.gradient_clip; "
            f"details in {self.run.path.name}/nonfinite_rank{self.context.rank}.json"
        )

    def is_due(self, epochs: int, last: bool = False) -> bool:
        """Whether what happens every so many epochs happens after this step."""
        return last or self.step % (self.plan.steps_per_epoch * epochs) == 0

    def validate(self) -> bool:
        """Measure the held-out shapes, where checkpoints are chosen by them; whether they came out better than ever."""
        if self.held_out is None:
            return False
        config, names = self.job.train, sorted(self.sums)
        self.validation = validate(
            self.objective, self.held_out, self.context, self.plan.batch, config.points_per_shape, names
        )
        value = next(self.validation[name] for name in self.judge.judged_by if name in self.validation)
        self.measure = value if self.judge.higher_is_better else -value
        better = self.best is None or self.measure > self.best
        self.best = self.measure if better else self.best
        return better

    def log(self) -> None:
        """Average since the last log over steps and workers; rank 0 writes it."""
        names = sorted(self.sums)
        means = self.context.mean(torch.stack([self.sums[name] for name in names]) / self.summed_steps)
        seconds = time.perf_counter() - self.window_start
        points = self.summed_steps * self.plan.batch * self.plan.points_per_shape
        record = _record(dict(zip(names, means.tolist(), strict=True))) | {
            "step": self.step,
            "epoch": self.step / self.plan.steps_per_epoch,
            "total_steps": self.job.train.epochs * self.plan.steps_per_epoch,
            "lr": {group["name"]: group["lr"] for group in self.optimiser.param_groups},
            "samples_per_second": points / seconds,
            "wait_share": self.wait_seconds / seconds,
            "seconds": seconds,
        }
        if self.validation:
            record["validation"] = self.validation
        self.last_record = record
        self.sums, self.summed_steps, self.wait_seconds, self.validation = {}, 0, 0.0, {}
        self.window_start = time.perf_counter()
        if self.context.rank == 0:
            self.history.append(record)
            if self.on_log:
                self.on_log(record)

    def save(self) -> None:
        """A checkpoint, by rank 0, with what the held-out shapes say of it, where they were asked after this step."""
        if self.context.rank != 0:
            return
        saved = checkpoint.save(
            self.run.checkpoints, self.step, self.job, self.objective, self.reader.shape_ids, self.optimiser,
            self.reader.vocabulary, self.measure, self.reader.store.framing,
        )  # fmt: skip
        checkpoint.prune(self.run.checkpoints, self.job.train.keep_checkpoints)
        self.last_checkpoint = str(saved.path)

    def result(self) -> TrainResult:
        return TrainResult(self.step, self.epochs_done, self.last_record, self.last_checkpoint)


def _record(means: dict[str, float]) -> Record:
    record: Record = {"loss": {}, "statistics": {}}
    for name, value in means.items():
        section, term = name.split("/", 1)
        record[section][term] = value
    return record
