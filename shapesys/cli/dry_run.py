"""The dry run of training: everything that can be checked without Ray and without a real step."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

import torch

from shapesys.cli.output import Answer, table
from shapesys.errors import ShapesysError
from shapesys.families import registry
from shapesys.families.base import Family, Objective
from shapesys.training.config import TrainJob
from shapesys.training.feed import open_data, to_batch, training_data
from shapesys.training.loop import code_parameters
from shapesys.training.plan import StepPlan, TrainPlan
from shapesys.training.reader import Reader
from shapesys.training.untrained import open_observed

TINY_SHAPES, TINY_POINTS = 2, 256
_TITLE = "dry run: nothing was written"
BYTES_PER_PARAMETER = 16
"""Weight, gradient and Adam's two moments, each float32."""


def rehearse(job: TrainJob) -> Answer:
    """Check settings, data and one tiny batch, and say what the run would need.

    Raises:
        ShapesysError: the first thing that would stop the run.
    """
    family = registry.load(job.family)
    if not family.traits.trained:
        return _rehearse_untrained(job, family)
    reader, plan = open_data(job, family)
    steps = plan.micro_batches(0, 0, job.scale.num_workers, job.train.accumulate)
    torch.manual_seed(job.train.seed)
    objective = family.build(job.model, training_data(job, reader))
    tiny = _try_batch(job, reader, _shrink(steps[0], whole_shapes=family.sample is not None), objective)
    data = {
        "config": f"{job.family} {job.preset}",
        "warnings": family.warnings(job.model),
        "data": _data_facts(job, family, reader, plan),
        "parameters": _parameter_facts(objective),
        "tiny_batch": tiny,
        "memory_per_worker_gb": _memory_guess(objective, tiny, len(steps[0].shape_indices), job),
        "placement": _placement(job),
    }
    return Answer(data, [table(_TITLE, ("check", "found"), _rows(data)), *_warned(data)])


def _rehearse_untrained(job: TrainJob, family: Family) -> Answer:
    """Of a method that learns nothing: its settings, and the shapes that the store could show it."""
    seen = family.observed(job.model)
    shapes = len(open_observed(job, family).shapes(categories=job.data.categories, views=seen.view, columns=()))
    data = {
        "config": f"{job.family} {job.preset}",
        "warnings": family.warnings(job.model),
        "data": {"store": job.data.store, "view": seen.view, "columns": seen.columns, "shapes": shapes, "steps": 0},
        "parameters": {"network": 0, "codes": 0},
    }
    rows = [
        ("config", f"{data['config']}: valid"),
        ("store", f"{job.data.store}: view '{seen.view}' with {', '.join(seen.columns)}, {shapes} shapes"),
        ("training", "none: the method has no parameters, and its run is made at once"),
    ]
    return Answer(data, [table(_TITLE, ("check", "found"), rows), *_warned(data)])


def _shrink(step: StepPlan, whole_shapes: bool) -> StepPlan:
    """A few of the step's shapes, and of their queries; a network that takes whole shapes gets all of their points."""
    if whole_shapes:
        return dataclasses.replace(step, shape_indices=step.shape_indices[:TINY_SHAPES])
    window = step.windows[0]
    short = dataclasses.replace(window, stop=min(window.stop, window.start + TINY_POINTS))
    return dataclasses.replace(step, shape_indices=step.shape_indices[:TINY_SHAPES], windows=(short,))


def _try_batch(job: TrainJob, reader: Reader, step: StepPlan, objective: Objective) -> dict[str, Any]:
    """Forward and backward pass of a tiny batch, and the bytes autograd keeps for it."""
    batch = to_batch(reader.read(step), torch.device("cpu"))
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    started = time.perf_counter()
    reduced = job.train.precision == "bfloat16"
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            loss = objective(batch).total()
        loss.backward()
    if not bool(torch.isfinite(loss)):
        raise ShapesysError(f"the loss of a first tiny batch is {float(loss.detach())}; check the model's settings")
    own = {parameter.untyped_storage().data_ptr() for parameter in objective.parameters()}
    return {
        "shapes": len(step.shape_indices),
        "points_per_shape": sum(window.stop - window.start for window in step.windows),
        "loss": float(loss.detach()),
        "seconds": time.perf_counter() - started,
        "activation_bytes": sum(size for pointer, size in kept.items() if pointer not in own),
    }


def _data_facts(job: TrainJob, family: Family, reader: Reader, plan: TrainPlan) -> dict[str, Any]:
    return {
        "store": job.data.store,
        "view": reader.view,
        "columns": reader.columns,
        "shapes": plan.num_shapes,
        "picture_pixels": reader.picture,
        "queries_per_shape": plan.chunk_count * plan.chunk_size,
        "steps": plan.steps_per_epoch * job.train.epochs,
    }


def _parameter_facts(objective: Objective) -> dict[str, int]:
    network, codes = code_parameters(objective)
    return {"network": sum(p.numel() for p in network), "codes": sum(p.numel() for p in codes)}


def _memory_guess(objective: Objective, tiny: dict[str, Any], shapes: int, job: TrainJob) -> float:
    """GB of one worker: parameters with Adam's state, and activations scaled up from the tiny batch."""
    scale = shapes * job.train.points_per_shape / (tiny["shapes"] * tiny["points_per_shape"])
    parameters = sum(parameter.numel() for parameter in objective.parameters())
    return float((parameters * BYTES_PER_PARAMETER + tiny["activation_bytes"] * scale) / 1e9)


def _placement(job: TrainJob) -> dict[str, Any]:
    scale = job.scale
    gpus = torch.cuda.device_count()
    on_gpu = scale.device == "cuda" or (scale.device == "auto" and gpus >= scale.num_workers)
    return {
        "workers": scale.num_workers,
        "device": "cuda" if on_gpu else "cpu",
        "cpus_wanted": scale.num_workers * scale.cpus_per_worker,
        "cpus_here": os.cpu_count(),
        "gpus_here": gpus,
    }


def _rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    found, tiny, place = data["data"], data["tiny_batch"], data["placement"]
    side = found["picture_pixels"]
    picture = f"; a picture of {side} x {side} pixels" if side else ""
    return [
        ("config", f"{data['config']}: valid"),
        ("store", f"{found['store']}: view '{found['view']}' with {', '.join(found['columns'])}{picture}"),
        ("shapes", f"{found['shapes']} with {found['queries_per_shape']:,} points each; {found['steps']:,} steps"),
        ("tiny batch", f"loss {tiny['loss']:.4g} and its gradient in {tiny['seconds']:.2f} s on one CPU"),
        ("parameters", f"{data['parameters']['network']:,} in the network, {data['parameters']['codes']:,} in codes"),
        ("memory guess", f"{data['memory_per_worker_gb']:.2g} GB per worker, without torch itself"),
        ("placement", f"{place['workers']} x {place['device']}, {place['cpus_wanted']:g} of {place['cpus_here']} CPUs"),
    ]


def _warned(data: dict[str, Any]) -> list[str]:
    return [f"warning: {text}" for text in data["warnings"]]
