"""Decoders that are told each shape by a code: predictions for trained codes, and for codes found of unseen shapes.

Legend: S shapes, R restarts, N queries, D latent dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shapesys.families.base import Batch, FieldPrediction, Objective, Observation, Prediction, Term
from shapesys.families.fields.codes import CodeSearch, Queries, find_codes
from shapesys.fields.field import FieldTraits
from shapesys.fields.network_field import NetworkField
from shapesys.nets.implicit_decoder import ImplicitDecoder


class Autodecoder(Objective):
    """A decoder and one code per training shape, drawn from N(0, code_std^2).

    Attributes:
        decoder: its first output is the field.
        codes: (S, D), one row per training shape.
        code_weight: of the prior |z|^2, in training and at test time.
        field_traits: what may be assumed of a predicted field.
        likely_starts: rows of codes that unseen shapes are likely to lie near; empty where all are alike.
    """

    def __init__(
        self, decoder: ImplicitDecoder, shapes: int, code_std: float, code_weight: float, field_traits: FieldTraits
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.code_weight = code_weight
        self.field_traits = field_traits
        self.likely_starts: Sequence[int] = ()
        self.codes = nn.Embedding(shapes, decoder.latent_dim)
        nn.init.normal_(self.codes.weight, std=code_std)

    def decode(self, batch: Batch) -> tuple[Tensor, Term]:
        """(B, N, outputs) of the decoder with the shapes' codes, and the prior of these codes.

        Args:
            batch: shape_index (B,), points (B, N, 3), and noise_seed (B,) where there is dropout.
        """
        codes = self.codes(batch["shape_index"])
        output = self.decoder(codes, batch["points"], batch.get("noise_seed"))
        return output, self.prior(codes)

    def prior(self, codes: Tensor) -> Term:
        """Of codes (B, D): the mean of |z|^2."""
        return Term(codes.square().sum(dim=1).mean(), self.code_weight)

    @abstractmethod
    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Error of the first output against the observed ``distance``, elementwise."""

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """(B, N) what a shape's code (B, D) is to make small at its queries, at test time."""
        return self.error(self.decoder(codes, queries["points"])[..., 0], queries["distance"])


def infer(
    objective: Autodecoder, observations: Sequence[Observation], config: CodeSearch, seed: int
) -> list[Prediction]:
    """Codes of unseen shapes from the queries observed of them, all shapes and restarts in one batch."""
    objective.eval().requires_grad_(False)

    def fit(codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
        return _fit(objective, codes, queries, config)

    found = find_codes(fit, objective.codes.weight, observations, config, seed, objective.likely_starts)
    return _predictions(objective, found.codes, [item.shape_id for item in observations], found.errors.tolist())


def known(objective: Autodecoder, rows: Sequence[int], shape_ids: Sequence[str]) -> list[Prediction]:
    """Predictions for training shapes, from their trained codes."""
    index = torch.as_tensor(list(rows), device=objective.codes.weight.device)
    return _predictions(objective, objective.codes(index).detach(), shape_ids, None)


def _fit(objective: Autodecoder, codes: Tensor, queries: Queries, config: CodeSearch) -> tuple[Tensor, Tensor]:
    """Mean error and prior, (S, R) each, of codes (S, R, D) at queries of S shapes."""
    shapes, restarts, _ = codes.shape
    repeated = {name: values.repeat_interleave(restarts, dim=0) for name, values in queries.items()}
    error = objective.errors(codes.flatten(0, 1), repeated, config).mean(dim=1)
    return error.view(shapes, restarts), objective.code_weight * codes.square().sum(dim=2)


def _predictions(
    objective: Autodecoder, codes: Tensor, shape_ids: Sequence[str], errors: Sequence[float] | None
) -> list[Prediction]:
    folded = objective.decoder.for_shapes(codes)
    norms = codes.norm(dim=1).tolist()
    found: list[Prediction] = []
    for row, shape_id in enumerate(shape_ids):
        facts = {"code_norm": norms[row]} | ({"fit_error": errors[row]} if errors is not None else {})
        found.append(FieldPrediction(shape_id, NetworkField(folded, row, objective.field_traits), facts))
    return found
