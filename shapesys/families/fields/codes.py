"""Latent codes of unseen shapes: the decoder is frozen, and the codes of all shapes are optimised in one batch.

DeepSDF's `reconstruct.py` (Park et al., CVPR 2019), with restarts, and any number of shapes at a time.

DeepSDF starts from a code near 0, amid the shapes of its one category. Among the codes of several categories 0 is
amid none, and from there the optimisation ends between them; it may start from the trained codes that fit best instead.

Legend: S shapes, R restarts, K trained codes tried, D latent dimensions, N queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapesys.config.base import Config, setting
from shapesys.families.base import Observation
from shapesys.families.observed import ObservedQueries, Queries
from shapesys.families.steps import tell
from shapesys.samples.seeds import stable_hash

Fit = Callable[[Tensor, Queries], tuple[Tensor, Tensor]]
"""(codes (S, R, D), queries) -> error of the fit and prior of the code, (S, R) each."""


class CodeSearch(Config):
    """Test-time optimisation of the latent code, the network frozen."""

    iterations: int = setting(800, help="Adam iterations; 0 keeps the first code", ge=0)
    learning_rate: float = setting(5e-3, help="Adam's rate; a tenth of it from the middle on", gt=0)
    points: int = setting(8_000, help="queries per shape and iteration", ge=1)
    restarts: int = setting(1, help="initial codes per shape; the best final fit is kept", ge=1)
    initial_std: float = setting(0.01, help="standard deviation of initial codes", ge=0)
    trained_starts: int = setting(
        0,
        help="trained codes, first those of the category of interest, that are tried beside one initial code; the best "
        "of all are optimised, as many as restarts",
        ge=0,
    )


_TRIED_AT = 512
"""Queries by which first codes are compared."""


class Found(NamedTuple):
    """Codes (S, D) of the best restarts, and the errors (S,) of their fits."""

    codes: Tensor
    errors: Tensor


def find_codes(
    fit: Fit,
    trained: Tensor,
    observations: Sequence[Observation],
    config: CodeSearch,
    seed: int,
    likely: Sequence[int] = (),
    encoded: Tensor | None = None,
) -> Found:
    """The codes that fit the observed queries best.

    A shape's result depends on the trained network and codes, its own queries, its id and the seed, never on the shapes
    beside it.

    Args:
        trained: (number of training shapes, D) their codes.
        likely: rows of those that are tried before others, where not all are.
        encoded: (S, D) first codes; further restarts start near them. Without, all start near 0.
    """
    device = trained.device
    queries = ObservedQueries(observations, device, seed)
    codes = torch.from_numpy(_initial_codes(trained.shape[1], observations, config, seed)).to(device)
    if encoded is not None:
        codes[:, 0] = 0.0
        codes += encoded.unsqueeze(1)
    if config.trained_starts:
        tried = trained.detach()[_some(len(trained), config.trained_starts, likely, seed)]
        codes = _best_starts(fit, codes, tried, queries, config)
    codes.requires_grad_(True)
    optimiser = torch.optim.Adam([codes], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=max(1, (config.iterations + 1) // 2), gamma=0.1)
    for iteration in range(config.iterations):
        tell(iteration, config.iterations)
        optimiser.zero_grad(set_to_none=True)
        error, prior = fit(codes, queries.window(iteration, config.points))
        (error + prior).sum().backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        final, _ = fit(codes, queries.window(0, max(config.points, 16_384)))
        best = final.argmin(dim=1)
        rows = torch.arange(len(observations), device=device)
        return Found(codes[rows, best], final[rows, best])


def _some(rows: int, count: int, likely: Sequence[int], seed: int) -> list[int]:
    """At most `count` of the rows: likely ones first, then others; drawn by the seed where there are more."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(np.asarray(likely, int))[:count]
    others = random.permutation(np.setdiff1d(np.arange(rows), chosen))[: count - len(chosen)]
    return sorted([*chosen.tolist(), *others.tolist()])


@torch.no_grad()
def _best_starts(fit: Fit, initial: Tensor, trained: Tensor, queries: ObservedQueries, config: CodeSearch) -> Tensor:
    """(S, R, D): of a shape's first initial code and the trained ones (K, D), those that fit best.

    Its further initial codes (S, R, D), all alike, fill up where there are too few.
    """
    candidates = torch.cat([initial[:, :1], trained.expand(len(initial), -1, -1)], dim=1)
    count = min(config.points, _TRIED_AT)
    window = queries.window(0, count)
    # As many codes at a time as take no more memory than the optimisation.
    at_once = max(1, config.restarts * config.points // count)
    errors = torch.cat([fit(some, window)[0] for some in candidates.split(at_once, dim=1)], dim=1)
    order = errors.argsort(dim=1, stable=True)
    ranked = candidates.gather(1, order[..., None].expand_as(candidates))
    return torch.cat([ranked, initial[:, 1:]], dim=1)[:, : initial.shape[1]].contiguous()


def _initial_codes(latent_dim: int, observations: Sequence[Observation], config: CodeSearch, seed: int) -> np.ndarray:
    """(S, R, D) float32: each shape's start depends on its id, so that batches can be cut anywhere."""
    shape = (config.restarts, latent_dim)
    draws = [np.random.default_rng([seed, stable_hash(item.shape_id)]).standard_normal(shape) for item in observations]
    return (config.initial_std * np.stack(draws)).astype(np.float32)
