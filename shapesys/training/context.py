"""What the training loop knows of its launcher: a handful of calls, so that one loop runs everywhere."""

from __future__ import annotations

import contextlib
import gc
from typing import Protocol

import torch
from torch import Tensor, nn


class TrainContext(Protocol):
    """Rank, device and the collectives the loop needs."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def wrap(self, objective: nn.Module, *, unused_parameters: bool) -> nn.Module:
        """The module whose backward pass leaves the mean gradient over all workers on every one of them."""
        ...

    def without_sync(self, wrapped: nn.Module) -> contextlib.AbstractContextManager[None]:
        """A scope in which backward passes only accumulate locally."""
        ...

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a small tensor over workers, on every worker."""
        ...


class LocalContext:
    """One process, no launcher: tests, laptops, bare machines."""

    rank = 0
    world_size = 1

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or pick_device("auto")

    def wrap(self, objective: nn.Module, *, unused_parameters: bool) -> nn.Module:
        return objective.to(self.device)

    def without_sync(self, wrapped: nn.Module) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        return values


class ProcessGroupContext:
    """A member of an initialised torch.distributed process group, whoever launched it."""

    def __init__(self, device: torch.device) -> None:
        self.rank = torch.distributed.get_rank()
        self.world_size = torch.distributed.get_world_size()
        self.device = device

    def wrap(self, objective: nn.Module, *, unused_parameters: bool) -> nn.Module:
        objective = objective.to(self.device)
        if self.world_size == 1:
            return objective
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            objective, device_ids=devices, find_unused_parameters=unused_parameters, gradient_as_bucket_view=True
        )

    def without_sync(self, wrapped: nn.Module) -> contextlib.AbstractContextManager[None]:
        if isinstance(wrapped, nn.parallel.DistributedDataParallel):
            return wrapped.no_sync()
        return contextlib.nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
            values /= self.world_size
        return values


def leave_process_group() -> None:
    """Leave the process group at the end of a worker, after the call that trained has returned.

    Where somebody else ends the group, `forget_modules` goes before.
    """
    forget_modules()
    torch.distributed.destroy_process_group()


def forget_modules() -> None:
    """Free distributed modules that are garbage: one that outlives its process group can abort the process."""
    gc.collect()


def pick_device(wish: str) -> torch.device:
    """'auto' -> CUDA where present, else CPU; 'cpu' or 'cuda' as asked."""
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wish)
