"""The support vector machine as a layer against differentiable layers of quadratic programs: proxsuite and qpth.

Both are optional peers, `pip install proxsuite qpth`; each adds its column. qpth's crashes are told in the note.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from interleaved import interleaved_medians
from torch import Tensor

from shapesys.nets.gaussian_kernel import gaussian_kernel
from shapesys.nets.svm import RIDGE, SvmStatus, solve_svm

MACHINES, POINTS = 64, 32
CURVE = (4, 8, 16, 32, 64, 128, 256, 512)
Layer = Callable[[Tensor, Tensor, float], Tensor]


class Case(NamedTuple):
    """Training points of machines: how wide the kernel is beside their spread, C, and how many of them coincide."""

    name: str
    width: float
    box: float = 1.0
    twice: int = 0


CASES = (
    Case("narrow kernel", 0.5),
    Case("middling kernel", 1.5),
    Case("middling kernel, C = 1000", 1.5, 1000.0),
    Case("wide kernel", 6.0),
    Case("coincident points", 0.5, 1.0, 2),
)


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Medians of the thread's CPU seconds, in one process, interleaved, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [_row(case, 1 if quick else 7) for case in (CASES[:1] if quick else CASES)]
        return rows if quick else [*rows, *(_by_size(count) for count in CURVE)]
    finally:
        torch.set_num_threads(threads)


def kernels(case: Case, machines: int, count: int) -> tuple[Tensor, Tensor]:
    """Kernels (B, N, N) in double precision, and labels (N,), half of each."""
    points = torch.randn(machines, count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for copy in range(case.twice):
        points[:, (copy + 1) * count // 4] = points[:, 0]
    labels = torch.cat([torch.ones(count // 2), -torch.ones(count - count // 2)]).double()
    width = torch.full((machines, 1), case.width, dtype=torch.float64)
    return gaussian_kernel(points, points, width), labels


def _row(case: Case, repeats: int) -> dict[str, Any]:
    kernel, labels = kernels(case, MACHINES, POINTS)
    layers = {"ours": _ours} | _peers()
    told: list[str] = []
    steps: dict[str, Callable[[], Any]] = {}
    wanted = _step(_ours, kernel, labels, case.box)
    for name, layer in layers.items():
        try:
            found = _step(layer, kernel, labels, case.box)
        except Exception as error:  # A peer's crash is a result.
            told.append(f"{name} fails: {type(error).__name__}")
            continue
        if name != "ours":
            apart, tilted = _apart(found[0], wanted[0]), _apart(found[1], wanted[1])
            told.append(f"{name} differs by {apart:.0e}, its gradient by {tilted:.0e}")
        steps[name] = partial(_step, layer, kernel, labels, case.box)
    medians = interleaved_medians(steps, repeats, time.thread_time)
    return {
        "name": f"support vector machines, {case.name}",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": f"CPU s for {MACHINES} machines of {POINTS} points, forward and backward",
        "note": "; ".join([_told(kernel, labels, case.box), *told]),
    }


def _by_size(count: int) -> dict[str, Any]:
    machines = max(1, min(MACHINES, 8192 // count))
    kernel, labels = kernels(CASES[0], machines, count)
    medians = interleaved_medians({"ours": partial(_step, _ours, kernel, labels, 1.0)}, 3, time.thread_time)
    return {
        "name": f"support vector machines, by size, {count} points",
        "ours_s": medians["ours"] / machines,
        "peers": {},
        "unit": "CPU s for one machine, forward and backward, narrow kernel",
        "note": _told(kernel, labels, 1.0),
    }


def _told(kernel: Tensor, labels: Tensor, box: float) -> str:
    found = solve_svm(kernel, labels, box)
    kinks = int((found.status & int(SvmStatus.KINK) > 0).sum())
    return f"largest violation of an optimality condition {float(found.residual.max()):.0e}, {kinks} at a kink"


def _apart(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, as a share of the largest entry; NaN where anything is."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def _step(layer: Layer, kernel: Tensor, labels: Tensor, box: float) -> tuple[Tensor, Tensor]:
    """Variables, and the gradient on the kernel of their sum with weights that tell them apart."""
    leaf = kernel.clone().requires_grad_(True)
    alpha = layer(leaf, labels, box)
    (alpha * torch.linspace(1.0, 2.0, alpha.shape[1], dtype=alpha.dtype)).sum().backward()
    assert leaf.grad is not None
    return alpha.detach(), leaf.grad + leaf.grad.transpose(1, 2)


def _ours(kernel: Tensor, labels: Tensor, box: float) -> Tensor:
    return solve_svm(kernel, labels, box).alpha


def _peers() -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for name, module, made in (("proxsuite", "proxsuite.torch.qplayer", _proxsuite), ("qpth", "qpth.qp", _qpth)):
        try:
            found[name] = made(importlib.import_module(module))
        except ImportError:
            continue
    return found


def _programs(kernel: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The quadratic forms, with the ridge that ours has, and the linear terms."""
    signs = labels.unsqueeze(0) * labels.unsqueeze(1)
    ridge = RIDGE * kernel.diagonal(dim1=1, dim2=2).mean(dim=1)
    eye = torch.eye(kernel.shape[1], dtype=kernel.dtype)
    return kernel * signs + ridge[:, None, None] * eye, -kernel.new_ones(kernel.shape[:2])


def _proxsuite(module: Any) -> Layer:
    def layer(kernel: Tensor, labels: Tensor, box: float) -> Tensor:
        form, linear = _programs(kernel, labels)
        eye = torch.eye(kernel.shape[1], dtype=kernel.dtype)
        zero = kernel.new_zeros(1)
        low, high = torch.zeros(len(eye), dtype=eye.dtype), torch.full((len(eye),), box, dtype=eye.dtype)
        solve = module.QPFunction(structural_feasibility=True, omp_parallel=False)
        found: Tensor = solve(form, linear, labels.unsqueeze(0), zero, eye, low, high)[0]
        return found

    return layer


def _qpth(module: Any) -> Layer:
    def layer(kernel: Tensor, labels: Tensor, box: float) -> Tensor:
        form, linear = _programs(kernel, labels)
        eye = torch.eye(kernel.shape[1], dtype=kernel.dtype)
        bounds = torch.cat([torch.zeros(len(eye), dtype=eye.dtype), torch.full((len(eye),), box, dtype=eye.dtype)])
        solve = module.QPFunction(verbose=-1)
        found: Tensor = solve(form, linear, torch.cat([-eye, eye]), bounds, labels.unsqueeze(0), kernel.new_zeros(1))
        return found

    return layer
