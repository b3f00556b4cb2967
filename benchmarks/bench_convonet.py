"""ConvONet's training step, and its optimisation at test time, against how both are usually written in PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import plain_convonet
import torch
from interleaved import interleaved_medians
from torch import Tensor
from torch.nn import functional as F

from shapesys.families.convonet.config import SCHEDULES, ConvONetConfig, Schedule
from shapesys.families.convonet.inference import field_of
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Shape, optimise, queries_about, whole
from shapesys.families.convonet.presets import PRESETS
from shapesys.families.convonet.windows import memory_of_window
from shapesys.fields.extraction import ExtractionSettings, extract
from shapesys.geometry.normalise import Framing
from shapesys.geometry.surface import sample_surface
from shapesys.sources.procedural import generate

QUERIES = 2048


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Medians of the thread's CPU seconds, in one process, interleaved, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [_training("three planes of 64^2", "paper", 1 if quick else 8, 1 if quick else 5)]
        if not quick:
            rows.append(_training("grid of 32^3", "grid32", 4, 5))
        rows.append(_optimisation("an object, three planes of 64^2", "paper", SCHEDULES["objects"], quick))
        if not quick:
            rows.append(_optimisation("a room, grid of 32^3", "grid32", SCHEDULES["rooms"], quick))
        return rows
    finally:
        torch.set_num_threads(threads)


def chairs(count: int, points: int) -> Tensor:
    """(count, points, 3) of procedural chairs, in the unit cube, with the published noise."""
    clouds = []
    for seed in range(count):
        mesh = generate("chair", seed)
        sample = sample_surface(mesh, points, seed).points
        clouds.append(Framing("unit_cube").of_mesh(mesh).apply(sample.astype(np.float64)))
    noise = 0.005 * np.random.default_rng(0).standard_normal((count, points, 3))
    return torch.from_numpy((np.stack(clouds) + noise).astype(np.float32))


def network(preset: str) -> ConvONetObjective:
    """With every weight away from zero."""
    torch.manual_seed(0)
    settings = {name[6:]: value for name, value in PRESETS[preset].settings.items() if name.startswith("model.")}
    made = ConvONetObjective(ConvONetConfig(**settings))
    for block in (*made.encoder.points.blocks, *made.decoder.blocks):
        torch.nn.init.normal_(block.second.weight, std=0.1)
    return made


def _training(name: str, preset: str, batch: int, repeats: int) -> dict[str, Any]:
    """One row: forward and backward of a step."""
    own, points = network(preset), chairs(batch, 3000)
    generator = torch.Generator().manual_seed(0)
    queries = 1.1 * torch.rand(batch, QUERIES, 3, generator=generator) - 0.55
    inside = (torch.rand(batch, QUERIES, generator=generator) < 0.2).float()

    def ours() -> Tensor:
        return own.logits(queries, own.encoder(points))

    def usual() -> Tensor:
        return plain_convonet.logits(own, points, queries)

    differs = float((ours() - usual()).detach().abs().max())
    steps = {"ours": partial(_step, own, ours, inside), "plain PyTorch": partial(_step, own, usual, inside)}
    medians = interleaved_medians(steps, repeats, time.thread_time)
    return {
        "name": f"ConvONet training step, {name}",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": f"CPU s per step of {batch} clouds of 3,000 points, {QUERIES} queries each",
        "note": f"same weights; logits differ by {differs:.0e}; the peer scatters into tables of all cells, samples by "
        "grid_sample, and keeps images with channels first",
    }


def _step(own: ConvONetObjective, logits: Callable[[], Tensor], inside: Tensor) -> None:
    own.zero_grad(set_to_none=True)
    F.binary_cross_entropy_with_logits(logits(), inside, reduction="sum").div(len(inside)).backward()


def _optimisation(name: str, preset: str, schedule: Schedule, quick: bool) -> dict[str, Any]:
    """One row: the first iterations of a published schedule, then a surface. With more iterations the ratio tends to
    that of an iteration, which the note gives."""
    own = network(preset)
    iterations, resolution = (1, 32) if quick else (3, 128)
    short = Schedule(**{**schedule.__dict__, "iterations": iterations})
    [cloud] = chairs(1, 3000 if quick else schedule.points)
    losses: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}

    def ours() -> None:
        started = time.thread_time()
        shape = Shape(cloud, cloud, torch.Generator().manual_seed(0))
        done = optimise(own, whole(own.space, shape, short), short, 0.0)
        seconds["ours"] = (time.thread_time() - started) / iterations
        losses["ours"] = done.losses
        extract(field_of(done.network, cloud, 0.5), resolution)

    def usual() -> None:
        started = time.thread_time()
        step, generator = plain_convonet.unsigned_steps(own, cloud, short), torch.Generator().manual_seed(0)
        sets = [_sets(cloud, short, generator) for _ in range(iterations)]
        losses["plain"] = [step(queries) / (short.surface + short.off_surface) for queries in sets]
        seconds["plain"] = (time.thread_time() - started) / iterations
        extract(field_of(own, cloud, 0.5), resolution, ExtractionSettings(method="dense"))

    medians = interleaved_medians({"ours": ours, "plain PyTorch": usual}, 1, time.thread_time)
    differs = max(abs(a - b) for a, b in zip(losses["ours"], losses["plain"], strict=True))
    memory = memory_of_window(own.config)
    return {
        "name": f"optimisation at test time, {name}",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": f"CPU s per {iterations} iterations of {short.batches} x {short.surface + short.off_surface} queries "
        f"and a surface of {resolution}^3",
        "note": f"same queries; losses differ by {differs:.0e}; an iteration alone {seconds['ours']:.3g} s against "
        f"{seconds['plain']:.3g} s, {seconds['plain'] / seconds['ours']:.1f} times; the peer encodes the cloud with "
        f"every set and evaluates every node; features take {memory.features / 2**20:.1f} MiB, an iteration about "
        f"{memory.optimising / 2**20:.0f} MiB",
    }


def _sets(cloud: Tensor, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """(sets, N, 3) the same queries as ours, set by set."""
    [queries] = queries_about(cloud, schedule.batches, schedule, generator)
    on, off = queries.split([schedule.batches * schedule.surface, schedule.batches * schedule.off_surface])
    return torch.cat(
        [on.view(schedule.batches, schedule.surface, 3), off.view(schedule.batches, schedule.off_surface, 3)], dim=1
    )
