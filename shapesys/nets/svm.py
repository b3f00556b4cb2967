"""A kernel support vector machine as a layer: its solution, and the gradient through its optimality conditions.

The dual of TDGN (arXiv 2010.08276, equation 4): minimise 1/2 sum_ij a_i a_j y_i y_j K_ij - sum_i a_i with sum_i y_i a_i
= 0 and 0 <= a_i <= C. The machine says sum_i a_i y_i K(x_i, x) + b at x (equation 5).

A ridge on the diagonal, a millionth of its mean unless told otherwise, is part of the problem: it makes solution and
gradient unique where points coincide. Problems are solved one by one, in double precision and on the CPU wherever the
kernel is, so that an answer depends on nothing but its problem; the gradient is exact wherever the solution is smooth
(Amos and Kolter, OptNet, 2017), and one-sided elsewhere.

Legend: B machines, N training points.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

RIDGE = 1e-6
"""Of the diagonal, as a share of its mean."""
_PER_THREAD = 1 << 21
"""Multiplications, by a rough count, that are worth a thread."""


class SvmStatus(enum.IntFlag):
    """What is to be known of a solution beside its numbers."""

    SOLVED = 0
    KINK = 1
    """Another bound is as good as active: there are one-sided derivatives, and the gradient is one of them."""
    NO_FREE = 2
    """Every variable is at a bound: the bias is the middle of an interval, and the variables do not move."""
    ONE_SIDED = 4
    """All labels are the same: every variable is 0, and the bias is the label."""
    FAILED = 8
    """The kernel is not finite, or not positive semidefinite beyond the ridge; variables and bias are NaN."""


@dataclass(frozen=True)
class SvmSolution:
    """What was found, of each machine.

    Attributes:
        alpha: (B, N) from 0 to C, differentiable, of the kernel's type and device.
        bias: (B,) likewise.
        status: (B,) int64 of `SvmStatus`, on the CPU.
        residual: (B,) float64 largest violation of an optimality condition, on the CPU; NaN where it failed.
    """

    alpha: Tensor
    bias: Tensor
    status: Tensor
    residual: Tensor


def solve_svm(kernel: Tensor, labels: Tensor, box: float = 1.0, ridge: float = RIDGE) -> SvmSolution:
    """Train machines.

    Args:
        kernel: (B, N, N) symmetric and positive semidefinite, any floating type, on any device.
        labels: (B, N) or (N,), +1 and -1.
        box: C, above 0.
        ridge: added to the diagonal, as a share of its mean.

    Raises:
        ValueError: shapes that do not fit, labels that are neither +1 nor -1, or C or ridge not positive.
        MissingExtra: numba is not installed.
    """
    _check(kernel, labels, box, ridge)
    signs = labels.detach().to("cpu", torch.float64).expand(kernel.shape[:2]).contiguous()
    alpha, bias, status, residual = _Solve.apply(kernel, signs, float(box), float(ridge))
    return SvmSolution(alpha, bias, status, residual)


def decide(alpha: Tensor, bias: Tensor, labels: Tensor, kernel: Tensor) -> Tensor:
    """(B, M) what machines say (equation 5) at M queries.

    Args:
        alpha: (B, N).
        bias: (B,).
        labels: (B, N) or (N,).
        kernel: (B, M, N) between queries and training points.
    """
    weights = (alpha * labels).unsqueeze(-1)
    said: Tensor = torch.matmul(kernel, weights).squeeze(-1) + bias.unsqueeze(-1)
    return said


def _check(kernel: Tensor, labels: Tensor, box: float, ridge: float) -> None:
    if kernel.dim() != 3 or kernel.shape[1] != kernel.shape[2] or not kernel.shape[1]:
        raise ValueError(f"a kernel has the shape (B, N, N), this one {tuple(kernel.shape)}")
    if labels.shape not in (kernel.shape[:2], kernel.shape[1:2]):
        raise ValueError(f"labels {tuple(labels.shape)} do not fit a kernel {tuple(kernel.shape)}")
    if not bool((labels.abs() == 1).all()):
        raise ValueError("labels are +1 or -1")
    if not (0.0 < box < float("inf")):
        raise ValueError(f"C = {box} must be positive and finite; the paper has 1")
    if not (0.0 < ridge < float("inf")):
        raise ValueError(f"ridge = {ridge} must be positive and finite; without it coincident points have no gradient")


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernel: Tensor, signs: Tensor, box: float, ridge: float) -> tuple[Tensor, ...]:
        from shapesys.nets.svm_dual import solve_all

        form = _form(kernel, signs, ridge)
        x, state = torch.empty_like(signs), torch.empty_like(signs, dtype=torch.int64)
        bias, residual, status = (
            torch.empty_like(signs[:, 0]),
            torch.empty_like(signs[:, 0]),
            torch.empty_like(state[:, 0]),
        )
        _in_threads(partial(solve_all, box), form, signs, x, state, bias, status, residual)
        ctx.save_for_backward(form, signs, x, state, status)
        ctx.ridge = ridge
        ctx.mark_non_differentiable(status, residual)
        return x.to(kernel), bias.to(kernel), status, residual

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        from shapesys.nets.svm_dual import adjoint_all

        form, signs, x, state, status = ctx.saved_tensors
        on_alpha, on_bias = (one.to("cpu", torch.float64).contiguous() for one in gradients[:2])
        found = torch.empty_like(form)
        _in_threads(adjoint_all, form, signs, x, state, status, on_alpha, on_bias, found)
        found *= signs.unsqueeze(1) * signs.unsqueeze(2)
        diagonal = found.diagonal(dim1=1, dim2=2)
        # The ridge follows the mean of the diagonal.
        diagonal += ctx.ridge * diagonal.mean(dim=1, keepdim=True)
        return found.to(gradients[0]), None, None, None


def _form(kernel: Tensor, signs: Tensor, ridge: float) -> Tensor:
    """(B, N, N) Q = y y' o K with its ridge, in double precision on the CPU."""
    form = kernel.detach().to("cpu", torch.float64) * signs.unsqueeze(1) * signs.unsqueeze(2)
    diagonal = form.diagonal(dim1=1, dim2=2)
    diagonal += ridge * diagonal.mean(dim=1, keepdim=True)
    return form.contiguous()


def _in_threads(loop: Callable[..., None], *tensors: Tensor) -> None:
    """Call a compiled loop over machines with these tensors (B, ...), parts of them in threads where it is long."""
    machines, points = tensors[1].shape
    threads = max(1, min(torch.get_num_threads(), machines, machines * points**3 // _PER_THREAD))
    parts = [
        [one.numpy() for one in part] for part in zip(*(one.tensor_split(threads) for one in tensors), strict=True)
    ]
    if threads == 1:
        loop(*parts[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(loop, *part) for part in parts]:
            done.result()
