"""A decoder's output for one shape, seen as a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from shapesys.fields.field import FieldTraits
from shapesys.geometry.mesh import Floats
from shapesys.nets.folded_decoder import FoldedDecoder, Precision

SALIENCY = "saliency"


@dataclass(frozen=True)
class NetworkField:
    """Signed distance from head 0, saliency in (0, 1) from the sigmoid of head 1 where the decoder has one.

    Attributes:
        decoder: folded for one or many shapes.
        shape: which of them.
        traits: level, box, clamp; a decoder trained on a clamped loss tells nothing beyond its clamp.
    """

    decoder: FoldedDecoder
    shape: int = 0
    traits: FieldTraits = field(default_factory=lambda: FieldTraits(clamp=0.1))

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) -> (n,) signed distance; `bfloat16` is for pruning (see `FoldedDecoder`)."""
        chosen: Precision = "bfloat16" if precision == "bfloat16" else "float32"
        return _array(self.decoder(_tensor(points), self.shape, chosen)[:, 0])

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        """(n, 3) -> `saliency` (n,), or nothing for a decoder with one output."""
        return self.values_and_attributes(points)[1]

    def values_and_attributes(self, points: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """Both from one pass through the network."""
        heads = self.decoder(_tensor(points), self.shape)
        if heads.shape[1] < 2:
            return _array(heads[:, 0]), {}
        return _array(heads[:, 0]), {SALIENCY: _array(heads[:, 1].sigmoid())}


def _tensor(points: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))


def _array(values: Tensor) -> Floats:
    result: Floats = values.float().cpu().numpy()
    return result
