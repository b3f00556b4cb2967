"""A network's logits of being inside, seen as a field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shapesys.fields.field import FieldTraits
from shapesys.geometry.mesh import Floats

CPU_QUERIES, GPU_QUERIES = 1 << 14, 1 << 20
"""Queries answered at once: what is made of them stays near the core, or fits in memory."""


@dataclass(frozen=True)
class LogitField:
    """Logits, whose sigmoid is the probability of being inside.

    Attributes:
        logits: (n, 3) -> (n,), on the device.
        traits: level, box; the level is a logit, too.
        device: of the network.
        seen: (m, 3) points of what was observed, where they may guide extraction.
    """

    logits: Callable[[Tensor], Tensor]
    traits: FieldTraits
    device: torch.device
    seen: Floats = dataclasses.field(default_factory=lambda: np.empty((0, 3), np.float32))

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) -> (n,) logits."""
        return in_parts(self.logits, points, self.device)

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        """None."""
        return {}


@torch.no_grad()
def in_parts(logits: Callable[[Tensor], Tensor], points: Floats, device: torch.device) -> Floats:
    """(n,) logits at points (n, 3), as many at once as pay on a device."""
    queries = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    size = CPU_QUERIES if device.type == "cpu" else GPU_QUERIES
    parts = [logits(some.to(device)).float().cpu() for some in queries.split(size)]
    found: Floats = torch.cat(parts).numpy() if parts else np.empty(0, np.float32)
    return found
