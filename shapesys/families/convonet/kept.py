"""Tensors that are made when they are asked for, and kept as far as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from shapesys.fields.memory import available_bytes

SHARE = 0.25
"""Of the memory that is free when the first is made."""

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made", bound=Tensor | tuple[Any, ...])


@dataclass
class Kept(Generic[Key, Made]):
    """What was made of each key. Once they fill their room, no more are kept: keys are asked in turn, over and over,
    and of the oldest and the newest, the oldest is asked again first.

    Attributes:
        device: where they are.
        share: of `SHARE`, where others work on this machine, too.
        limit: bytes to keep; by the memory that is free when the first is made, where None.
        made: how many were made, those again that were not kept.
    """

    device: torch.device
    share: float = 1.0
    limit: float | None = None
    made: int = 0
    _kept: dict[Key, Made] = field(default_factory=dict)
    _bytes: int = 0

    def of(self, key: Key, make: Callable[[Key], Made]) -> Made:
        """What is kept of a key, or what is made of it."""
        if key in self._kept:
            return self._kept[key]
        if self.limit is None:
            self.limit = self.share * SHARE * free_bytes(self.device)
        made = make(key)
        self.made += 1
        size = _bytes_of(made)
        if self._bytes + size <= self.limit:
            self._kept[key] = made
            self._bytes += size
        return made


def free_bytes(device: torch.device) -> float:
    """Memory that can be had now, of a GPU or of this machine; what torch holds of a GPU and does not use is free."""
    if device.type != "cuda":
        return available_bytes()
    free, _ = torch.cuda.mem_get_info(device)
    return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def _bytes_of(made: object) -> int:
    """Of a tensor, or of all in a tuple."""
    if isinstance(made, Tensor):
        return made.untyped_storage().nbytes()
    return sum(_bytes_of(one) for one in made) if isinstance(made, tuple) else 0
