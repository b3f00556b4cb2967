"""Soft cliques on a grid against dense tables of all points and all cliques."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets.grid_grouping import (
    CANDIDATES,
    GridGrouping,
    candidate_distances,
    candidate_sums,
    grid_candidates,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(features: Tensor, points: Tensor, size: int, iterations: int, assignment: str) -> tuple[Tensor, Tensor]:
    """Cliques (M, C) and shares (N, M) of one cloud, by the equations over the whole table."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    cell = ((points - low) / (high - low) * size).long().clamp_max(size - 1)
    grid = torch.cartesian_prod(*[torch.arange(size)] * 3)
    own = (cell.unsqueeze(1) == grid).all(dim=2)
    near = ((cell.unsqueeze(1) - grid).abs() <= 1).all(dim=2) & own.any(dim=0)
    cliques = own.double().t() @ features / own.sum(dim=0).clamp_min(1).unsqueeze(1)

    def shares(cliques: Tensor) -> Tensor:
        squared = torch.cdist(features, cliques).square().masked_fill(~near, torch.inf)
        return (-squared).softmax(dim=1) if assignment == "softmax" else (-squared).exp()

    for _ in range(iterations):
        weights = shares(cliques)
        mass = weights.sum(dim=0).unsqueeze(1)
        cliques = torch.where(mass > 1e-16, weights.t() @ features / mass, cliques)
    return cliques, shares(cliques)


def spread(candidates: Tensor, allowed: Tensor, shares: Tensor, cells: int) -> Tensor:
    """(N, M) table of one cloud's candidates."""
    return torch.zeros(len(shares), cells, dtype=shares.dtype).scatter_add_(1, candidates, shares * allowed)


@pytest.mark.parametrize("assignment", ["softmax", "written"])
@pytest.mark.parametrize("iterations", [0, 1, 4])
def test_equals_the_dense_equations(assignment: str, iterations: int) -> None:
    features, points = random(2, 150, 5) * 3, random(2, 150, 3, seed=1)
    found = GridGrouping(4, iterations, assignment)(features, points)
    for shape in range(2):
        cliques, shares = dense(features[shape], points[shape], 4, iterations, assignment)
        torch.testing.assert_close(found.cliques[shape], cliques)
        table = spread(found.candidates[shape], found.allowed[shape], found.shares[shape], 64)
        torch.testing.assert_close(table, shares)
        assert torch.equal(found.hard[shape], shares.argmax(dim=1))


def test_shares_sum_to_one_and_none_leave_the_grid() -> None:
    points = random(2, 80, 3, seed=1)
    found = GridGrouping((2, 3, 5), 3)(random(2, 80, 4), points)
    torch.testing.assert_close(found.shares.sum(dim=2), torch.ones(2, 80, dtype=torch.float64))
    assert (found.shares[~found.allowed] == 0).all()
    _, candidates, inside = grid_candidates(points, (2, 3, 5))
    assert not inside.all()
    assert ((candidates >= 0) & (candidates < 30)).all()
    assert not found.allowed[~inside].any()


def test_candidates_are_the_cells_around() -> None:
    corners = torch.cartesian_prod(*[torch.arange(4.0)] * 3).unsqueeze(0)
    own, candidates, inside = grid_candidates(corners, (4, 4, 4))
    assert own[0].tolist() == list(range(64))
    assert inside[0].sum(dim=1).tolist()[0] == 8  # a corner of the grid
    middle = 1 * 16 + 1 * 4 + 1
    assert inside[0, middle].all()
    assert sorted(candidates[0, middle].tolist()) == [
        x * 16 + y * 4 + z for x in range(3) for y in range(3) for z in range(3)
    ]


def test_clusters_of_pure_features_are_found() -> None:
    """The paper's toy in three dimensions: bodies of one colour each, which no clique may mix."""
    points = random(1, 400, 3)
    body = (points[0, :, 0] > 0.55).long() + 2 * (points[0, :, 1] > 0.45).long()
    features = torch.eye(4, dtype=torch.float64)[body].unsqueeze(0) * 20
    hard = GridGrouping(4, 5)(features, points).hard[0]
    grid = grid_candidates(points, (4, 4, 4))[0][0]

    def purity(groups: Tensor) -> float:
        table = torch.zeros(64, 4).index_put_((groups, body), torch.ones(400), accumulate=True)
        return float(table.amax(dim=1).sum() / 400)

    assert purity(hard) == 1.0 > purity(grid)


def test_gradients_are_right() -> None:
    candidates = torch.randint(4, (6, 5), generator=torch.Generator().manual_seed(0))
    features, cliques, shares = random(6, 3), random(4, 3, seed=1), random(6, 5, seed=2)
    leaves = [x.requires_grad_() for x in (features, cliques, shares)]
    assert torch.autograd.gradcheck(lambda f, s: candidate_distances(f, s, candidates), leaves[:2])
    assert torch.autograd.gradcheck(lambda q, f: candidate_sums(q, f, candidates, 4), (shares, features))
    points = random(1, 12, 3, seed=3)
    grouping = GridGrouping(2, 2)
    assert torch.autograd.gradcheck(lambda f: grouping(f, points).cliques, (random(1, 12, 2).requires_grad_(),))


def test_no_table_of_features_per_candidate_is_kept() -> None:
    features = random(1, 200, 64).requires_grad_()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        GridGrouping(4, 2)(features, random(1, 200, 3, seed=1)).cliques.sum().backward()
    assert max(kept) <= 200 * 64 < 200 * CANDIDATES * 64


@pytest.mark.parametrize("arguments", [(0, 1), (3, -1), (3, 1, "hard"), ((2, 2, 0), 1)])
def test_misuse_is_named(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        GridGrouping(*arguments)


@pytest.mark.parametrize("assignment", ["softmax", "written"])
def test_a_clique_that_no_point_is_close_to_stays(assignment: str) -> None:
    """The middle cell's two points are like those of the cells beside it, and both far from their mean."""
    points = torch.tensor([[[0.0, 0, 0], [0.5, 0, 0], [0.5, 0, 0], [1, 0, 0]]], dtype=torch.float64)
    features = torch.tensor([[[-4.0], [-4.0], [14.0], [14.0]]], dtype=torch.float64)
    found = GridGrouping((5, 1, 1), 0, assignment)(features, points)
    assert found.occupied[0].tolist() == [True, False, True, False, True]
    found = GridGrouping((3, 1, 1), 3, assignment)(features, points)
    expected = torch.tensor([-4.0, 5.0, 14.0], dtype=torch.float64)
    torch.testing.assert_close(found.cliques[0, :, 0], expected)
