"""ConvONet as it is usually written in PyTorch, to compare with: dense tables of cells, `grid_sample`, map after map;
and SA-ConvONet's optimisation as released: the cloud repeated for every set of queries, and encoded with each.

What torch_scatter does is done by torch's own `scatter_reduce`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.families.convonet.config import Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.nets.feature_maps import FeatureMap
from shapesys.nets.local_decoder import LocalDecoder
from shapesys.nets.local_pointnet import LocalPointNet
from shapesys.nets.residual_block import ResidualBlock

NOTHING = -1e4
"""Below any feature: what a cell without points holds before its maximum."""


def logits(network: ConvONetObjective, points: Tensor, queries: Tensor) -> Tensor:
    """(B, N) of clouds (B, M, 3) and queries (B, N, 3), with the network's weights."""
    return decoded(network, queries, encoded(network, points))


def encoded(network: ConvONetObjective, points: Tensor) -> list[Tensor]:
    """Features (B, C, ...) of every map, as images and volumes."""
    found = _points(network.encoder.points, network.space.maps, network.space.side, points)
    encoder = network.encoder
    done = []
    for one, features in zip(network.space.maps, found, strict=True):
        unet = encoder.planes if len(one.axes) == 2 else encoder.grid
        assert unet is not None
        # Ours takes channels last, and is given contiguous images here as it is usually done.
        image = features.view(*features.shape[:2], *[one.resolution] * len(one.axes))
        done.append(_unet(unet, image))
    return done


def decoded(network: ConvONetObjective, queries: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """(B, N) logits."""
    features = torch.stack(
        [_sampled(one, image, queries, network.space.side) for one, image in zip(network.space.maps, maps, strict=True)]
    ).sum(dim=0)
    decoder: LocalDecoder = network.decoder
    x = decoder.position(queries)
    width = len(decoder.position.weight)
    for number, block in enumerate(decoder.blocks):
        own = slice(number * width, (number + 1) * width)
        assert decoder.features.bias is not None
        x = _residual(block, x + F.linear(features, decoder.features.weight[own], decoder.features.bias[own]))
    return F.linear(x.relu(), decoder.out.weight, decoder.out.bias).squeeze(-1)


def unsigned_steps(network: ConvONetObjective, cloud: Tensor, schedule: Schedule) -> Callable[[Tensor], float]:
    """What takes one step of the released optimisation on a copy, for queries (sets, N, 3), and gives the loss."""
    own = copy.deepcopy(network).train().requires_grad_(True)
    adam = torch.optim.Adam(own.parameters(), lr=schedule.learning_rate)
    clouds = cloud.expand(schedule.batches, -1, -1).contiguous()

    def step(queries: Tensor) -> float:
        adam.zero_grad()
        found = logits(own, clouds, queries)
        targets = torch.ones_like(found)
        targets[:, : schedule.surface] = 0.5
        loss = F.binary_cross_entropy_with_logits(found.abs(), targets, reduction="none").sum(dim=1).mean()
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


def _points(network: LocalPointNet, maps: Sequence[FeatureMap], side: float, points: Tensor) -> list[Tensor]:
    """(B, C, cells) of every map."""
    numbers = [one.cell(points, side) for one in maps]
    features = network.positions(points)
    first, *others = network.blocks
    features = _residual(first, features)
    for block in others:
        pooled = torch.zeros_like(features)
        for one, cells in zip(maps, numbers, strict=True):
            index = cells.unsqueeze(1).expand(-1, features.shape[2], -1)
            empty = torch.full((len(points), features.shape[2], one.cells), NOTHING)
            table = empty.scatter_reduce(2, index, features.transpose(1, 2), "amax")
            pooled = pooled + table.gather(2, index).transpose(1, 2)
        features = _residual(block, torch.cat([features, pooled], dim=2))
    features = F.linear(features, network.features.weight, network.features.bias)
    found = []
    for one, cells in zip(maps, numbers, strict=True):
        index = cells.unsqueeze(1).expand(-1, features.shape[2], -1)
        empty = torch.zeros(len(points), features.shape[2], one.cells)
        found.append(empty.scatter_reduce(2, index, features.transpose(1, 2), "mean", include_self=False))
    return found


def _residual(block: ResidualBlock, x: Tensor) -> Tensor:
    hidden = F.linear(x.relu(), block.first.weight, block.first.bias)
    change = F.linear(hidden.relu(), block.second.weight, block.second.bias)
    return change + (x if block.shortcut is None else F.linear(x, block.shortcut.weight))


def _unet(unet: torch.nn.Module, image: Tensor) -> Tensor:
    """The same U-Net on contiguous images."""
    channels_last = image.movedim(1, -1)
    out: Tensor = unet(channels_last)
    return out.movedim(-1, 1)


def _sampled(one: FeatureMap, image: Tensor, queries: Tensor, side: float) -> Tensor:
    place = 2.0 * one.unit(queries, side) - 1.0
    shape = (len(queries), -1, *[1] * (len(one.axes) - 1), len(one.axes))
    found = F.grid_sample(image, place.view(shape), padding_mode="border", align_corners=True)
    return found.flatten(2).transpose(1, 2)
