"""Errors of a field f against an unsigned distance h that cannot tell f from -f.

SAL (Atzmon and Lipman, CVPR 2020, arXiv 1911.10414) for values, SALD (ICLR 2021, arXiv 2006.05400) for derivatives.
"""

from __future__ import annotations

from torch import Tensor


def sign_agnostic_error(predicted: Tensor, unsigned: Tensor | float) -> Tensor:
    """tau(f, h) = ||f| - h|, elementwise: the same for f and -f. |f - h| would be least for the unsigned distance."""
    return (predicted.abs() - unsigned).abs()


def sign_agnostic_gradient_error(gradient: Tensor, direction: Tensor) -> Tensor:
    """min(|grad f - n|_1, |grad f + n|_1): SALD's tau of derivatives, as its released code has it.

    Args:
        gradient: (..., d) of the field.
        direction: (..., d) n, gradient of the unsigned distance; zero where that is not defined, on the surface.

    Returns:
        (...,); 0 where the direction is zero.
    """
    known = direction.ne(0).any(dim=-1)
    error = (gradient - direction).abs().sum(dim=-1).minimum((gradient + direction).abs().sum(dim=-1))
    return error * known
