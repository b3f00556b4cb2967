"""The objective of networks that label clouds or their points: cross-entropy, and how often they are right.

Legend: B clouds, N points, C categories, P parts of all categories together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Objective, Term, Terms, TrainingData
from shapesys.families.points.config import PointConfig
from shapesys.nets.batch_norm import set_momentum
from shapesys.nets.point_batch import PointBatch
from shapesys.samples.vocabulary import UNANNOTATED, Vocabulary

NOT_COUNTED = -100
"""Label of points that belong to no class; neither loss nor measure looks at them."""


class Labelled(NamedTuple):
    """What a network says.

    Attributes:
        logits: (B, C), or (B, N, P) for labels of points.
        penalties: name -> ((B,) value, weight) of further loss terms.
        statistics: name -> scalar, logged.
    """

    logits: Tensor
    penalties: Mapping[str, tuple[Tensor, float]] = {}
    statistics: Mapping[str, Tensor] = {}


class PointObjective(Objective):
    """A network and its cross-entropy. Families say in `label` how their network is called.

    Args:
        network: what `label` calls.
        config: of the family.
        data: the vocabulary is what logits are numbered by.
    """

    first_part: Tensor
    counted: Tensor
    parts: Tensor

    def __init__(self, network: nn.Module, config: PointConfig, data: TrainingData) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.vocabulary = data.vocabulary
        categories = self.vocabulary.categories
        firsts = [self.vocabulary.first_part(name) for name in categories]
        self.register_buffer("first_part", torch.tensor(firsts, dtype=torch.int64), persistent=False)
        self.register_buffer("parts", _members(self.vocabulary), persistent=False)
        self.register_buffer("counted", _counted(self.vocabulary), persistent=False)

    def label(self, cloud: PointBatch) -> Labelled:
        """The network's answer; overridden where it gives more than logits."""
        return Labelled(self.network(cloud))

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """The momentum of batch norm, as scheduled."""
        set_momentum(self.network, self.config.bn_momentum_at(epoch))

    def forward(self, batch: Batch) -> Terms:
        """Batch: points (B, N, 3), category_index (B,), noise_seed (B,), and features (B, N, F), order (B, M), labels
        (B, N), numbered within the category, and saliency (B, N) in [0, 1], where the configuration has them."""
        said = self.label(self.cloud_of(batch))
        logits = said.logits if said.logits.dtype == torch.float64 else said.logits.float()
        truth = self._truth(batch)
        loss = cross_entropy(logits, truth, self.config.smoothing, self.config.smoothing_over)
        losses = {"cross_entropy": Term(loss.mean())}
        losses |= {name: Term(value.mean(), weight) for name, (value, weight) in said.penalties.items()}
        return Terms(losses, self._measures(logits.detach(), truth, batch["category_index"]) | dict(said.statistics))

    def cloud_of(self, batch: Batch) -> PointBatch:
        """What the network sees of a batch."""
        return PointBatch(
            batch["points"],
            batch.get("features"),
            batch.get("order"),
            batch["category_index"] if self.config.tells_category else None,
            batch.get("noise_seed") if self.training else None,
            batch.get("saliency") if self.training and self.config.saliency_gradient else None,
        )

    def _truth(self, batch: Batch) -> Tensor:
        """(B,) category, or (B, N) part numbered through all categories, points without a class as `NOT_COUNTED`.

        A category whose parts have no names may hold any labels; they are no classes either.
        """
        category = batch["category_index"]
        if self.config.task == "classification":
            return category
        parts = batch["labels"] + self.first_part[category][:, None]
        last = self.parts.shape[1] - 1
        known = (self.parts[category] & self.counted).gather(1, parts.clamp_max(last)) & (parts <= last)
        return torch.where(known, parts, NOT_COUNTED)

    def _measures(self, logits: Tensor, truth: Tensor, category: Tensor) -> dict[str, Tensor]:
        """Means over the batch's clouds: accuracy, and IoU over the parts of each cloud's category."""
        if truth.ndim == 1:
            return {"accuracy": (logits.argmax(dim=1) == truth).float().mean()}
        known = truth != NOT_COUNTED
        allowed = self.parts[category] & self.counted
        guess = logits.masked_fill(~allowed[:, None], -torch.inf).argmax(dim=2)
        right = ((guess == truth) & known).float().sum(dim=1) / known.float().sum(dim=1).clamp_min(1)
        return {"accuracy": right.mean(), "iou": part_iou(guess, truth, allowed).mean()}


def part_iou(guess: Tensor, truth: Tensor, allowed: Tensor) -> Tensor:
    """(B,) mean IoU over the allowed parts (B, P) of each cloud; one absent in guess and truth (B, N) counts 1."""
    known = truth != NOT_COUNTED
    numbers = allowed.shape[1]
    one_guess = F.one_hot(guess, numbers) * known[..., None]
    one_truth = F.one_hot(truth.clamp_min(0), numbers) * known[..., None]
    both = (one_guess * one_truth).sum(dim=1).float()
    either = (one_guess | one_truth).sum(dim=1).float()
    iou = torch.where(either > 0, both / either.clamp_min(1), 1.0)
    return (iou * allowed).sum(dim=1) / allowed.sum(dim=1).clamp_min(1)


def cross_entropy(logits: Tensor, truth: Tensor, smoothing: float, over: str) -> Tensor:
    """(B,) cross-entropy of each cloud, the mean over its points where points are labelled.

    Smoothing over the others gives the true label 1 - e and every other e / (n - 1) (DGCNN's released loss); over all,
    every label e / n and the true one 1 - e more (torch's).
    """
    classes = logits.shape[-1]
    share = smoothing * classes / (classes - 1) if over == "others" and classes > 1 else smoothing
    flat = F.cross_entropy(
        logits.reshape(-1, classes),
        truth.reshape(-1),
        ignore_index=NOT_COUNTED,
        reduction="none",
        label_smoothing=share,
    ).view(truth.shape)
    if truth.ndim == 1:
        return flat
    return flat.sum(dim=1) / (truth != NOT_COUNTED).sum(dim=1).clamp_min(1)


def label_count(config: PointConfig, vocabulary: Vocabulary) -> int:
    """How many labels a network tells apart.

    Raises:
        ShapesysError: the data has too few of them, or too few for the label smoothing.
    """
    labels = _label_count(config, vocabulary)
    if config.smoothing_over == "others" and config.smoothing > (labels - 1) / labels:
        raise ShapesysError(
            f"model.smoothing = {config.smoothing:g} leaves the true one of {labels} labels less than the others; "
            f"set it below {(labels - 1) / labels:.3g}"
        )
    return labels


def check_labels(config: PointConfig, data: TrainingData) -> None:
    """Refuse shapes whose labels are too few to tell apart.

    Raises:
        ShapesysError: as `label_count`.
    """
    label_count(config, data.vocabulary)


def _label_count(config: PointConfig, vocabulary: Vocabulary) -> int:
    categories, parts = len(vocabulary.categories), vocabulary.part_count
    if config.task == "classification":
        if categories < 2:
            raise ShapesysError(
                f"classification needs two categories or more; the training shapes have {categories} "
                f"({', '.join(vocabulary.categories)}): name more with --categories, or prepare them; with "
                "--each-category, a network would see one alone"
            )
        return categories
    if parts < 2:
        raise ShapesysError(
            "the store names no parts for its labels, so points cannot be labelled; prepare a source with part names, "
            "or train with --model.task classification"
        )
    return parts


def told_categories(config: PointConfig, vocabulary: Vocabulary) -> int:
    """How many categories a network is told apart as an input; 0 where it is not told."""
    return len(vocabulary.categories) if config.tells_category else 0


def _members(vocabulary: Vocabulary) -> Tensor:
    """(C, P) which parts belong to which category."""
    members = torch.zeros(len(vocabulary.categories), vocabulary.part_count, dtype=torch.bool)
    for row, category in enumerate(vocabulary.categories):
        first, stop = vocabulary.part_range(category)
        members[row, first:stop] = True
    return members


def _counted(vocabulary: Vocabulary) -> Tensor:
    """(P,) which parts are classes at all."""
    names = [name for category in vocabulary.categories for name in vocabulary.parts_of(category)]
    return torch.tensor([name != UNANNOTATED for name in names], dtype=torch.bool)
