"""The encoder against its plain form: every block told the cloud's maximum by concatenation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from shapesys.nets.point_encoder import PointEncoder, Posterior


def made(latent: int = 6, width: int = 12) -> PointEncoder:
    torch.manual_seed(0)
    encoder = PointEncoder(latent, width).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return encoder


def plain(encoder: PointEncoder, points: Tensor) -> Posterior:
    """`SimplePointnet_VAE` as published."""
    features = encoder.blocks[0](encoder.positions(points).relu())
    for block in encoder.blocks[1:]:
        pooled = features.amax(dim=1, keepdim=True).expand(-1, points.shape[1], -1)
        features = block(torch.cat([features, pooled], dim=2).relu())
    last = features.amax(dim=1).relu()
    return Posterior(encoder.mean(last), encoder.log_std(last))


def test_it_is_the_published_network_with_gradients() -> None:
    encoder, points = made(), torch.rand(3, 40, 3, dtype=torch.float64)
    expected, found = plain(encoder, points), encoder(points)
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.log_std, expected.log_std)
    parameters = list(encoder.parameters())
    wanted = torch.autograd.grad(expected.mean.square().sum() + expected.log_std.sum(), parameters)
    got = torch.autograd.grad(found.mean.square().sum() + found.log_std.sum(), parameters)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_released_size() -> None:
    assert sum(parameter.numel() for parameter in PointEncoder(256, 512).parameters()) == 2_365_952


def test_neither_order_nor_neighbours_matter() -> None:
    encoder, points = made(), torch.rand(3, 40, 3, dtype=torch.float64)
    together = encoder(points).mean
    torch.testing.assert_close(encoder(points[:, torch.randperm(40)]).mean, together)
    torch.testing.assert_close(encoder(points[1:2]).mean, together[1:2])


def test_it_starts_as_one_narrow_posterior() -> None:
    posterior = PointEncoder(4, 8)(torch.rand(2, 10, 3))
    assert not posterior.mean.any()
    torch.testing.assert_close(posterior.log_std, torch.full((2, 4), -10.0))
    drawn = posterior.draw(torch.ones(2, 4))
    torch.testing.assert_close(drawn, torch.full((2, 4), math.exp(-10)))


def test_sals_regulariser_is_least_for_a_mean_of_zero_and_a_deviation_of_one_over_e() -> None:
    mean, log_std = torch.tensor([[0.5, -0.5]]), torch.tensor([[-1.0, 1.0]])
    torch.testing.assert_close(Posterior(mean, log_std).size(), torch.tensor(0.5 + 1.0))
    assert float(Posterior(torch.zeros(1, 2), -torch.ones(1, 2)).size()) == 0.0
