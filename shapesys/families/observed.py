"""What is observed of shapes, read window by window: by the optimisation of codes, and of networks of one shape each.

Legend: S shapes, N queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shapesys.families.base import Observation
from shapesys.samples.seeds import stable_hash

Queries = Mapping[str, Tensor]
"""What is observed of S shapes at N queries each: ``points`` (S, N, 3), ``distance`` (S, N), and what else is given;
and ``noise_seed`` (S,) of this iteration, for whatever is drawn at random."""


class ObservedQueries:
    """Observed queries of S shapes; each shape's own sequence is circular."""

    def __init__(self, observations: Sequence[Observation], device: torch.device, seed: int) -> None:
        self._device = device
        self._seed = seed
        self._ids = [item.shape_id for item in observations]
        self._shapes = [
            {name: torch.as_tensor(values, device=device) for name, values in item.columns.items()}
            for item in observations
        ]

    def window(self, iteration: int, count: int) -> Queries:
        """`count` queries of every shape for one iteration."""
        offsets = torch.arange(iteration * count, (iteration + 1) * count, device=self._device)
        read = {
            name: torch.stack([_circular(shape[name], offsets) for shape in self._shapes]) for name in self._shapes[0]
        }
        seeds = [stable_hash(f"{self._seed}/{iteration}/{shape_id}") for shape_id in self._ids]
        return read | {"noise_seed": torch.tensor(seeds, device=self._device)}


def _circular(values: Tensor, offsets: Tensor) -> Tensor:
    """The rows at these offsets, from the first again behind the last; none where there are none."""
    return values[offsets % len(values)] if len(values) else values
