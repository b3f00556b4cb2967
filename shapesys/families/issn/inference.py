"""Predictions of ISSN: fields of training shapes from their codes, and of unseen ones from codes found for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from shapesys.families.base import FieldPrediction, Observation, Prediction
from shapesys.families.fields.codes import find_codes
from shapesys.families.issn.config import ISSNInference
from shapesys.families.issn.objective import ISSNObjective
from shapesys.fields.field import FieldTraits
from shapesys.fields.network_field import NetworkField
from shapesys.samples.cloud_queries import signed_queries_from_cloud


def infer(
    objective: ISSNObjective, observations: Sequence[Observation], config: ISSNInference, seed: int
) -> list[Prediction]:
    """Codes of unseen shapes from signed-distance queries, all shapes and restarts in one batch."""
    objective.eval().requires_grad_(False)

    def fit(codes: Tensor, points: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        return _fit(objective, codes, points, distance)

    device = objective.codes.weight.device
    found = find_codes(fit, objective.config.latent_dim, observations, config, seed, device)
    return _predictions(objective, found.codes, [item.shape_id for item in observations], found.errors.tolist())


def known(objective: ISSNObjective, rows: Sequence[int], shape_ids: Sequence[str]) -> list[Prediction]:
    """Predictions for training shapes, from their trained codes."""
    index = torch.as_tensor(list(rows), device=objective.codes.weight.device)
    return _predictions(objective, objective.codes(index).detach(), shape_ids, None)


def observe_cloud(
    points: np.ndarray, normals: np.ndarray, config: ISSNInference, seed: int
) -> Mapping[str, np.ndarray]:
    """The ``sdf`` columns of an oriented point cloud (n, 3) in its normalised frame."""
    queries, distance = signed_queries_from_cloud(points, normals, config.cloud_queries, config.cloud_stds, seed)
    return {"points": queries, "distance": distance}


def _fit(objective: ISSNObjective, codes: Tensor, points: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean clamped error and prior, (S, R) each, of codes (S, R, D) at points (S, N, 3)."""
    shapes, restarts, _ = codes.shape
    output = objective.decoder(codes.flatten(0, 1), points.repeat_interleave(restarts, dim=0))
    truth = distance.repeat_interleave(restarts, dim=0)
    error = objective.error(output[..., 0], truth).mean(dim=1)
    return error.view(shapes, restarts), objective.config.code_weight * codes.square().sum(dim=2)


def _predictions(
    objective: ISSNObjective, codes: Tensor, shape_ids: Sequence[str], errors: Sequence[float] | None
) -> list[Prediction]:
    folded = objective.decoder.for_shapes(codes)
    traits = FieldTraits(clamp=objective.config.clamp)
    norms = codes.norm(dim=1).tolist()
    found: list[Prediction] = []
    for row, shape_id in enumerate(shape_ids):
        facts = {"code_norm": norms[row]} | ({"fit_error": errors[row]} if errors is not None else {})
        found.append(FieldPrediction(shape_id, NetworkField(folded, row, traits), facts))
    return found
