"""Soft SLIC against the formula with every pixel and every superpixel, against finite differences, and on toys."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.errors import UsageError
from shapesys.metrics.superpixel import achievable_accuracy
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import SoftAssociation, soft_slic
from shapesys.nets.superpixel_net import pixel_inputs
from shapesys.sources.toy_images import toy_image

GRID = PixelGrid(13, 17, 3, 4)


def features(images: int = 2, channels: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(images, channels, GRID.height, GRID.width, generator=generator, dtype=torch.float64) * 3


def dense(x: Tensor, grid: PixelGrid, updates: int) -> tuple[Tensor, Tensor]:
    """(B, K, hw) association and (B, K, C) centres by the definition, with all pairs."""
    initial = grid.labels().flatten()
    row, column = initial // grid.columns, initial % grid.columns
    cells = torch.arange(grid.count)
    near = (row - (cells // grid.columns)[:, None]).abs() <= 1
    near &= (column - (cells % grid.columns)[:, None]).abs() <= 1
    pixels = x.flatten(2).transpose(1, 2)
    centres = torch.stack([pixels[:, initial == cell].mean(dim=1) for cell in cells], dim=1)
    for step in range(updates + 1):
        distance = (pixels[:, None] - centres[:, :, None]).square().sum(dim=3)
        q = (-distance).masked_fill(~near, -torch.inf).softmax(dim=1)
        if step < updates:
            centres = (q @ pixels) / q.sum(dim=2)[..., None]
    return q, centres


def scattered(association: SoftAssociation) -> Tensor:
    """(B, K, hw): the nine weights of each pixel at the superpixels that they belong to."""
    grid, weights = association.grid, association.per_pixel().flatten(2)
    padded = torch.arange(grid.count).view(grid.rows, grid.columns)
    row, column = grid.labels().flatten() // grid.columns, grid.labels().flatten() % grid.columns
    full = torch.zeros(len(weights), grid.count, weights.shape[2], dtype=weights.dtype)
    for number in range(9):
        r, c = row + number // 3 - 1, column + number % 3 - 1
        inside = (r >= 0) & (r < grid.rows) & (c >= 0) & (c < grid.columns)
        assert (weights[:, number, ~inside] == 0).all(), "no mass on candidates outside the grid"
        at = inside.nonzero()[:, 0]
        full[:, padded[r[at], c[at]], at] += weights[:, number, at]
    return full


@pytest.mark.parametrize(
    ("iterations", "counting", "updates"), [(1, "associations", 0), (4, "associations", 3), (4, "updates", 4)]
)
def test_it_equals_the_dense_formula(iterations: int, counting: str, updates: int) -> None:
    x = features()
    association = soft_slic(x, GRID, iterations, counting)  # type: ignore[arg-type]
    q, centres = dense(x, GRID, updates)
    torch.testing.assert_close(scattered(association), q)
    torch.testing.assert_close(association.centres, centres)
    torch.testing.assert_close(association.per_pixel().sum(dim=1), torch.ones(2, 13, 17, dtype=torch.float64))
    assert torch.equal(association.labels(), q.argmax(dim=1).view(2, 13, 17))
    values = features(channels=3, seed=1)
    means = (q @ values.flatten(2).transpose(1, 2)) / q.sum(dim=2)[..., None]
    torch.testing.assert_close(association.means(values), means)
    torch.testing.assert_close(association.spread(means).flatten(2), (q.transpose(1, 2) @ means).transpose(1, 2))
    hard = torch.stack([one[at] for one, at in zip(means, association.labels().flatten(1), strict=True)])
    torch.testing.assert_close(association.spread_hard(means).flatten(2), hard.transpose(1, 2))


def test_gradients_are_those_of_finite_differences() -> None:
    grid = PixelGrid(6, 7, 2, 3)
    x = torch.rand(1, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    target = torch.rand(1, 2, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def loss(values: Tensor) -> Tensor:
        association = soft_slic(values, grid, 4)
        return (association.spread(association.means(target)) - target).square().sum() + association.centres.sum()

    assert torch.autograd.gradcheck(loss, (x,), eps=1e-6, atol=1e-7)


def test_a_shift_of_all_features_changes_nothing_and_costs_no_digits() -> None:
    x = features().float()
    one, other = soft_slic(x, GRID, 5), soft_slic(x + 1000.0, GRID, 5)
    torch.testing.assert_close(one.per_pixel(), other.per_pixel(), atol=2e-3, rtol=0)
    assert soft_slic(x.bfloat16(), GRID, 2).weights.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(soft_slic(x, GRID, 5).weights, one.weights)


def test_far_features_give_hard_weights_and_finite_gradients() -> None:
    x = (features() * 1e3).requires_grad_(True)
    association = soft_slic(x, GRID, 5)
    association.means(x.detach()).square().sum().backward()
    assert association.weights.isfinite().all()
    assert association.centres.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_images_of_a_batch_do_not_meet() -> None:
    x = features(images=3)
    together = soft_slic(x, GRID, 5).per_pixel()
    torch.testing.assert_close(together, torch.cat([soft_slic(one[None], GRID, 5).per_pixel() for one in x]))


def test_it_recovers_objects_of_one_colour() -> None:
    scores = []
    for seed in range(6):
        image = toy_image(seed)
        grid = PixelGrid.for_superpixels(200, 200, 100)
        colour = torch.from_numpy(image.pixels).permute(2, 0, 1)[None].float() / 255 * 100
        labels = soft_slic(pixel_inputs(colour, grid, 0.26, 2.5 * grid.cells_per_pixel), grid, 5).labels()
        scores.append(achievable_accuracy(labels[0].numpy(), image.annotations[0]))
        assert achievable_accuracy(grid.labels().numpy(), image.annotations[0]) < scores[-1]
    assert sum(scores) / len(scores) > 0.98


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, C, 13, 17\)"):
        soft_slic(torch.zeros(1, 3, 13, 16), GRID, 5)
    with pytest.raises(ValueError, match="at least 1"):
        soft_slic(features(), GRID, 0)
    with pytest.raises(UsageError, match="did you mean updates"):
        soft_slic(features(), GRID, 3, "update")  # type: ignore[arg-type]
