"""ISSN-CSL: saliency that also tells a category from others (arXiv 2012.07290, sections 3.2, 4.2 and appendix A.2).

The idea in five lines. ISSN's saliency says what the shapes of a category have in common, not what sets them apart. So
half of every batch is of the category of interest and half of others, and a PointNet must tell them apart from the
query points and their predicted distances, each multiplied by its saliency: Q = (P, F) s. Distances are detached, so
that the classifier reaches the network through saliency alone. Points that it needs become salient.

Legend: B shapes, N query points per shape. Equation 4: L = L_issn + gamma L_cls.

What the paper leaves open, and our choice (the rest as `shapesys.families.issn`):
- PointNet: the published classifier without its transforms, which would turn points that saliency has already scaled;
  dropout 0.3 before its scores, batch norm over all workers;
- the points it sees: all queries of the step, as figure 2 draws it;
- an epoch: a pass over the category of interest; the others are read pass after pass at their own pace;
- codes: of the others as well, since L_issn is a mean over the whole batch; an unseen shape starts from the best of at
  most 1,024 trained ones, since DeepSDF's start lies between the categories and got stuck there: on built-in bottles,
  benches and lamps, with 2.1, 1.4 and 1.2 times the error.

Weights that appendix A.2 found to fail are refused, unless `forced`.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional as F

from shapesys.config.base import Search, setting
from shapesys.families.base import Batch, Family, Need, Preset, Term, Terms, TrainingData, Traits
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.fields.saliency import attributes, check_common, saliency_warnings
from shapesys.families.issn.config import ISSNConfig, ISSNInference
from shapesys.families.issn.inference import observe_cloud
from shapesys.families.issn.objective import ISSNObjective
from shapesys.families.issn.presets import PAPER, TINY
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet import PointNetClassifier

LARGEST_RATIO = 1000.0
"""gamma / lambda from which on no surface could be reconstructed (appendix A.2)."""
FLAT_BELOW = 1.0
"""gamma below which, without lambda, saliency stayed almost the same everywhere (figure 8)."""

_WIDTHS = (64, 64, 64, 128, 1024)
_HEAD = (512, 256)
_DROPOUT = (0.0, 0.3)


class ISSNCSLConfig(ISSNConfig):
    """Equation 4."""

    saliency_weight: float = setting(
        1e-3,
        help="lambda of equation 4; 0 leaves saliency to the contrast alone",
        ge=0,
        search=Search(2e-4, 1e-2, log=True),
    )
    contrast_weight: float = setting(0.1, help="gamma of equation 4", gt=0, search=Search(1e-3, 0.5, log=True))
    contrast_width: float = setting(1.0, help="factor on PointNet's published widths", gt=0)
    forced: bool = setting(False, help="train even with weights that appendix A.2 found to fail")

    @property
    def learns_saliency(self) -> bool:
        return True

    @model_validator(mode="after")
    def _weights_can_work(self) -> ISSNCSLConfig:
        problem = failing_weights(self.saliency_weight, self.contrast_weight)
        if problem and not self.forced:
            raise ValueError(f"{problem}; choose other weights, or insist with --model.forced")
        return self


def failing_weights(saliency_weight: float, contrast_weight: float) -> str:
    """Why a pair of lambda and gamma fails, by appendix A.2; empty where it does not."""
    if saliency_weight == 0:
        if contrast_weight < FLAT_BELOW:
            return (
                f"contrast_weight = {contrast_weight:g} with saliency_weight = 0 leaves saliency almost the same "
                f"everywhere (appendix A.2, figure 8: it took {FLAT_BELOW:g})"
            )
    # Rounded, since 0.1 / 1e-4 is a little less than 1000 in binary.
    elif round(contrast_weight / saliency_weight, 6) >= LARGEST_RATIO:
        return (
            f"contrast_weight / saliency_weight = {contrast_weight / saliency_weight:g}: from {LARGEST_RATIO:g} on no "
            "surface can be reconstructed from the learned distances (appendix A.2)"
        )
    return ""


class ISSNCSLObjective(ISSNObjective):
    """Network, codes, classifier and loss of ISSN-CSL.

    Args:
        config: equation 4.
        data: ``interest`` is the category to tell from others; without, the objective can only infer.
    """

    def __init__(self, config: ISSNCSLConfig, data: TrainingData) -> None:
        super().__init__(config, data.shapes)
        widths = [max(4, round(width * config.contrast_width)) for width in _WIDTHS]
        head = [max(4, round(width * config.contrast_width)) for width in _HEAD]
        self.contrast_weight = config.contrast_weight
        self.classifier = PointNetClassifier(1, 1, widths, transforms=False, head=head, dropout=_DROPOUT)
        self.likely_starts = data.rows_of_interest
        self.interest = data.vocabulary.class_of(data.interest) if data.interest else None

    def forward(self, batch: Batch) -> Terms:
        """Equation 4. Batch: as equation 1's, and category_index (B,)."""
        if self.interest is None:
            raise ValueError("this objective was built without a category of interest, so it can only infer")
        terms, distance, weighted = self.salient_terms(batch)
        of_interest = batch["category_index"] == self.interest
        seed = batch.get("noise_seed") if self.training else None
        scores = self.tell_apart(batch["points"], distance, weighted.saliency, seed)
        loss = F.binary_cross_entropy_with_logits(scores, of_interest.to(scores.dtype))
        right = ((scores > 0) == of_interest).float().mean()
        losses = {**terms.losses, "contrast": Term(loss, self.contrast_weight)}
        statistics = {**terms.statistics, "contrast_accuracy": right, "of_interest": of_interest.float().mean()}
        return Terms(losses, statistics)

    def tell_apart(self, points: Tensor, distance: Tensor, saliency: Tensor, seed: Tensor | None = None) -> Tensor:
        """(B,) logit of the category of interest, from points (B, N, 3), distances and saliency (B, N)."""
        seen = torch.cat([points, distance.detach()[..., None]], dim=-1) * saliency[..., None]
        logits: Tensor = self.classifier(PointBatch(seen[..., :3], seen[..., 3:], noise_seed=seed))[0]
        return logits[:, 0] if logits.dtype == torch.float64 else logits[:, 0].float()


def build(config: ISSNCSLConfig, data: TrainingData) -> ISSNCSLObjective:
    """Fresh weights, and one code per training shape.

    Raises:
        ShapesysError: the category of interest is none of the data's.
    """
    return ISSNCSLObjective(config, data)


def check(config: ISSNCSLConfig, data: TrainingData) -> None:
    """Refuse a category of interest with one shape.

    Raises:
        ShapesysError: names it.
    """
    check_common(data, "family issn and --model.saliency-weight 0")


def warnings(config: ISSNCSLConfig) -> list[str]:
    """What the appendix warns of, and weights that were forced."""
    found = saliency_warnings(config.saliency_weight) if config.saliency_weight else []
    problem = failing_weights(config.saliency_weight, config.contrast_weight)
    return [*found, problem] if problem else found


def _preset(base: Preset, summary: str, own: dict[str, Any], origin: str) -> Preset:
    settings = {**base.settings, **own, "inference.trained_starts": 1024}
    origins = {**base.origins, **dict.fromkeys(own, origin), "inference.trained_starts": _STARTS}
    return Preset(summary, settings, origins)


_BOTH = {"model.saliency_weight": 1e-3, "model.contrast_weight": 0.1, "model.contrast_width": 1.0}
_ALONE = {"model.saliency_weight": 0.0, "model.contrast_weight": 1.0, "model.contrast_width": 1.0}
_WEIGHT = {"model.contrast_weight": 0.01}
_SLOW = {"train.learning_rate": 1e-3}
_SMALL: dict[str, Any] = {
    "model.contrast_width": 0.25,
    "train.epochs": 300,
    "train.lr_step_epochs": 100,
    # The classifier's first gradients are a hundred times those of distances; of its last ones nothing is left.
    "train.beta2": 0.99,
}
_STARTS = "our choice: not stated; DeepSDF's start lies between the categories and got stuck there"
_OURS = "our choice: minutes on a laptop, and gradients of distances that outlast those of the contrast"

FAMILY = Family(
    name="issn_csl",
    summary="ISSN with contrastive saliency learning: one category against all others (arXiv 2012.07290)",
    config=ISSNCSLConfig,
    presets={
        "tiny": _preset(
            TINY, "a small trunk and a quarter of PointNet's width, a minute on a core", {**_SMALL, **_WEIGHT}, _OURS
        ),
        "tiny_contrast": _preset(
            TINY, "the same with the contrast alone to train saliency", {**_ALONE, **_SMALL, **_SLOW}, _OURS
        ),
        "paper": _preset(PAPER, "as published: lambda 1e-3, gamma 0.1", _BOTH, "section 4.3"),
        "paper_contrast": _preset(PAPER, "as published: lambda 0, gamma 1", _ALONE, "section 4.3"),
    },
    needs=(Need("sdf", ("points", "distance")),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True, contrasts=True),
    build=build,
    inference=ISSNInference,
    infer=infer,
    known=known,
    latent=LATENT,
    attributes=attributes,
    observe_cloud=observe_cloud,
    warnings=warnings,
    check=check,
)
