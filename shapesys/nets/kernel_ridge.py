"""Kernel ridge regression of labels: a closed form in place of a support vector machine.

Legend: B machines, N training points.
"""

from __future__ import annotations

import torch
from torch import Tensor


def solve_ridge(kernel: Tensor, labels: Tensor, weight: float) -> Tensor:
    """(B, N) coefficients a of a machine that says sum_i a_i K(x_i, x): those that minimise the squared errors at its
    training points plus `weight` times the squared norm of what it says, (K + weight I) a = y.

    Solved in double precision; of the kernel's type.

    Args:
        kernel: (B, N, N) symmetric and positive semidefinite.
        labels: (B, N) or (N,).
        weight: above 0.

    Raises:
        ValueError: `weight` is not positive and finite.
    """
    if not (0.0 < weight < float("inf")):
        raise ValueError(
            f"weight = {weight} must be positive and finite; without it coincident points have no solution"
        )
    ridged = kernel.double() + weight * torch.eye(kernel.shape[1], dtype=torch.float64, device=kernel.device)
    wanted = labels.to(ridged).expand(kernel.shape[:2]).unsqueeze(2)
    # What is not finite or not positive definite becomes NaN there, and leaves the others alone.
    lower, _ = torch.linalg.cholesky_ex(ridged)
    found: Tensor = torch.cholesky_solve(wanted, lower).squeeze(2)
    return found.to(kernel)
