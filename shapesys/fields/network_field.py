"""A decoder and one shape's code, as a Field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shapesys.fields.field import FieldTraits
from shapesys.geometry.mesh import Floats
from shapesys.nets.folded_decoder import FoldedDecoder, Precision


@dataclass(frozen=True)
class NetworkField:
    """Row `shape` of a folded decoder: the first output is the value, the second, if any, the saliency logit."""

    decoder: FoldedDecoder
    shape: int
    traits: FieldTraits

    def values(self, points: Floats, precision: Precision = "float32") -> Floats:
        """(n, 3) float32 points -> (n,) float32 signed distances."""
        return _numpy(self.decoder(_tensor(points), self.shape, precision)[:, 0])

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        """(n, 3) points -> ``saliency`` (n,) in (0, 1), where the decoder has that head."""
        if self.decoder.outputs < 2:
            return {}
        return {"saliency": _numpy(self.decoder(_tensor(points), self.shape)[:, 1].sigmoid())}


def _tensor(points: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))


def _numpy(values: Tensor) -> Floats:
    return values.float().cpu().numpy()
