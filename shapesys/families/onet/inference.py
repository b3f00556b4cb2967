"""From an unseen cloud to a field, in one pass.

Legend: M points of the cloud, N queries, C channels of a code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.fields.occupancy import SeenCloud, check_inside, cube_field, some_of
from shapesys.families.onet.config import ONetInference
from shapesys.families.onet.objective import ONetObjective
from shapesys.fields.logit_field import LogitField


def infer(
    objective: ONetObjective, observations: Sequence[Observation], config: ONetInference, seed: int
) -> list[FieldPrediction]:
    """A field for each cloud; what it becomes does not depend on the clouds beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the field's cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    facts = {"level": config.level}
    return [FieldPrediction(seen.shape_id, _field(objective, seen, config, seed), facts) for seen in observations]


def _field(objective: ONetObjective, seen: Observation, config: ONetInference, seed: int) -> LogitField:
    """The logits that go with a cloud's code."""
    side = objective.config.side
    found = SeenCloud.of(seen, objective.decoder.out.weight.device, seed)
    check_inside(found.cloud, side, seen.shape_id)
    with torch.no_grad():
        code = objective.encoder(some_of(found.cloud, config.points, found.generator).unsqueeze(0))

    def logits(points: Tensor) -> Tensor:
        return objective.logits(points.unsqueeze(0), code)[0]

    return cube_field(logits, side, config.level, found.cloud)
