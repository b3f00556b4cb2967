"""Fixtures of the tests of networks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from shapesys.nets import batch_norm

Together = Callable[[Callable[[int], Any], int], list[Any]]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Together:
    """Calls a task with 0, 1, ... at the same time, in threads that batch norm takes for each other's workers."""

    def run(task: Callable[[int], Any], workers: int) -> list[Any]:
        barrier = threading.Barrier(workers)
        shared: dict[int, Tensor] = {}

        def all_reduce(x: Tensor) -> None:
            shared[threading.get_ident()] = x.clone()
            barrier.wait(timeout=20)
            total = torch.stack(list(shared.values())).sum(dim=0)
            barrier.wait(timeout=20)
            x.copy_(total)

        with monkeypatch.context() as patched, ThreadPoolExecutor(workers) as pool:
            patched.setattr(batch_norm, "workers", lambda: workers)
            patched.setattr(torch.distributed, "all_reduce", all_reduce)
            return list(pool.map(task, range(workers)))

    return run
