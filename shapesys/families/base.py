"""What every model family declares, and the small types that families and generic code exchange.

Generic code asks these objects what they declare; it never asks for a family's name.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shapesys.config.base import Config
from shapesys.fields.field import Field
from shapesys.samples.settings import UnsignedConfig
from shapesys.samples.shape_ids import category_of
from shapesys.samples.vocabulary import Vocabulary

Batch = Mapping[str, Tensor]
"""Columns of B shapes, stacked: those of the needed views, or what the family's `sample` made of them; plus
``shape_index`` (B,), ``category_index`` (B,), the place in the vocabulary, and ``noise_seed`` (B,), all int64."""


@dataclass(frozen=True)
class Term:
    """A scalar loss term, averaged over the batch's shapes, and its weight."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Terms:
    """What an objective returns: weighted loss terms, and statistics that are logged but not optimised.

    Every value is a mean over the batch's shapes, so that workers with unequal shares can be averaged exactly.
    """

    losses: Mapping[str, Term]
    statistics: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)

    def total(self) -> Tensor:
        """Weighted sum. A term of weight zero stays in the graph, so every parameter keeps a gradient under DDP."""
        return torch.stack([term.weight * term.value for term in self.losses.values()]).sum()

    def scalars(self) -> dict[str, Tensor]:
        """``loss/...`` and ``statistics/...``, detached."""
        losses = {f"loss/{name}": term.value.detach() for name, term in self.losses.items()}
        statistics = {f"statistics/{name}": value.detach() for name, value in self.statistics.items()}
        return {"loss/total": self.total().detach()} | losses | statistics


class Objective(nn.Module, ABC):
    """Network and loss in one module, so that one distributed wrapper sees every parameter the loss uses.

    A family with per-shape codes keeps them in ``self.codes``, an embedding with one row per training shape.
    """

    @abstractmethod
    def forward(self, batch: Batch) -> Terms:
        """Loss terms of one batch."""

    def complete(self, batch: Batch) -> Batch:
        """The batch with whatever a step draws at random for its shapes, by their ``noise_seed``; again: no change."""
        return batch

    @property
    def holds_codes(self) -> bool:
        """Whether it has a code of its own for every training shape."""
        return isinstance(getattr(self, "codes", None), nn.Embedding)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Called before every step with the pass over the shapes that it belongs to, from 0, and how many there will
        be: for schedules of the model's own, such as the momentum of batch norm."""


@dataclass(frozen=True)
class Need:
    """A view, and the columns of it, that a family trains on."""

    view: str
    columns: tuple[str, ...]


PICTURES = Need("images", ("image",))
"""What a family reads that is shown pictures."""


@dataclass(frozen=True)
class TrainingData:
    """What an objective must know of the data it is built for.

    Attributes:
        shapes: number of training shapes.
        vocabulary: the categories and parts that labels refer to.
        interest: the category that is told from all others, for families that contrast; empty where there is none.
        counts: category -> its training shapes; empty where nobody counted.
        rows_of_interest: those of its training shapes among all; empty where nobody looked.
        chunk: column -> its rows in a chunk of one shape; empty where shapes are read as wholes, or nobody looked.
    """

    shapes: int
    vocabulary: Vocabulary = dataclasses.field(default_factory=Vocabulary)
    interest: str = ""
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    rows_of_interest: Sequence[int] = ()
    chunk: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, shape_ids: Sequence[str], vocabulary: Vocabulary, interest: str, chunk: Mapping[str, int] | None = None
    ) -> TrainingData:
        """What the ids of the training shapes tell."""
        categories = [category_of(shape_id) for shape_id in shape_ids]
        rows = [row for row, category in enumerate(categories) if category == interest]
        return cls(len(shape_ids), vocabulary, interest, Counter(categories), rows, chunk or {})


@dataclass(frozen=True)
class SampleRequest:
    """What the reader asks of a family's `sample` for one shape in one step.

    Attributes:
        shape_id: names the shape in errors.
        count: points (or pixels) to return, the same for every shape of the run.
        seed: of everything random; belongs to shape and step, so that any process draws the same.
        training: whether to augment; without, the same shape always gives the same.
        scale: length in the file's unit that is 1 in the normalised frame.
        ordered: whether stored points are in the order of farthest point sampling.
    """

    shape_id: str
    count: int
    seed: int
    training: bool
    scale: float = 1.0
    ordered: bool = True


Arrays = Mapping[str, np.ndarray]

Sample = Callable[[Any, Arrays, SampleRequest], Arrays]
"""(model config, a shape's stored columns, request) -> the arrays of one batch row. Pure NumPy, run where data is read;
raises `ShapesysError` for a shape that cannot be used."""


@dataclass(frozen=True)
class Traits:
    """What generic code must know of a family.

    Attributes:
        per_shape_codes: the objective holds one latent code per training shape.
        unused_parameters: some batch may leave a parameter without a gradient.
        gradient_at_evaluation: inference needs autograd (test-time optimisation).
        judged_by: scalars of `Terms.scalars`; by the first that an objective gives, a checkpoint is chosen on held-out
            shapes.
        higher_is_better: of these scalars.
        contrasts: half of every batch is of one category of interest, and half of all others.
        trained: the objective has parameters, which training sets. Without, it has nothing to train: a run is its
            settings, made at once, and no batch is ever asked for.
    """

    per_shape_codes: bool = False
    unused_parameters: bool = False
    gradient_at_evaluation: bool = False
    judged_by: tuple[str, ...] = ("loss/total",)
    higher_is_better: bool = False
    contrasts: bool = False
    trained: bool = True


@dataclass(frozen=True)
class SaliencyUse:
    """What a model does with saliency maps, which generic code joins to a shape's columns as ``saliency`` (m,).

    Attributes:
        training: it is trained with them.
        chosen: points of every shape, unseen ones too, that are chosen by them in place of as many as are asked for; 0
            where they choose none.
    """

    training: bool = False
    chosen: int = 0


@dataclass(frozen=True)
class Preset:
    """Named settings of a family: changes to the defaults, and where each value comes from.

    Attributes:
        summary: one line: hardware it is meant for, and what to expect.
        settings: dotted path -> value, over sections ``model`` and ``train``.
        origins: dotted path -> source of the value: a paper's section, or our choice and why.
    """

    summary: str
    settings: Mapping[str, Any]
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """What is known of one unseen shape at test time, in its normalised frame.

    Attributes:
        shape_id: names the shape in results.
        columns: the columns of the view that the family infers from, each (n, ...).
        category: the shape's category where it is known; empty where not.
        scale: length in the file's unit that is 1 in the normalised frame.
    """

    shape_id: str
    columns: Mapping[str, np.ndarray]
    category: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class FieldPrediction:
    """Inference's answer as a field, with facts worth recording beside the metrics.

    Attributes:
        facts: numbers.
        curves: how numbers went while the shape was optimised, by iteration: (n,) float32.
    """

    shape_id: str
    field: Field
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    curves: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class PointPrediction:
    """Inference's answer as scores of labels: of the whole shape, of each of its points, or both.

    Attributes:
        vocabulary: what the scores' last axes are numbered by.
        class_scores: (C,) log probability of each category, or None.
        part_scores: (n, P) log probability of each part of all categories at every observed point, or None.
        facts: numbers worth recording beside the metrics.
    """

    shape_id: str
    vocabulary: Vocabulary
    class_scores: np.ndarray | None = None
    part_scores: np.ndarray | None = None
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class SuperpixelPrediction:
    """Inference's answer as superpixels of one image, at one or more requested counts.

    Attributes:
        maps: requested count -> (h, w) int32 superpixel of every pixel, from 0.
        facts: numbers worth recording beside the metrics.
    """

    shape_id: str
    maps: Mapping[int, np.ndarray]
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)


Prediction = FieldPrediction | PointPrediction | SuperpixelPrediction


@dataclass(frozen=True)
class LatentSpace:
    """The codes by which a family tells shapes, apart from the fields that they stand for.

    Legend: S shapes, D latent dimensions; codes are (S, D) float32.

    Attributes:
        found: (objective, observations, inference config, seed) -> codes of unseen shapes, those behind what
            `Family.infer` predicts.
        decoded: (objective, codes, a name for each) -> what any codes stand for, whether or not a shape has them.
        trained: (objective, rows of training shapes) -> their codes, where `Objective.holds_codes`; None for families
            of which none does.
    """

    found: Callable[[Any, Sequence[Observation], Any, int], np.ndarray]
    decoded: Callable[[Any, np.ndarray, Sequence[str]], Sequence[FieldPrediction]]
    trained: Callable[[Any, Sequence[int]], np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Family:
    """One model family.

    Attributes:
        name: what users type.
        summary: one line for ``shapesys list families``.
        config: the frozen model configuration.
        presets: at least ``tiny`` and ``paper``.
        needs: views and columns it trains on, of which `need` tells what a configuration takes.
        traits: what generic code must know.
        build: (model config, what to know of the data) -> objective with fresh weights from torch's generator.
        predicts: the class of what `infer` returns, which decides how it is measured.
        infer: (objective, observations, inference config, seed) -> one prediction per observation.
        sample: makes a batch row of a shape's columns; None where stored chunks are batch rows already.
        saliency_use: model config -> what it does with saliency maps; None for families that know none.
        known: (objective, rows of training shapes, their ids) -> predictions from what was trained of each; None
            without.
        latent: the codes of its shapes, but for models of which `one_network_each` holds; None for families without.
        inference: configuration of `infer`.
        attributes: model config -> what predicted fields carry at every point beside their value, e.g. ``saliency``.
        observe_cloud: (points, normals, inference config, seed) -> columns for an observation, from a user's cloud.
        observe_points: (points, inference config, seed) -> the same where a cloud has no normals, or needs none.
        unsigned: inference config -> how distances are sampled about a user's own mesh, where `observe_points` samples
            them about points; None for the sampler's defaults.
        columns: model config -> further columns of the first needed view that it takes.
        observes: the view, and the columns of it, that `infer` is shown; None for those that it trains on.
        pictures: model config -> pixels a side of the one picture that it is shown of each shape, in place of all else
            where shapes are unseen: the column ``picture`` (3, S, S), from 0 to 1; 0 where it sees none.
        optimises_networks: inference config -> whether `infer` optimises a network for each shape, which takes long.
        sees_windows: model config -> whether it sees scenes window by window, which processes can share.
        one_network_each: model config -> whether a network is one shape, fitted where the shape is met, and training
            has nothing to share among shapes. `known` gives what was fitted, as row 0.
        warnings: model config -> sentences about values known to misbehave.
        check: (model config, what to know of the data) -> None; raises `ShapesysError` for shapes that cannot teach
            what the family is to learn.
    """

    name: str
    summary: str
    config: type[Config]
    presets: Mapping[str, Preset]
    needs: tuple[Need, ...]
    traits: Traits
    build: Callable[[Any, TrainingData], Objective]
    inference: type[Config]
    infer: Callable[[Any, Sequence[Observation], Any, int], Sequence[Prediction]]
    predicts: type[Prediction] = FieldPrediction
    sample: Sample | None = None
    saliency_use: Callable[[Any], SaliencyUse] | None = None
    known: Callable[[Any, Sequence[int], Sequence[str]], Sequence[Prediction]] | None = None
    latent: LatentSpace | None = None
    attributes: Callable[[Any], tuple[str, ...]] = lambda config: ()
    observe_cloud: Callable[[np.ndarray, np.ndarray, Any, int], Mapping[str, np.ndarray]] | None = None
    observe_points: Callable[[np.ndarray, Any, int], Mapping[str, np.ndarray]] | None = None
    unsigned: Callable[[Any], UnsignedConfig] | None = None
    columns: Callable[[Any], tuple[str, ...]] = lambda config: ()
    observes: Need | None = None
    pictures: Callable[[Any], int] = lambda config: 0
    optimises_networks: Callable[[Any], bool] = lambda config: False
    sees_windows: Callable[[Any], bool] = lambda config: False
    one_network_each: Callable[[Any], bool] = lambda config: False
    warnings: Callable[[Any], list[str]] = lambda config: []
    check: Callable[[Any, TrainingData], None] = lambda config, data: None

    def need(self, config: Any) -> Need:
        """The view, and all columns of it, that a model configuration trains on."""
        view, columns = self.needs[0].view, self.needs[0].columns
        return Need(view, tuple(dict.fromkeys((*columns, *self.columns(config)))))

    def observed(self, config: Any) -> Need:
        """The view, and all columns of it, that a model configuration infers from."""
        return PICTURES if self.pictures(config) else self.observes or self.need(config)

    def trained_views(self, config: Any) -> tuple[str, ...]:
        """The views that a shape must have to be trained on."""
        return (self.need(config).view, *((PICTURES.view,) if self.pictures(config) else ()))
