"""From a code to a trained classifier, which is the shape (TDGN, section 3).

Legend: B shapes, N training points, M queries, C features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shapesys.families.tdgn.config import TDGNConfig
from shapesys.nets.gaussian_kernel import gaussian_kernel
from shapesys.nets.kernel_ridge import solve_ridge
from shapesys.nets.svm import decide, solve_svm


@dataclass(frozen=True)
class Machines:
    """Classifiers and what they were trained on.

    Attributes:
        points: (B, N, 3) training points, those inside first, in units of half the cube's side.
        embedded: (B, N, 3) where they are trained on.
        width: (B, 1 or 3) of the kernel.
        labels: (N,) +1 and -1.
        alpha: (B, N) weights of the points; of ridge regression, negative ones as well.
        bias: (B,).
        status: (B,) of `SvmStatus`; 0 of ridge regression.
    """

    points: Tensor
    embedded: Tensor
    width: Tensor
    labels: Tensor
    alpha: Tensor
    bias: Tensor
    status: Tensor

    def say(self, queries: Tensor) -> Tensor:
        """(B, M) what they say (equation 5) at embedded queries (B, M, 3)."""
        return decide(self.alpha, self.bias, self.labels, gaussian_kernel(queries, self.embedded, self.width))


def train_machines(points: Tensor, embedded: Tensor, width: Tensor, labels: Tensor, config: TDGNConfig) -> Machines:
    """Train a classifier for each shape; differentiable by what it is trained on.

    Args:
        points: (B, N, 3) training points.
        embedded: (B, N, 3) the same where they are trained on.
        width: (B, 1 or 3) of the kernel.
        labels: (N,).
    """
    # Between few points double precision costs nothing, and a dual that is nearly singular needs it.
    trained, double = embedded.double(), width.double()
    kernel = gaussian_kernel(trained, trained, double)
    if config.learner == "svm":
        found = solve_svm(kernel, labels.double(), config.box)
        alpha, bias, status = found.alpha, found.bias, found.status
    else:
        alpha = solve_ridge(kernel, labels.double(), config.ridge) * labels.double()
        bias, status = alpha.new_zeros(len(alpha)), torch.zeros(len(alpha), dtype=torch.int64)
    return Machines(points, embedded, width, labels, alpha.to(embedded), bias.to(embedded), status)
