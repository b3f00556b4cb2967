"""Balls to learn, and small networks that know them."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import torch

from shapesys.families.base import Batch, Objective, Observation, TrainingData
from shapesys.families.convonet.config import ConvONetConfig
from shapesys.families.convonet.objective import ConvONetObjective, build

SMALL = {
    "side": 2.2,
    "channels": 8,
    "hidden": 16,
    "blocks": 3,
    "decoder_hidden": 16,
    "decoder_blocks": 2,
    "plane_resolution": 16,
    "plane_depth": 2,
    "plane_filters": 8,
    "input_points": 200,
    "input_noise": 0.01,
    "grid_levels": 2,
    "grid_filters": 8,
}


def balls(count: int, seed: int, queries: int = 256) -> Batch:
    """Balls of different sizes and places, as a batch."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(0.3, 0.6, (count, 1, 1))
    centre = rng.uniform(-0.3, 0.3, (count, 1, 3))
    directions = rng.standard_normal((count, 300, 3))
    surface = centre + radius * directions / np.linalg.norm(directions, axis=2, keepdims=True)
    points = rng.uniform(-1, 1, (count, queries, 3))
    inside = np.linalg.norm(points - centre, axis=2) < radius[..., 0]
    return {
        "points": torch.from_numpy(points.astype(np.float32)),
        "inside": torch.from_numpy(inside),
        "surface": torch.from_numpy(surface.astype(np.float32)),
        "noise_seed": torch.arange(count) + 1000 * seed,
    }


def taught(network: Objective, steps: int) -> Any:
    """A network after so many steps of balls, at a rate that falls to 0."""
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    for step in range(steps):
        adam.zero_grad()
        network.train()(balls(8, step)).total().backward()
        adam.step()
        decay.step()
    return network.eval()


def scans(batch: Batch) -> list[Observation]:
    """Its shapes as a scanner gives them."""
    return [Observation(f"ball/{row}", {"points": cloud.numpy()}) for row, cloud in enumerate(batch["surface"])]


def trained(steps: int = 60, **settings: object) -> ConvONetObjective:
    """A small network that knows balls; a copy for every caller."""
    return copy.deepcopy(_trained(steps, **settings))


@cache
def _trained(steps: int, **settings: object) -> ConvONetObjective:
    torch.manual_seed(0)
    network = build(ConvONetConfig(**{**SMALL, **settings}), TrainingData(8))
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(steps):
        adam.zero_grad()
        network.train()(balls(8, step)).total().backward()
        adam.step()
    return network.eval()
