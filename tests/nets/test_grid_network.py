from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shapesys.nets.grid_grouping import GridGrouping
from shapesys.nets.grid_network import GridClassifier, GridSegmenter, shared_by
from shapesys.nets.point_batch import PointBatch

SMALL = {"widths": (8, 8), "size": 3, "iterations": 2, "clique_widths": (8,), "head": (8,), "dropout": (0.0,)}


def cloud(count: int = 50, seed: int = 0) -> PointBatch:
    points = torch.rand(2, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return PointBatch(points, category=torch.tensor([0, 1]))


def test_what_a_point_gets_from_its_cliques_is_their_weighted_mean() -> None:
    batch = cloud()
    groups = GridGrouping(3, 2)(batch.points, batch.points)
    cliques = torch.randn(2, 27, 5, dtype=torch.float64)
    dense = torch.zeros(2, 50, 27, dtype=torch.float64).scatter_add(2, groups.candidates, groups.shares)
    expected = dense @ cliques / dense.sum(dim=2, keepdim=True)
    torch.testing.assert_close(shared_by(groups, cliques), expected)


@pytest.mark.parametrize("assignment", ["softmax", "written"])
def test_it_does_not_depend_on_the_order_of_points(assignment: str) -> None:
    torch.manual_seed(0)
    classifier = GridClassifier(0, 4, assignment=assignment, **SMALL).double().eval()  # type: ignore[arg-type]
    segmenter = GridSegmenter(0, 4, 2, assignment=assignment, **SMALL).double().eval()  # type: ignore[arg-type]
    batch = cloud()
    mixed = torch.randperm(50)
    other = PointBatch(batch.points[:, mixed], category=batch.category)
    torch.testing.assert_close(classifier(batch)[0], classifier(other)[0])
    torch.testing.assert_close(segmenter(batch)[0][:, mixed], segmenter(other)[0])


def test_every_parameter_learns_through_the_grouping() -> None:
    torch.manual_seed(0)
    segmenter = GridSegmenter(0, 4, 0, **SMALL).double()  # type: ignore[arg-type]
    logits, facts = segmenter(cloud())
    logits.square().mean().backward()
    assert all(bool((parameter.grad.abs() > 0).any()) for parameter in segmenter.parameters())  # type: ignore[union-attr]
    assert bool((facts["effective_cliques"] >= 1 - 1e-9).all())
    assert bool((facts["effective_cliques"] <= 27).all())


def test_one_point_repeated_gives_finite_gradients() -> None:
    torch.manual_seed(0)
    classifier = GridClassifier(0, 4, **SMALL).double()  # type: ignore[arg-type]
    points = torch.zeros(2, 50, 3, dtype=torch.float64, requires_grad=True)
    classifier(PointBatch(points))[0].sum().backward()
    assert points.grad is not None
    assert bool(points.grad.isfinite().all())


class Loud(nn.Module):
    """Says 100 of a clique whose features are zero, as those of an empty cell are, and 1 of any other."""

    def forward(self, cliques: Tensor) -> Tensor:
        return torch.where((cliques == 0).all(dim=2, keepdim=True), 100.0, 1.0).expand(-1, -1, 8)


def test_empty_cells_say_nothing() -> None:
    torch.manual_seed(0)
    line = PointBatch(torch.linspace(0.1, 1, 50, dtype=torch.float64).view(1, 50, 1).expand(1, 50, 3))
    classifier = GridClassifier(0, 4, **SMALL).double()  # type: ignore[arg-type]
    segmenter = GridSegmenter(0, 4, 0, **SMALL).double()  # type: ignore[arg-type]
    for network in (classifier, segmenter):
        network.of_cliques = Loud()  # type: ignore[assignment]
        assert float(network.encode(line).features[..., -8:].detach().max()) == 1.0
