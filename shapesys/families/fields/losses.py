"""Errors of a field f that learns without signs: against an unsigned distance h, or by what any distance is like.

Against h, and unable to tell f from -f: SAL (Atzmon and Lipman, CVPR 2020, arXiv 1911.10414) for values, SALD (ICLR
2021, arXiv 2006.05400) for derivatives. By what a distance is like, which is 0 on the surface and has slope 1 nearly
everywhere: IGR (Gropp et al., ICML 2020, arXiv 2002.10099), SIREN (Sitzmann et al., NeurIPS 2020, arXiv 2006.09661) and
DiGS (Ben-Shabat et al., CVPR 2022, arXiv 2106.10811; `models/losses.py` as released).
"""

from __future__ import annotations

import torch
from torch import Tensor

FAR_DECAY = 100.0
"""alpha of `off_surface_error`, of SIREN and DiGS."""
DIVERGENCE_RANGE = (0.1, 50.0)
"""Where `divergence_error` grows: DiGS's `div_clamp`, and the lower end that it writes out."""


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
    error = (gradient - direction).abs().sum(dim=-1).minimum((gradient + direction).abs().sum(dim=-1))
    return error * _known(direction)


def surface_error(field: Tensor) -> Tensor:
    """|f| of values on the surface, elementwise (IGR, SIREN; DiGS, `sdf_term`)."""
    return field.abs()


def off_surface_error(field: Tensor, decay: float = FAR_DECAY) -> Tensor:
    """exp(-alpha |f|) of values off the surface, elementwise: no zeros but on it (SIREN; DiGS, `inter_term`)."""
    return torch.exp(-decay * field.abs())


def eikonal_error(gradient: Tensor) -> Tensor:
    """||grad f| - 1| of gradients (..., d) -> (...,): a distance has slope 1 (DiGS, `eikonal_loss`; IGR squares it).

    A gradient of exactly 0 has no direction to grow in and gets none.
    """
    return (torch.linalg.vector_norm(gradient, dim=-1) - 1.0).abs()


def normal_angle_error(gradient: Tensor, normal: Tensor, oriented: bool) -> Tensor:
    """1 - cos of the angle between gradients and unit normals (..., d) -> (...,), 1 for a gradient of 0.

    Args:
        normal: zero where none is known, and the error is 0.
        oriented: 1 - cos (SIREN); else 1 - |cos|, the same for a normal and its opposite (DiGS, `normal_term`).
    """
    cosine = (gradient * normal).sum(dim=-1) / _length_or_one(gradient)
    return (1.0 - (cosine if oriented else cosine.abs())) * _known(normal)


def normal_distance_error(gradient: Tensor, normal: Tensor) -> Tensor:
    """|grad f - n| of gradients and outward unit normals (..., d) -> (...,) (IGR); 0 where a normal is 0, not known."""
    return torch.linalg.vector_norm(gradient - normal, dim=-1) * _known(normal)


def divergence_error(divergence: Tensor) -> Tensor:
    """|div grad f| off the surface, elementwise, between the ends of `DIVERGENCE_RANGE` (DiGS, `div_loss` of type l1).

    Beyond them it is flat, and what is not finite counts as 0.
    """
    return torch.nan_to_num(divergence, nan=0.0, posinf=0.0, neginf=0.0).abs().clamp(*DIVERGENCE_RANGE)


def _length_or_one(vectors: Tensor) -> Tensor:
    """(...,) lengths of (..., d); 1 for vectors of 0, whose gradient stays finite."""
    length = torch.linalg.vector_norm(vectors, dim=-1)
    return torch.where(length > 0, length, torch.ones_like(length))


def _known(directions: Tensor) -> Tensor:
    """(...,) whether directions (..., d) are known: those that are not are zero."""
    return directions.ne(0).any(dim=-1)
