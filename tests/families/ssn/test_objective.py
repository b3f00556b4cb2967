"""SSN's losses against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesys.families.base import TrainingData
from shapesys.families.ssn import FAMILY, SSNConfig, build, warnings
from shapesys.families.ssn.objective import SSNObjective, compactness, patch_accuracy, reconstruction
from shapesys.metrics.superpixel import achievable_accuracy
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import SoftAssociation, soft_slic
from shapesys.nets.superpixel_net import pixel_positions

SMALL = SSNConfig(width=4, learned=3, superpixels=6, initial_std=0.2)
GRID = PixelGrid.for_superpixels(20, 24, 6)


def association(images: int = 2) -> SoftAssociation:
    generator = torch.Generator().manual_seed(0)
    return soft_slic(torch.rand(images, 4, 20, 24, generator=generator, dtype=torch.float64) * 2, GRID, 3)


def labels(images: int = 2, segments: int = 5) -> torch.Tensor:
    return torch.randint(0, segments, (images, 20, 24), generator=torch.Generator().manual_seed(1))


def full(found: SoftAssociation, image: int) -> np.ndarray:
    """(K, hw): Q of one image with every superpixel, by carrying each one's indicator to the pixels."""
    indicators = torch.eye(GRID.count, dtype=torch.float64).expand(len(found.weights), -1, -1)
    return found.spread(indicators)[image].flatten(1).numpy()


def batch(images: int = 2, side: int = 24) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    colour = torch.rand(images, side, side, 3, generator=generator) * 80
    halves = (torch.arange(side) * 3 // side).expand(images, side, side)
    return {"image": colour, "labels": halves, "noise_seed": torch.arange(images)}


@pytest.mark.parametrize("segments", [5, 3])
def test_reconstruction_is_the_cross_entropy_of_the_segments_kept(segments: int) -> None:
    found, truth = association(), labels()
    expected = []
    for image in range(2):
        q, flat = full(found, image), truth[image].flatten().numpy()
        one_hot = np.stack([flat == one for one in range(segments)]).astype(float)
        shares = (q / q.sum(axis=1, keepdims=True)) @ one_hot.T
        likelihood = q.T @ shares
        kept = flat < segments
        expected.append(-np.log(likelihood[kept, flat[kept]]).mean())
    value = reconstruction(found, truth, segments)
    assert float(value) == pytest.approx(np.mean(expected), rel=1e-6)


def test_segments_beyond_the_limit_have_no_gradient_of_their_own() -> None:
    features = torch.rand(1, 4, 20, 24, dtype=torch.float64).requires_grad_(True)
    truth = torch.full((1, 20, 24), 7)
    loss = reconstruction(soft_slic(features, GRID, 2), truth, 3)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert features.grad is not None
    assert torch.count_nonzero(features.grad) == 0


def test_compactness_in_both_reductions() -> None:
    found = association()
    positions = pixel_positions(GRID, found.weights)
    squared = []
    for image in range(2):
        q = full(found, image)
        centres = (q @ positions[0].flatten(1).numpy().T) / q.sum(axis=1, keepdims=True)
        own = centres[found.labels()[image].flatten().numpy()]
        squared.append(((positions[0].flatten(1).numpy().T - own) ** 2).sum())
    scaled = compactness(found, positions, 0.25, "caffe_sum")
    assert float(scaled) == pytest.approx(np.mean(squared) * 0.25**2 / 2)
    assert float(compactness(found, positions, 0.25, "mean")) == pytest.approx(np.mean(squared) / (20 * 24 * 2))


def test_the_patch_accuracy_is_that_of_the_metric() -> None:
    found, truth = association(), labels()
    expected = np.mean([achievable_accuracy(a.numpy(), b.numpy()) for a, b in zip(found.labels(), truth, strict=True)])
    assert float(patch_accuracy(found, truth)) == pytest.approx(expected)


def test_terms_are_means_over_patches() -> None:
    torch.manual_seed(0)
    objective = SSNObjective(SMALL).double().eval()
    data = {name: value.double() if value.is_floating_point() else value for name, value in batch(3).items()}
    together = objective(data).scalars()
    apart = [objective({name: value[i : i + 1] for name, value in data.items()}).scalars() for i in range(3)]
    for name, value in together.items():
        torch.testing.assert_close(value, torch.stack([one[name] for one in apart]).mean(), msg=name)
    assert together["loss/total"] == together["loss/reconstruction"] + 1e-5 * together["loss/compactness"]


def test_weight_zero_keeps_every_gradient_and_a_fixed_position_scale_counts() -> None:
    torch.manual_seed(0)
    objective = SSNObjective(SMALL.override({"compactness_weight": 0.0}))
    objective(batch()).total().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())
    fixed = SSNObjective(SMALL.override({"training_position_scale": 0.25}))
    fixed.load_state_dict(objective.state_dict())
    values = [float(one(batch()).scalars()["loss/reconstruction"]) for one in (objective, fixed)]
    assert values[0] != values[1]


def test_training_finds_what_colour_and_position_alone_do_not_show() -> None:
    """Segments that differ in the roughness of their surface, not in their mean colour."""
    torch.manual_seed(0)
    objective = build(SMALL, TrainingData(4))
    optimiser = torch.optim.Adam(objective.parameters(), lr=1e-2)
    data = batch()
    data["image"] = data["image"] * (data["labels"] == 1)[..., None] + 40.0
    losses = []
    for _ in range(25):
        loss = objective(data).total()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_a_weak_compactness_is_warned_of() -> None:
    assert warnings(SSNConfig()) == []
    [sentence] = warnings(SSNConfig(compactness_reduction="mean"))
    assert "2500 times weaker" in sentence


def test_it_is_judged_by_accuracy() -> None:
    assert set(FAMILY.traits.judged_by) <= SSNObjective(SMALL)(batch()).scalars().keys()
    assert FAMILY.traits.higher_is_better


def test_losses_keep_their_digits_under_autocast() -> None:
    objective = SSNObjective(SMALL)
    objective.net = torch.nn.Identity()  # type: ignore[assignment]
    full = objective(batch()).scalars()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = objective(batch()).scalars()
    for name, value in full.items():
        torch.testing.assert_close(reduced[name], value, rtol=0, atol=0, msg=name)
