"""ISSN: implicit surface saliency network (arXiv 2012.07290, sections 3.1, 4.2, 5.1 and appendix A.1).

The idea in five lines. Parts that all shapes of a category share are easier to regress than instance details. So a
DeepSDF network predicts, beside the signed distance f of every query point, a saliency s in (0, 1] that weights the
point's own error; -log s keeps it from vanishing. For an error L the optimum is s* = min(1, lambda / L): saliency is
high where the category makes the surface predictable. A strong prior on the code keeps details hard to fit.

Legend: B shapes, N query points per shape, D latent dimensions.

What the paper leaves open, and our choice:
- latent dimension: 256, DeepSDF's, on whose code the paper builds;
- place and activation of the saliency head: a second output of the last layer through a sigmoid, because log s needs
  s > 0 and the maps are reported in [0, 1];
- dropout and weight norm: DeepSDF's (0.2, on all hidden layers);
- initial saliency: lambda / (0.3 delta), its optimum for the error of an untrained network, by the head's bias;
- initial codes: N(0, 1/D), DeepSDF's;
- mean over shapes of beta |z|^2: once per shape, as equation 1 is written;
- a step that does not divide the shapes: shapes left over wait for the next epoch's permutation;
- test-time optimisation: DeepSDF's reconstruct.py (800 Adam iterations at 5e-3, a tenth of it from the middle on, 8,000
  queries each, codes from N(0, 0.01^2)), on the clamped distance error with the training prior beta; the paper
  optimises the code "with the SDF values" and names no weight on saliency;
- gradient beyond the clamp: none in equation 2; our own default lets it pull predictions back (`clamp_gradient`),
  with the same loss values, while the paper preset keeps equation 2 as written;
- perturbation of clouds: DeepSDF's near-surface variances 0.005 and 0.0005.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.config.base import Config, Search, setting
from shapesys.families.base import (
    Batch,
    Family,
    FieldPrediction,
    Need,
    Objective,
    Observation,
    Prediction,
    Preset,
    Term,
    Terms,
    TrainingData,
    Traits,
)
from shapesys.fields.field import FieldTraits
from shapesys.fields.network_field import SALIENCY, NetworkField
from shapesys.nets.implicit_decoder import ImplicitDecoder, check_shape
from shapesys.samples.cloud_queries import signed_queries_from_cloud
from shapesys.samples.seeds import stable_hash

SATURATED = 0.99
"""A saliency above this counts as saturated in the statistics."""


FIRST_ERROR = 0.3
"""Mean clamped error of an untrained network, as a share of the clamp, on queries mostly near the surface."""

ClampGradient = Literal["published", "pull_back"]


class ISSNConfig(Config):
    """The network and equations 1 and 2."""

    latent_dim: int = setting(256, help="dimensions of a latent code", ge=1, search=Search(16, 64, log=True))
    hidden: int = setting(512, help="width of the trunk", ge=8, search=Search(choices=(128, 256, 512)))
    layers: int = setting(8, help="hidden layers", ge=2, le=32)
    skip_at: int = setting(4, help="layer that sees code and point again", ge=1)
    dropout: float = setting(0.2, help="dropout of hidden units", ge=0, lt=1, search=Search(0.0, 0.3))
    weight_norm: bool = setting(True, help="weight norm on hidden layers")
    saliency_weight: float = setting(
        1e-3, help="lambda of equation 1; 0 gives DeepSDF's loss", ge=0, search=Search(1e-4, 1e-2, log=True)
    )
    code_weight: float = setting(0.1, help="beta of equation 1, on |z|^2", ge=0, search=Search(1e-4, 1.0, log=True))
    clamp: float = setting(0.1, help="delta of equation 2, in units of the unit sphere", gt=0, le=1)
    clamp_gradient: ClampGradient = setting(
        "pull_back",
        help="beyond the clamp: published = no gradient, so a network that starts there never leaves; pull_back = the "
        "same loss values, with the gradient of the unclamped prediction wherever the error is not zero",
    )

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> ISSNConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, 2, self.dropout, "relu")
        return self


class ISSNInference(Config):
    """Test-time optimisation of the latent code, the network frozen."""

    iterations: int = setting(800, help="Adam iterations", ge=1)
    learning_rate: float = setting(5e-3, help="Adam's rate; a tenth of it from the middle on", gt=0)
    points: int = setting(8_000, help="queries per shape and iteration", ge=1)
    restarts: int = setting(1, help="initial codes per shape; the best final fit is kept", ge=1)
    initial_std: float = setting(0.01, help="standard deviation of initial codes", ge=0)
    cloud_queries: int = setting(100_000, help="queries drawn around a point cloud", ge=100)
    cloud_stds: tuple[float, ...] = setting((0.0707, 0.0224), help="standard deviations of cloud perturbations")


class ISSNObjective(Objective):
    """Network, codes and loss of ISSN."""

    def __init__(self, config: ISSNConfig, shapes: int) -> None:
        super().__init__()
        self.config = config
        self.decoder = ImplicitDecoder(
            config.latent_dim,
            hidden=config.hidden,
            layers=config.layers,
            skip_at=config.skip_at,
            outputs=2,
            dropout=config.dropout,
            weight_norm=config.weight_norm,
        )
        start_saliency_at(self.decoder, config)
        self.codes = nn.Embedding(shapes, config.latent_dim)
        nn.init.normal_(self.codes.weight, std=config.latent_dim**-0.5)

    def forward(self, batch: Batch) -> Terms:
        """Equation 1. Batch: shape_index (B,), points (B, N, 3), distance (B, N)."""
        codes = self.codes(batch["shape_index"])
        output = self.decoder(codes, batch["points"], batch.get("noise_seed"))
        error = clamped_error(output[..., 0], batch["distance"], self.config.clamp, self.config.clamp_gradient)
        log_saliency = F.logsigmoid(output[..., 1])
        saliency = log_saliency.exp()
        blended = error * saliency if self.config.saliency_weight > 0 else error
        losses = {
            "sdf": Term(blended.mean()),
            "saliency": Term(-log_saliency.mean(), self.config.saliency_weight),
            "code": Term(codes.square().sum(dim=1).mean(), self.config.code_weight),
        }
        return Terms(losses, _statistics(error.detach(), saliency.detach()))


def build(config: ISSNConfig, data: TrainingData) -> ISSNObjective:
    """Fresh weights and one code per training shape."""
    return ISSNObjective(config, data.shapes)


def start_saliency_at(decoder: ImplicitDecoder, config: ISSNConfig) -> None:
    """Start saliency near its optimum for the first errors, lambda / L, instead of at a half.

    Saliency scales the distance gradient. Starting at a half, the gradient shrinks tenfold in the first steps, and
    Adam, which remembers the large ones for a thousand steps, moves on at a tenth of its rate for as long.
    """
    first = min(0.5, config.saliency_weight / (FIRST_ERROR * config.clamp)) if config.saliency_weight else 0.5
    with torch.no_grad():
        decoder.head.bias[1] = math.log(first / (1.0 - first))


def clamped_error(predicted: Tensor, truth: Tensor, clamp: float, gradient: ClampGradient = "published") -> Tensor:
    """Equation 2: |clamp(f) - clamp(f^)|, elementwise.

    Predictions beyond the clamp have no gradient in equation 2, which is how DeepSDF networks get stuck all positive
    or all negative. ``pull_back`` keeps every value and lets the gradient through the clamp of the prediction.
    """
    difference = predicted.clamp(-clamp, clamp) - truth.clamp(-clamp, clamp)
    if gradient == "published":
        return difference.abs()
    side = difference.detach().sign()
    return difference.detach().abs() + side * (predicted - predicted.detach())


def _statistics(error: Tensor, saliency: Tensor) -> dict[str, Tensor]:
    return {
        "clamped_error": error.mean(),
        "saliency_mean": saliency.mean(),
        "saliency_min": saliency.flatten(1).min(dim=1).values.mean(),
        "saliency_saturated": (saliency > SATURATED).float().mean(),
    }


def infer(
    objective: ISSNObjective, observations: Sequence[Observation], config: ISSNInference, seed: int
) -> list[Prediction]:
    """Codes of unseen shapes from signed-distance queries, all shapes and restarts in one batch.

    A shape's result depends on its own queries, its id and the seed, never on the shapes beside it.
    """
    objective.eval().requires_grad_(False)
    device = objective.codes.weight.device
    codes = torch.from_numpy(_initial_codes(objective.config.latent_dim, observations, config, seed)).to(device)
    codes = codes.requires_grad_(True)
    optimiser = torch.optim.Adam([codes], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=max(1, (config.iterations + 1) // 2), gamma=0.1)
    queries = _Queries(observations, device)
    for iteration in range(config.iterations):
        optimiser.zero_grad(set_to_none=True)
        fit, prior = _fit(objective, codes, *queries.window(iteration, config.points))
        (fit + prior).sum().backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        final, _ = _fit(objective, codes, *queries.window(0, max(config.points, 16_384)))
        best = final.argmin(dim=1)
        rows = torch.arange(len(observations), device=device)
        chosen, errors = codes[rows, best], final[rows, best]
    return _predictions(objective, chosen, [item.shape_id for item in observations], errors.tolist())


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


class _Queries:
    """Observed queries of S shapes, read window by window; each shape's own sequence is circular."""

    def __init__(self, observations: Sequence[Observation], device: torch.device) -> None:
        self._points = [torch.as_tensor(item.columns["points"], device=device) for item in observations]
        self._distance = [torch.as_tensor(item.columns["distance"], device=device) for item in observations]

    def window(self, iteration: int, count: int) -> tuple[Tensor, Tensor]:
        """(S, count, 3) points and (S, count) distances of one iteration."""
        offsets = torch.arange(iteration * count, (iteration + 1) * count, device=self._points[0].device)
        points = [item[offsets % len(item)] for item in self._points]
        distance = [item[offsets % len(item)] for item in self._distance]
        return torch.stack(points), torch.stack(distance)


def _initial_codes(
    latent_dim: int, observations: Sequence[Observation], config: ISSNInference, seed: int
) -> np.ndarray:
    """(S, R, D) float32: each shape's start depends on its id, so that batches can be cut anywhere."""
    shape = (config.restarts, latent_dim)
    draws = [np.random.default_rng([seed, stable_hash(item.shape_id)]).standard_normal(shape) for item in observations]
    return (config.initial_std * np.stack(draws)).astype(np.float32)


def _fit(objective: ISSNObjective, codes: Tensor, points: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean clamped error and prior, (S, R) each, of codes (S, R, D) at points (S, N, 3)."""
    shapes, restarts, _ = codes.shape
    output = objective.decoder(codes.flatten(0, 1), points.repeat_interleave(restarts, dim=0))
    truth = distance.repeat_interleave(restarts, dim=0)
    error = clamped_error(output[..., 0], truth, objective.config.clamp, objective.config.clamp_gradient).mean(dim=1)
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


def warnings(config: ISSNConfig) -> list[str]:
    """Values of lambda that appendix A.1 reports to fail."""
    value = config.saliency_weight
    if value == 0:
        return ["saliency_weight = 0 gives DeepSDF's loss: the saliency head is not trained and its map means nothing"]
    if value >= 1e-2:
        return [f"saliency_weight = {value:g} is at or above 1e-2: saliency saturates near 1 everywhere (appendix A.1)"]
    if value < 1e-4:
        return [f"saliency_weight = {value:g} is below 1e-4: saliency vanishes and distances suffer (appendix A.1)"]
    if value <= 1e-4:
        return [f"saliency_weight = {value:g}: saliency maps become noisy (appendix A.1)"]
    return []


_PAPER = "section 4.2"
_OPEN = "not stated; DeepSDF's value"
PAPER = Preset(
    summary="as published: 48 shapes x 16,384 queries on two 11 GB GPUs, 500 epochs per category",
    settings={
        "model.latent_dim": 256,
        "model.hidden": 512,
        "model.layers": 8,
        "model.skip_at": 4,
        "model.dropout": 0.2,
        "model.saliency_weight": 1e-3,
        "model.code_weight": 0.1,
        "model.clamp": 0.1,
        "model.clamp_gradient": "published",
        "train.epochs": 500,
        "train.shapes_per_step": 48,
        "train.points_per_shape": 16_384,
        "train.learning_rate": 5e-4,
        "train.code_learning_rate": 1e-3,
        "train.lr_step_epochs": 200,
        "train.lr_factor": 0.5,
    },
    origins={
        "model.latent_dim": _OPEN,
        "model.hidden": _OPEN,
        "model.layers": _OPEN,
        "model.skip_at": _OPEN,
        "model.dropout": _OPEN,
        "model.saliency_weight": "appendix A.1",
        "model.code_weight": _PAPER,
        "model.clamp": _PAPER,
        "model.clamp_gradient": "equation 2 as written",
        "train.epochs": _PAPER,
        "train.shapes_per_step": _PAPER,
        "train.points_per_shape": _PAPER,
        "train.learning_rate": _PAPER,
        "train.code_learning_rate": _PAPER,
        "train.lr_step_epochs": _PAPER,
        "train.lr_factor": _PAPER,
    },
)

_SMALL = "our choice: minutes on a laptop"
_TINY_SETTINGS = {
    "model.latent_dim": 32,
    "model.hidden": 128,
    "model.layers": 6,
    "model.skip_at": 3,
    "model.dropout": 0.0,
    "model.code_weight": 1e-4,
    "train.epochs": 500,
    "train.shapes_per_step": 16,
    "train.points_per_shape": 256,
    "train.learning_rate": 3e-3,
    "train.code_learning_rate": 1e-2,
    "train.lr_step_epochs": 160,
    "train.log_steps": 20,
    "train.checkpoint_epochs": 100,
    "inference.iterations": 200,
    "inference.points": 2_048,
    "inference.learning_rate": 2e-2,
}
TINY = Preset(
    summary="a small trunk that learns a few dozen shapes on two CPU cores in about a minute",
    settings=_TINY_SETTINGS,
    origins=dict.fromkeys(_TINY_SETTINGS, _SMALL),
)

FAMILY = Family(
    name="issn",
    summary="category-level shape saliency on a DeepSDF backbone (arXiv 2012.07290)",
    config=ISSNConfig,
    presets={"tiny": TINY, "paper": PAPER},
    needs=(Need("sdf", ("points", "distance")),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True, attributes=(SALIENCY,)),
    build=build,
    inference=ISSNInference,
    infer=infer,
    known=known,
    observe_cloud=observe_cloud,
    warnings=warnings,
)
