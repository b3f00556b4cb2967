"""DPGNet: its baseline is PointNet++ of the same width, and grouping adds no parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shapesys.nets.dpgnet import SAME_WIDTH_CLASSIFIER, DPGNetClassifier, DPGNetSegmenter
from shapesys.nets.grouping import Grouping
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.pointnet2 import PointNet2Classifier, PointNet2Spec
from shapesys.nets.set_abstraction import Level

BALLS = (Level(32, (0.4,), (8,), ((8, 12),)), Level(8, (0.8,), (16,), ((16, 12),)))
ALL = Level(None, (), (), ((24, 32),))
SMALL = PointNet2Spec((*BALLS, ALL), propagation=((16,), (16,), (12, 12)))
SCENE = PointNet2Spec(BALLS, propagation=((16,), (12, 12)))
LIFT = (6, 12)


def cloud(channels: int = 0) -> PointBatch:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(3, 100, 3, generator=generator) * 2 - 1
    features = torch.randn(3, 100, channels, generator=generator) if channels else None
    return PointBatch(points, features, None, torch.arange(3) % 2)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def lifted(network: DPGNetClassifier | DPGNetSegmenter, batch: PointBatch) -> PointBatch:
    known = batch.points if batch.features is None else torch.cat([batch.points, batch.features], dim=-1)
    return PointBatch(batch.points, network.encoder.lift(known), batch.order, batch.category)


def test_no_iterations_is_pointnet2_of_the_same_width_to_the_bit() -> None:
    torch.manual_seed(0)
    ours = DPGNetClassifier(SMALL, 3, 5, Grouping(0), LIFT)
    plain = PointNet2Classifier(SMALL, 12, 5)
    plain.levels.load_state_dict(ours.encoder.levels.state_dict())
    plain.head.load_state_dict(ours.head.state_dict())
    batch = cloud(channels=3)
    seeded = PointBatch(batch.points, batch.features, noise_seed=torch.arange(3))
    found = ours(seeded)[0]
    entering = lifted(ours, seeded)
    assert torch.equal(found, plain(PointBatch(entering.points, entering.features, noise_seed=torch.arange(3))))


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_iterations_add_no_parameters(iterations: int) -> None:
    base = parameters(DPGNetClassifier(SAME_WIDTH_CLASSIFIER, 0, 40, Grouping(0)))
    assert parameters(DPGNetClassifier(SAME_WIDTH_CLASSIFIER, 0, 40, Grouping(iterations))) == base


@pytest.mark.parametrize("iterations", [1, 2])
def test_every_parameter_learns(iterations: int) -> None:
    torch.manual_seed(0)
    grouping = Grouping(iterations, temperature="learned", share_weights=False)
    for network in (
        DPGNetClassifier(SMALL, 3, 5, grouping, LIFT),
        DPGNetSegmenter(SMALL, 3, 6, grouping, 2, LIFT),
        DPGNetSegmenter(SCENE, 3, 6, grouping, 0, LIFT),
    ):
        logits, facts = network(cloud(channels=3))
        logits.square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        assert all(p.grad.abs().sum() > 0 for p in network.parameters())
        assert facts.keys() == {f"{name}_{n}" for name in ("ball_points", "effective_points", "moved") for n in (1, 2)}
        for level in (1, 2):
            assert ((facts[f"effective_points_{level}"] >= 1) & (facts[f"moved_{level}"] < 1)).all()
            assert (facts[f"effective_points_{level}"] <= facts[f"ball_points_{level}"] * (1 + 1e-5)).all() or (
                iterations > 1
            )


def test_scores_come_per_point_from_where_centroids_moved_to() -> None:
    torch.manual_seed(0)
    network = DPGNetSegmenter(SMALL, 0, 6, Grouping(1), 2, LIFT).eval()
    batch = cloud()
    logits, _ = network(batch)
    assert logits.shape == (3, 100, 6)
    assert torch.equal(network.classify(network.encode(batch).features), logits)
    still = DPGNetSegmenter(SMALL, 0, 6, Grouping(0), 2, LIFT).eval()
    still.load_state_dict(network.state_dict())
    assert not torch.allclose(still(batch)[0], logits)


def test_a_shape_does_not_depend_on_its_neighbours_in_evaluation() -> None:
    torch.manual_seed(0)
    batch, network = cloud(), DPGNetSegmenter(SMALL, 0, 6, Grouping(2), 2, LIFT).eval()
    alone: list[Tensor] = [
        network(PointBatch(batch.points[i : i + 1], category=batch.category[i : i + 1]))[0] for i in range(3)
    ]
    torch.testing.assert_close(torch.cat(alone), network(batch)[0])


def test_autocast_trains() -> None:
    torch.manual_seed(0)
    network = DPGNetClassifier(SMALL, 3, 5, Grouping(2), LIFT)
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = network(cloud(channels=3))
    logits.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="widths end in 9"):
        DPGNetClassifier(SMALL, 0, 5, Grouping(), (9,))
    with pytest.raises(ValueError, match="last level"):
        DPGNetClassifier(SCENE, 0, 5, Grouping(), LIFT)
