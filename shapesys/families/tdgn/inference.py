"""From what is seen of a shape to the machine that is the shape, in one pass.

Legend: B shapes, M queries, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from shapesys.config.base import Search, setting
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.fields.encoded import encoded
from shapesys.families.fields.occupancy import cube_field
from shapesys.families.fields.occupancy_config import EncodedInference
from shapesys.families.tdgn.machine import Machines
from shapesys.families.tdgn.objective import LEVEL, TDGNObjective
from shapesys.nets.svm import SvmStatus


class TDGNInference(EncodedInference):
    """What is seen of an unseen cloud, and where its surface is taken: where the machine says 0, unless told."""

    level: float = setting(
        LEVEL,
        help="probability of being inside at which the surface is",
        gt=0,
        lt=1,
        search=Search(0.2, 0.8),
    )


def infer(
    objective: TDGNObjective, observations: Sequence[Observation], config: TDGNInference, seed: int
) -> list[FieldPrediction]:
    """A field for each shape; what it becomes does not depend on the shapes beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the field's cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    seen = [encoded(objective, item, config.points, seed) for item in observations]
    return [predicted(objective, item.shape_id, item.code, item.cloud, config.level) for item in seen]


@torch.no_grad()
def predicted(
    objective: TDGNObjective, shape_id: str, code: Tensor, cloud: Tensor, level: float = LEVEL
) -> FieldPrediction:
    """What a code (1, C) stands for.

    Args:
        cloud: (n, 3) points that a surface is looked for about; none where nothing is known of it.
    """
    machines = objective.machines(code)

    def logits(queries: Tensor) -> Tensor:
        return objective.logits(queries.unsqueeze(0), machines, code)[0]

    return FieldPrediction(shape_id, cube_field(logits, objective.config.side, level, cloud), _facts(machines, level))


def codes(
    objective: TDGNObjective, observations: Sequence[Observation], config: TDGNInference, seed: int
) -> np.ndarray:
    """(S, C) of unseen shapes."""
    objective.eval().requires_grad_(False)
    found = [encoded(objective, item, config.points, seed).code for item in observations]
    together: np.ndarray = torch.cat(found).cpu().numpy()
    return together


def decoded(objective: TDGNObjective, latent: np.ndarray, names: Sequence[str]) -> list[FieldPrediction]:
    """What codes (S, C) stand for, whether or not a shape has them."""
    objective.eval().requires_grad_(False)
    device = objective.log_beta.device
    rows = torch.as_tensor(np.asarray(latent, np.float32), device=device)
    nowhere = rows.new_empty(0, 3)
    return [predicted(objective, name, row.unsqueeze(0), nowhere) for name, row in zip(names, rows, strict=True)]


def _facts(machines: Machines, level: float) -> dict[str, float]:
    """Of one machine: what its surface is made of."""
    widths = dict(zip(("width", "width_y", "width_z"), machines.width[0].tolist(), strict=False))
    return {
        "level": level,
        "support_points": float((machines.alpha[0] != 0).sum()),
        "without_free": float(int(machines.status[0]) & int(SvmStatus.NO_FREE) > 0),
        **widths,
    }
