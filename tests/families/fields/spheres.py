"""Scans of spheres, and fits to them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from shapesys.families.base import Objective, Prediction
from shapesys.families.fields.autodecoder import Autodecoder, known
from shapesys.fields.extraction import extract


def scans_of_spheres(radii: tuple[float, ...], count: int, seed: int = 0, normals: bool = True) -> dict[str, Tensor]:
    """A batch of points on spheres, with outward normals or none, and what else the view `udf` knows of them."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(len(radii), count, 3, generator=generator)
    outward = directions / directions.norm(dim=2, keepdim=True)
    return {
        "shape_index": torch.arange(len(radii)),
        "noise_seed": torch.arange(len(radii)) + 1000 * seed,
        "surface": outward * torch.tensor(radii)[:, None, None],
        "normals": outward if normals else torch.empty(len(radii), 0, 3),
        "spread": torch.full((len(radii), count), 0.1),
    }


def doubles(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}


def learn(
    objective: Objective, radii: tuple[float, ...], steps: int, rate: float, normals: bool, clip: float = 0.0
) -> None:
    """Adam, its rate falling to 0, on 256 points of each sphere a step."""
    optimiser = torch.optim.Adam(objective.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        objective.begin_epoch(step, steps)
        optimiser.zero_grad()
        objective(scans_of_spheres(radii, 256, step, normals)).total().backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(objective.parameters(), clip)
        optimiser.step()
        schedule.step()


def surface_radii(prediction: Prediction) -> np.ndarray:
    """Distances of an extracted surface's vertices from the origin."""
    mesh = extract(prediction.field, 40).mesh  # type: ignore[union-attr]
    return np.linalg.norm(mesh.vertices, axis=1)


def value_at_origin(prediction: Prediction) -> float:
    return float(prediction.field.values(np.zeros((1, 3), np.float32))[0])  # type: ignore[union-attr]


def only(objective: Autodecoder) -> Prediction:
    """What a network of one shape has become."""
    [prediction] = known(objective, [0], ["s/a"])
    return prediction
