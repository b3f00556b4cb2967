"""What is observed of shapes, read window by window: by the optimisation of codes, and of networks of one shape each.

Legend: S shapes, N queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

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
        read = {name: self._stacked(name, offsets) for name in self._shapes[0]}
        seeds = [stable_hash(f"{self._seed}/{iteration}/{shape_id}") for shape_id in self._ids]
        return read | {"noise_seed": torch.tensor(seeds, device=self._device)}

    def _stacked(self, name: str, offsets: Tensor) -> Tensor:
        """Rows of a column at these offsets (S, N, ...); zeros, as of what is not known, where others have some."""
        rows = [_circular(shape[name], offsets) for shape in self._shapes]
        longest = max(rows, key=len)
        return torch.stack([values if len(values) else torch.zeros_like(longest) for values in rows])


def alike(observations: Sequence[Observation]) -> list[list[Observation]]:
    """Neighbours of which the same columns are known, in order: what a loss asks of one, it may ask of all."""
    return [list(some) for _, some in groupby(observations, _known_columns)]


def _known_columns(observation: Observation) -> frozenset[str]:
    return frozenset(name for name, values in observation.columns.items() if len(values))


def _circular(values: Tensor, offsets: Tensor) -> Tensor:
    """The rows at these offsets, from the first again behind the last; none where there are none."""
    return values[offsets % len(values)] if len(values) else values
