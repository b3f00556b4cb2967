"""From what is seen of a shape to a field, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.fields.encoded import Encoded, encoded
from shapesys.families.fields.occupancy import cube_field
from shapesys.families.onet.config import ONetInference
from shapesys.families.onet.objective import ONetObjective
from shapesys.fields.logit_field import LogitField


def infer(
    objective: ONetObjective, observations: Sequence[Observation], config: ONetInference, seed: int
) -> list[FieldPrediction]:
    """A field for each shape; what it becomes does not depend on the shapes beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the field's cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    facts = {"level": config.level}
    seen = [encoded(objective, item, config.points, seed) for item in observations]
    return [FieldPrediction(item.shape_id, _field(objective, item, config.level), facts) for item in seen]


def _field(objective: ONetObjective, seen: Encoded, level: float) -> LogitField:
    """The logits that go with a code."""

    def logits(points: Tensor) -> Tensor:
        return objective.logits(points.unsqueeze(0), seen.code)[0]

    return cube_field(logits, objective.config.side, level, seen.cloud)
