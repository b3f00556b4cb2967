"""Heads: layers and dropout."""

from __future__ import annotations

import pytest
import torch

from shapesys.nets.dropout import dropout, shape_noise
from shapesys.nets.heads import Head


@pytest.mark.parametrize("shape", [(6, 12), (6, 9, 12)])
def test_a_shapes_masks_come_from_its_seed_alone(shape: tuple[int, ...]) -> None:
    x, seeds = torch.ones(shape), torch.arange(6) + 40
    together = dropout(x, 0.3, True, shape_noise(seeds, x.device))
    alone = torch.cat([dropout(x[i : i + 1], 0.3, True, shape_noise(seeds[i : i + 1], x.device)) for i in range(6)])
    assert torch.equal(together, alone)
    assert together.unique().numel() == 2
    assert not torch.equal(together[0], together[1])


def test_dropout_is_unbiased_and_off_in_evaluation() -> None:
    x = torch.ones(100, 4001)
    found = dropout(x, 0.4, True)
    assert abs(float(found.mean()) - 1.0) < 5 * (0.4 / 0.6 / x.numel()) ** 0.5
    assert dropout(x, 0.4, False) is x
    assert dropout(x, 0.0, True) is x


def test_layers_are_linear_norm_relu_and_scores() -> None:
    head = Head(12, (8, 6), 3, (0.5, 0.5)).eval()
    x = torch.randn(5, 12)
    hidden = x
    for linear, norm in zip(head.linears, head.norms, strict=True):
        hidden = norm(hidden @ linear.weight.t()).relu()
    torch.testing.assert_close(head(x), hidden @ head.scores.weight.t() + head.scores.bias)
    torch.testing.assert_close(head.from_first(x @ head.first_weight.t()), head(x))


def test_training_draws_from_the_seeds() -> None:
    head = Head(12, (64,), 3, (0.5,))
    x = torch.randn(5, 12)
    assert torch.equal(head(x, torch.arange(5)), head(x, torch.arange(5)))
    assert not torch.equal(head(x, torch.arange(5)), head(x, torch.arange(5) + 1))


def test_a_head_without_hidden_layers() -> None:
    assert Head(12, (), 3, ())(torch.randn(5, 12)).shape == (5, 3)


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="one chance per hidden layer"):
        Head(12, (8, 6), 3, (0.5,))
