"""The decoder against its plain form, and with its queries shared among workers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.conditional_decoder import ConditionalDecoder, ConditionalNorm


def made(code: int = 5, hidden: int = 8, blocks: int = 2) -> ConditionalDecoder:
    """With every weight away from zero, and running statistics away from where they start."""
    torch.manual_seed(0)
    decoder = ConditionalDecoder(code, hidden, blocks).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for name, buffer in decoder.named_buffers():
            if "running" in name:
                buffer.add_(torch.rand_like(buffer))
    return decoder


def inputs(shapes: int = 4, queries: int = 30) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(shapes, queries, 3, generator=generator, dtype=torch.float64)
    return points, torch.randn(shapes, 5, generator=generator, dtype=torch.float64)


def plain(decoder: ConditionalDecoder, queries: Tensor, code: Tensor) -> Tensor:
    """As published: norm without parameters, then the code's scale and shift; channels behind the batch."""

    def normed(norm: ConditionalNorm, x: Tensor) -> Tensor:
        mean, variance = norm.norm.running_mean.clone(), norm.norm.running_variance.clone()
        found = F.batch_norm(x, mean, variance, training=decoder.training)
        return norm.scale(code).unsqueeze(2) * found + norm.shift(code).unsqueeze(2)

    def dense(layer: Any, x: Tensor) -> Tensor:
        return F.conv1d(x, layer.weight.unsqueeze(2), layer.bias)

    x = dense(decoder.position, queries.transpose(1, 2))
    for block in decoder.blocks:
        change = dense(block.first, normed(block.norms[0], x).relu())
        x = x + dense(block.second, normed(block.norms[1], change).relu())
    return dense(decoder.out, normed(decoder.norm, x).relu()).squeeze(1)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_the_published_network_with_gradients(training: bool) -> None:
    decoder, (queries, code) = made().train(training), inputs()
    code.requires_grad_()
    expected, found = plain(decoder, queries, code), decoder(queries, code)
    torch.testing.assert_close(found, expected)
    leaves = [code, *decoder.parameters()]
    wanted = torch.autograd.grad(expected.square().sum(), leaves)
    got = torch.autograd.grad(found.square().sum(), leaves)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_published_size() -> None:
    """From the definitions of the released `DecoderCBatchNorm` with hidden_size 256, c_dim 512 and z_dim 0: one layer
    of positions, five blocks of two layers, eleven norms without parameters of their own but two layers that see the
    code, and the layer of the logit."""
    hidden, code = 256, 512
    position = 3 * hidden + hidden
    block = 2 * (hidden * hidden + hidden)
    norm = 2 * (code * hidden + hidden)
    assert position + 5 * block + 11 * norm + hidden + 1 == 3_548_417
    assert sum(parameter.numel() for parameter in ConditionalDecoder().parameters()) == 3_548_417


def test_it_starts_without_regard_to_the_code() -> None:
    torch.manual_seed(0)
    decoder, (queries, code) = ConditionalDecoder(5, 8, 2).double(), inputs()
    torch.testing.assert_close(decoder(queries, code), decoder(queries, 10 * code))
    x = decoder.position(queries) + sum(block.second.bias for block in decoder.blocks)
    torch.testing.assert_close(decoder.blocks[1](decoder.blocks[0](decoder.position(queries), code), code), x)


def test_shapes_meet_in_the_statistics_of_training_alone() -> None:
    decoder, (queries, code) = made(), inputs()
    assert not torch.allclose(decoder(queries, code)[:1], decoder(queries[:1], code[:1]))
    decoder.eval()
    torch.testing.assert_close(decoder(queries, code)[:1], decoder(queries[:1], code[:1]))


def test_workers_with_unequal_shares_get_the_gradients_of_one(together: Callable[..., list[Any]]) -> None:
    decoder, (queries, code) = made(), inputs()
    parts = [slice(0, 1), slice(1, 4)]

    def run(rows: slice) -> tuple[ConditionalDecoder, Tensor]:
        own, seen = copy.deepcopy(decoder), code[rows].clone().requires_grad_()
        own(queries[rows], seen).square().sum().backward()
        assert seen.grad is not None
        return own, seen.grad

    alone, of_code = run(slice(0, 4))
    halves = together(lambda worker: run(parts[worker]), 2)
    torch.testing.assert_close(torch.cat([half[1] for half in halves]), of_code)
    for name, parameter in alone.named_parameters():
        summed = sum(half[0].get_parameter(name).grad for half in halves)
        torch.testing.assert_close(summed, parameter.grad, msg=name)
    for name, buffer in alone.named_buffers():
        for own, _ in halves:
            torch.testing.assert_close(own.get_buffer(name), buffer, msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_reduced_precision_stays_close(training: bool) -> None:
    decoder, (queries, code) = made(hidden=64).float().train(training), inputs()
    again = copy.deepcopy(decoder)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = decoder(queries.float(), code.float())
    full = again(queries.float(), code.float())
    assert float(((reduced.float() - full).abs().mean() / full.abs().mean()).detach()) < 0.02
