"""Decoders that are told each shape by a code, or are one shape: what they train on, and what they predict.

Legend: S shapes, R restarts, N queries, D latent dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shapesys.errors import UsageError
from shapesys.families.base import Batch, FieldPrediction, LatentSpace, Objective, Observation, Term
from shapesys.families.fields.codes import CodeSearch, Found, find_codes
from shapesys.families.observed import Queries
from shapesys.fields.field import FieldTraits
from shapesys.fields.network_field import NetworkField
from shapesys.nets.implicit_decoder import ImplicitDecoder


class Autodecoder(Objective):
    """A decoder and one code per training shape, drawn from N(0, code_std^2); or a decoder that is one shape.

    Attributes:
        decoder: its first output is the field.
        codes: (S, D), one row per training shape; absent where D is 0, and where a subclass reads codes off shapes.
        code_weight: of the prior |z|^2, in training and at test time.
        field_traits: what may be assumed of a predicted field.
        likely_starts: rows of codes that unseen shapes are likely to lie near; empty where all are alike.
    """

    codes: nn.Embedding

    def __init__(
        self, decoder: ImplicitDecoder, shapes: int, code_std: float, code_weight: float, field_traits: FieldTraits
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.code_weight = code_weight
        self.field_traits = field_traits
        self.likely_starts: Sequence[int] = ()
        if decoder.latent_dim and shapes:
            self.codes = nn.Embedding(shapes, decoder.latent_dim)
            nn.init.normal_(self.codes.weight, std=code_std)

    def codes_of(self, batch: Batch) -> tuple[Tensor, dict[str, Term]]:
        """The shapes' codes (B, D), and the losses that keep them small. Batch: shape_index (B,)."""
        if not self.holds_codes:
            return batch["points"].new_zeros(len(batch["points"]), 0), {}
        codes = self.codes(batch["shape_index"])
        return codes, {"code": self.prior(codes)}

    def decode(self, batch: Batch) -> tuple[Tensor, dict[str, Term]]:
        """(B, N, outputs) of the decoder with the shapes' codes, and the losses of these codes.

        Args:
            batch: what `codes_of` takes, points (B, N, 3), and noise_seed (B,) where there is dropout.
        """
        codes, losses = self.codes_of(batch)
        return self.decoder(codes, batch["points"], batch.get("noise_seed")), losses

    def prior(self, codes: Tensor) -> Term:
        """Of codes (B, D): the mean of |z|^2."""
        return Term(codes.square().sum(dim=1).mean(), self.code_weight)

    @abstractmethod
    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """(B, N) what a shape's code (B, D) is to make small at its queries, at test time."""

    def encoded(self, observations: Sequence[Observation]) -> Tensor | None:
        """(S, D) codes read off what is observed of unseen shapes; None where none are, and they start at random."""
        return None


def infer(
    objective: Autodecoder, observations: Sequence[Observation], config: CodeSearch, seed: int
) -> list[FieldPrediction]:
    """Predictions for unseen shapes, by the codes that fit what is observed of them.

    Raises:
        UsageError: the decoder is one shape, or trained codes are asked for where none are held.
    """
    found = _search(objective, observations, config, seed)
    return _predictions(objective, found.codes, [item.shape_id for item in observations], found.errors.tolist())


def known(objective: Autodecoder, rows: Sequence[int], shape_ids: Sequence[str]) -> list[FieldPrediction]:
    """Predictions for training shapes, from their trained codes; or for the one shape that the decoder is."""
    if not objective.holds_codes:
        return _predictions(objective, _trained(objective).new_zeros(len(rows), 0), shape_ids, None)
    return _predictions(objective, _rows_of_trained(objective, rows), shape_ids, None)


def trained_codes(objective: Autodecoder, rows: Sequence[int]) -> np.ndarray:
    """(S, D) float32 trained codes of training shapes, where they are held."""
    return _array(_rows_of_trained(objective, rows))


def found_codes(
    objective: Autodecoder, observations: Sequence[Observation], config: CodeSearch, seed: int
) -> np.ndarray:
    """(S, D) float32 codes of unseen shapes, as `infer` finds them.

    Raises:
        UsageError: as `infer`.
    """
    return _array(_search(objective, observations, config, seed).codes)


def decoded(objective: Autodecoder, codes: np.ndarray, names: Sequence[str]) -> list[FieldPrediction]:
    """Predictions for any codes (S, D)."""
    like = objective.decoder.head.weight
    return _predictions(objective, torch.as_tensor(codes, dtype=like.dtype, device=like.device), names, None)


LATENT = LatentSpace(found_codes, decoded, trained_codes)
"""The latent space of every `Autodecoder` whose decoder is not one shape."""


def _search(objective: Autodecoder, observations: Sequence[Observation], config: CodeSearch, seed: int) -> Found:
    """Codes of unseen shapes from the queries observed of them, all shapes and restarts in one batch."""
    objective.eval().requires_grad_(False)
    if not objective.decoder.latent_dim:
        raise UsageError("this network is one shape and has no code for another; fit it one: shapesys fit")
    if config.trained_starts and not objective.holds_codes:
        raise UsageError("trained_starts needs trained codes, but an encoder gives them; leave it at 0")

    def fit(codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
        return _fit(objective, codes, queries, config)

    trained, encoded = _trained(objective), objective.encoded(observations)
    return find_codes(fit, trained, observations, config, seed, objective.likely_starts, encoded)


def _rows_of_trained(objective: Autodecoder, rows: Sequence[int]) -> Tensor:
    index = torch.as_tensor(list(rows), device=objective.codes.weight.device)
    codes: Tensor = objective.codes(index)
    return codes.detach()


def _trained(objective: Autodecoder) -> Tensor:
    """(training shapes, D); empty where codes are not trained one by one."""
    if objective.holds_codes:
        return objective.codes.weight
    return objective.decoder.head.weight.new_empty(0, objective.decoder.latent_dim)


def _fit(objective: Autodecoder, codes: Tensor, queries: Queries, config: CodeSearch) -> tuple[Tensor, Tensor]:
    """Mean error and prior, (S, R) each, of codes (S, R, D) at queries of S shapes."""
    shapes, restarts, _ = codes.shape
    repeated = {name: values.repeat_interleave(restarts, dim=0) for name, values in queries.items()}
    error = objective.errors(codes.flatten(0, 1), objective.complete(repeated), config).mean(dim=1)
    return error.view(shapes, restarts), objective.code_weight * codes.square().sum(dim=2)


def _predictions(
    objective: Autodecoder, codes: Tensor, shape_ids: Sequence[str], errors: Sequence[float] | None
) -> list[FieldPrediction]:
    folded = objective.decoder.for_shapes(codes)
    norms = codes.norm(dim=1).tolist()
    found: list[FieldPrediction] = []
    for row, shape_id in enumerate(shape_ids):
        facts = {"code_norm": norms[row]} if objective.decoder.latent_dim else {}
        facts |= {"fit_error": errors[row]} if errors is not None else {}
        found.append(FieldPrediction(shape_id, NetworkField(folded, row, objective.field_traits), facts))
    return found


def _array(codes: Tensor) -> np.ndarray:
    return codes.detach().float().cpu().numpy()
