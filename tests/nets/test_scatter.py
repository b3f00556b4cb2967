"""Sums and maxima over shared cells, against loops over cells."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from shapesys.nets.scatter import all_cells, cell_maxima, cell_means, occupied, summed

POINTS, CELLS, CHANNELS = 200, 17, 5


def made(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Values and numbers of cells, of which the last three are empty; double precision."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(POINTS, CHANNELS, generator=generator, dtype=torch.float64)
    return values, torch.randint(CELLS - 3, (POINTS,), generator=generator)


def by_loop(values: Tensor, numbers: Tensor, of_cell: str) -> Tensor:
    """(CELLS, C) mean or maximum of each cell, zero where empty."""
    found = torch.zeros(CELLS, values.shape[1], dtype=values.dtype)
    for cell in numbers.unique().tolist():
        mine = values[numbers == cell]
        found[cell] = mine.mean(dim=0) if of_cell == "mean" else mine.amax(dim=0)
    return found


def test_a_table_of_occupied_cells_says_where_they_are() -> None:
    _, numbers = made()
    cells = occupied(numbers)
    assert cells.places is not None
    assert torch.equal(cells.places[cells.rows], numbers)
    assert torch.equal(cells.counts, torch.bincount(numbers)[cells.places])


def test_a_table_of_all_cells_counts_empty_ones() -> None:
    _, numbers = made()
    assert torch.equal(all_cells(numbers, CELLS).counts, torch.bincount(numbers, minlength=CELLS))


def test_means_are_those_of_a_loop() -> None:
    values, numbers = made()
    torch.testing.assert_close(cell_means(values, all_cells(numbers, CELLS)), by_loop(values, numbers, "mean"))
    cells = occupied(numbers)
    torch.testing.assert_close(cell_means(values, cells), by_loop(values, numbers, "mean")[cells.places])


def test_maxima_are_those_of_a_loop() -> None:
    values, numbers = made()
    expected = by_loop(values, numbers, "max")[numbers]
    assert torch.equal(cell_maxima(values, all_cells(numbers, CELLS)), expected)
    assert torch.equal(cell_maxima(values, occupied(numbers)), expected)


@pytest.mark.parametrize("operation", [cell_means, cell_maxima])
def test_gradients_are_those_of_differences(operation: object) -> None:
    values, numbers = made()
    cells = occupied(numbers)
    some = values[:40].requires_grad_()
    few = occupied(numbers[:40])
    assert callable(operation)
    assert torch.autograd.gradcheck(lambda x: operation(x, few), (some,))
    assert len(cells.counts) == CELLS - 3


def test_equal_maxima_share_the_gradient() -> None:
    values = torch.tensor([[1.0], [3.0], [3.0], [2.0]], requires_grad=True)
    cells = occupied(torch.tensor([0, 0, 0, 1]))
    (gradient,) = torch.autograd.grad(cell_maxima(values, cells).sum(), values)
    # Three points are told the maximum of the first cell, which two of them hold.
    assert gradient.flatten().tolist() == [0.0, 1.5, 1.5, 1.0]


def test_sorting_first_gives_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of GPUs, here on the meta of a CPU: sorted rows, one segment each."""
    values, numbers = made()
    order = torch.argsort(numbers, stable=True)
    found, lengths = torch.unique_consecutive(numbers[order], return_counts=True)
    total = torch.zeros(CELLS, CHANNELS, dtype=values.dtype)
    total[found] = torch.segment_reduce(values[order].contiguous(), "sum", lengths=lengths, axis=0)
    torch.testing.assert_close(total, summed(values, numbers, CELLS))


@pytest.mark.parametrize("operation", [cell_means, cell_maxima])
def test_many_tables_at_once_are_each_its_own(operation: object) -> None:
    pairs = [made(seed) for seed in range(3)]
    values = torch.stack([pair[0] for pair in pairs]).requires_grad_()
    cells = [all_cells(pair[1], CELLS) for pair in pairs]
    assert callable(operation)

    def of_one(own: Tensor, rows: Tensor, counts: Tensor) -> Tensor:
        found: Tensor = operation(own, type(cells[0])(rows, counts))
        return found

    together = vmap(of_one)(values, torch.stack([c.rows for c in cells]), torch.stack([c.counts for c in cells]))
    apart = torch.stack([operation(own, one) for own, one in zip(values, cells, strict=True)])
    torch.testing.assert_close(together, apart)
    (gradient,) = torch.autograd.grad(together.square().sum(), values, retain_graph=True)
    (expected,) = torch.autograd.grad(apart.square().sum(), values)
    torch.testing.assert_close(gradient, expected)
