"""What becomes of a decoder's first output before it is the field: nothing, or a fixed function of it.

Legend: o raw outputs, phi the function.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

ReadOut = Literal["plain", "tanh", "tanh_plus", "signed_root"]
"""o; tanh(o) (DeepSDF); tanh(o) + o (SAL's released network for its L0 loss); (sign(o) sqrt(|o|) - 1.6) / 10 (DiGS,
whose first o grows with the square of the distance from the origin)."""
READ_OUTS: tuple[str, ...] = get_args(ReadOut)

ROOT_RADIUS, ROOT_SCALE = 1.6, 0.1
"""What all of DiGS's released scripts pass, not what its code has by default."""
_KEEPS_ROOT_SMOOTH = 1e-8


def read_out(raw: Tensor, kind: str) -> Tensor:
    """phi(o), elementwise."""
    if kind == "tanh":
        return raw.tanh()
    if kind == "tanh_plus":
        return raw.tanh() + raw
    if kind == "signed_root":
        return (raw.sign() * (raw.abs() + _KEEPS_ROOT_SMOOTH).sqrt() - ROOT_RADIUS) * ROOT_SCALE
    return raw


def read_out_slope(raw: Tensor, kind: str) -> Tensor:
    """phi'(o), elementwise."""
    if kind in ("tanh", "tanh_plus"):
        return (1.0 - raw.tanh().square()) + (kind == "tanh_plus")
    if kind == "signed_root":
        return 0.5 * ROOT_SCALE * (raw.abs() + _KEEPS_ROOT_SMOOTH).rsqrt()
    return torch.ones_like(raw)


def read_out_curvature(raw: Tensor, kind: str) -> Tensor:
    """phi''(o), elementwise."""
    if kind in ("tanh", "tanh_plus"):
        tanh = raw.tanh()
        return -2.0 * tanh * (1.0 - tanh.square())
    if kind == "signed_root":
        return -0.25 * ROOT_SCALE * raw.sign() * (raw.abs() + _KEEPS_ROOT_SMOOTH).pow(-1.5)
    return torch.zeros_like(raw)
