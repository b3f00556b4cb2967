"""What is seen of a shape, a noisy cloud or a picture, as one code: in training, and of shapes that nobody knows.

Legend: B shapes, M surface points, S pixels a side, C channels of a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Observation
from shapesys.families.fields.occupancy import SeenCloud, check_inside, noisy_inputs, some_of
from shapesys.families.fields.occupancy_config import EncoderConfig


class Encoding(Protocol):
    """An objective that reads codes off what is seen."""

    @property
    def config(self) -> EncoderConfig:
        """What is seen, and by which network."""
        ...

    @property
    def encoder(self) -> nn.Module:
        """From what is seen to codes (B, C)."""
        ...


@dataclass(frozen=True)
class Encoded:
    """An unseen shape's code.

    Attributes:
        shape_id: of the shape.
        code: (1, C).
        cloud: (M, 3) points that a surface is looked for about, on the network's device; none of a picture.
    """

    shape_id: str
    code: Tensor
    cloud: Tensor


def shown(batch: Batch, config: EncoderConfig) -> Tensor:
    """What an encoder is shown in training: noisy clouds (B, at most input_points, 3), or pictures (B, 3, S, S).

    Args:
        batch: surface (B, M, 3) and noise_seed (B,), or picture (B, 3, S, S).
    """
    return batch["picture"] if config.picture else noisy_inputs(batch, config.input_points, config.input_noise)


@torch.no_grad()
def encoded(objective: Encoding, item: Observation, points: int, seed: int) -> Encoded:
    """The code of an unseen shape, whatever shapes are beside it.

    Args:
        points: of its cloud that are seen, or all of fewer.

    Raises:
        ShapesysError: a cloud without points, or outside of the field's cube; a picture that is not finite; names the
            shape.
    """
    device = next(objective.encoder.parameters()).device
    if objective.config.picture:
        picture = torch.as_tensor(np.asarray(item.columns["picture"], np.float32), device=device)
        if not bool(picture.isfinite().all()):
            raise ShapesysError(f"the picture of '{item.shape_id}' has values that are not finite numbers")
        return Encoded(item.shape_id, objective.encoder(picture.unsqueeze(0)), picture.new_empty(0, 3))
    found = SeenCloud.of(item, device, seed)
    check_inside(found.cloud, objective.config.side, item.shape_id)
    seen = some_of(found.cloud, points, found.generator).unsqueeze(0)
    return Encoded(item.shape_id, objective.encoder(seen), found.cloud)
