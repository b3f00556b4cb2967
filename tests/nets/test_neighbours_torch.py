"""The nearest rows against SciPy's trees and against sorted distances."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.nets import neighbours
from shapesys.nets.neighbours import k_nearest_rows


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3, 4, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_neighbours_are_scipys(
    channels: int, dtype: torch.dtype, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "CPU_BLOCK", 3000)  # several blocks, the last ones smaller
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    x = random(3, 257, channels).to(dtype)
    found = k_nearest_rows(x, 9)
    expected = torch.stack([torch.from_numpy(cKDTree(shape).query(shape, 9)[1]) for shape in x.numpy()])
    assert found.dtype == torch.int64
    assert torch.equal(found, expected)


@pytest.mark.parametrize("size", [5, 40])
def test_small_shapes_share_a_block(size: int) -> None:
    x = random(7, size, 6)
    expected = torch.cdist(x.double(), x.double()).topk(5, largest=False).indices
    assert torch.equal(k_nearest_rows(x, 5), expected)


@pytest.mark.parametrize("channels", [3, 8])
def test_far_from_the_origin_neighbours_stay_the_same(channels: int) -> None:
    x = (random(2, 200, channels) * 1024).round() / 1024
    assert torch.equal(k_nearest_rows(x + 64, 8), k_nearest_rows(x, 8))


def test_equal_distances_come_lowest_index_first() -> None:
    line = torch.tensor([0.0, 1.0, 1.0, -1.0, 2.0, 1.0]).view(1, 6, 1)
    found = k_nearest_rows(line, 5)
    assert found[0, 0].tolist() == [0, 1, 2, 3, 5]
    assert found[0, 5].tolist() == [5, 1, 2, 0, 4]


@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_row_is_its_own_first_neighbour_even_where_all_coincide(channels: int, dtype: torch.dtype) -> None:
    x = random(2, 1, channels).to(dtype).expand(2, 30, channels)
    found = k_nearest_rows(x, 4)
    assert torch.equal(found[..., 0], torch.arange(30).expand(2, 30))
    assert all(len(set(row)) == 4 for row in found[0].tolist())


def test_half_precision_is_searched_in_single() -> None:
    x = random(2, 60, 8).bfloat16()
    assert torch.equal(k_nearest_rows(x, 6), k_nearest_rows(x.float(), 6))


def test_gradients_are_none_of_its_business() -> None:
    x = random(1, 20, 3).requires_grad_()
    assert not k_nearest_rows(x, 3).requires_grad


@pytest.mark.parametrize("k", [0, 11])
def test_more_neighbours_than_points_are_refused(k: int) -> None:
    with pytest.raises(ShapesysError, match=rf"k is {k}, but each shape has 10 points.*1\.\.10"):
        k_nearest_rows(random(2, 10, 3), k)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [3, 16])
def test_a_compiled_network_finds_the_same(threads: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    x = random(2, 60, channels)
    compiled = torch.compile(lambda rows: k_nearest_rows(rows, 7) + 0, backend="aot_eager")
    assert torch.equal(compiled(x), k_nearest_rows(x, 7))
