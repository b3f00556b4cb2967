"""Farthest point sampling in torch: a batch of clouds at once, on any device, without a synchronisation per step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from shapesys.geometry.mesh import Ints


@torch.no_grad()
def farthest_points_torch(points: Tensor, count: int, start: int | Ints | Tensor = 0) -> Tensor:
    """`fps.farthest_points` for a tensor (n, 3) or (b, n, 3): the same indices, (count,) or (b, count) int64."""
    from shapesys.geometry.fps import check_request

    clouds = _checked(points)
    batch, size = clouds.shape[:2]
    first = torch.as_tensor(start, device=points.device).to(torch.int64).expand(batch)
    check_request(size, count, np.asarray(first.cpu()))
    x, y, z = clouds.float().unbind(dim=-1)
    at = first[:, None]
    nearest = torch.full((batch, size), torch.inf, device=points.device)
    chosen = torch.empty((batch, count), dtype=torch.int64, device=points.device)
    for step in range(count):
        chosen[:, step] = at[:, 0]
        squared = (x - x.gather(1, at)).square_()
        # Separate additions round as the other paths do; a fused sum would not.
        squared += (y - y.gather(1, at)).square_()
        squared += (z - z.gather(1, at)).square_()
        nearest = torch.minimum(nearest, squared, out=nearest)
        nearest.scatter_(1, at, -1.0)
        at = nearest.argmax(dim=1, keepdim=True)
    return chosen if points.ndim == 3 else chosen[0]


def _checked(points: Tensor) -> Tensor:
    """(b, n, 3), or a ValueError."""
    if points.ndim not in (2, 3) or points.shape[-1] != 3 or points.shape[0] == 0:
        raise ValueError(f"points has shape {tuple(points.shape)}; expected (n, 3) or (b, n, 3)")
    if not bool(torch.isfinite(points).all()):
        raise ValueError("points holds coordinates that are not finite")
    return points.reshape(-1, *points.shape[-2:])
