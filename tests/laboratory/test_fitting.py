"""Samples in batches, and the errors that figures compare."""

from __future__ import annotations

import torch

from shapesys.laboratory.fitting import Samples, absolute, sal, sald, sobolev, squared
from shapesys.laboratory.networks import Networks, Shape


def samples(count: int = 10) -> Samples:
    points = torch.arange(2.0 * count).view(1, count, 2) / count
    return Samples(points, points.norm(dim=-1) + 0.1, torch.ones_like(points))


def test_batches_go_round_and_a_rest_is_left_out() -> None:
    held = samples(10)
    first = [held.part(step, 4).points[0, 0, 0].item() for step in range(4)]
    assert first == [held.points[0, at, 0].item() for at in (0, 4, 0, 4)]
    part = held.part(1, 4)
    assert part.values.shape == (1, 4)
    torch.testing.assert_close(part.values, held.values[:, 4:8])
    assert held.part(7, 11) is held


def test_sign_agnostic_errors_take_the_negative_for_the_same_and_plain_ones_do_not() -> None:
    networks, held = Networks(Shape(2, width=8), (0,)), samples()
    values, gradients = networks.with_gradients(held.points)
    expected = (values.abs() - held.values).abs()
    torch.testing.assert_close(sal(networks, held), expected)
    torch.testing.assert_close(absolute(networks, held), (values - held.values).abs())
    torch.testing.assert_close(squared(networks, held), (values - held.values) ** 2)
    of_gradients = torch.minimum((gradients - 1).abs().sum(-1), (gradients + 1).abs().sum(-1))
    torch.testing.assert_close(sald(0.3)(networks, held), expected + 0.3 * of_gradients)
    torch.testing.assert_close(sobolev(networks, held), (values - held.values) ** 2 + ((gradients - 1) ** 2).sum(-1))
    before = {error: error(networks, held).detach() for error in (sal, sald(0.3), absolute, squared, sobolev)}
    with torch.no_grad():
        networks.weights[-1].neg_()
        networks.biases[-1].neg_()
    same = [torch.allclose(error(networks, held), was) for error, was in before.items()]
    assert same == [True, True, False, False, False]
