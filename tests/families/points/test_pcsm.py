"""Point cloud saliency against finite differences, a plain implementation and what must not change a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.errors import UsageError
from shapesys.families import registry
from shapesys.families.base import TrainingData
from shapesys.families.points.objective import PointObjective
from shapesys.families.points.pcsm import point_cloud_saliency, radial_scores
from shapesys.families.points.transforms import Points, centred
from shapesys.geometry.fps import farthest_points
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import resolve

VOCABULARY = Vocabulary(("chair", "mug", "table"), {"chair": ("leg", "seat"), "mug": (), "table": ("leg", "top")})
FAMILIES = ["pointnet", "pointnet2", "dgcnn", "dpgnet"]
SMALL: dict[str, dict[str, Any]] = {
    "pointnet": {"model.transforms": True},
    "pointnet2": {"model.samples": 24},
    "dgcnn": {"model.k": 8, "model.smoothing": 0.2},
    "dpgnet": {"model.samples": 24},
}


def trained(family: str, preset: str = "", **changes: Any) -> PointObjective:
    """A network with weights and running statistics that say something, in training mode."""
    name = preset or ("tiny_classification" if family == "dpgnet" else "tiny")
    named = {key.replace("__", "."): value for key, value in changes.items()}
    job = resolve(family, name, {"data.store": "unused", **SMALL[family], **named})
    torch.manual_seed(3)
    objective = registry.load(family).build(job.model, TrainingData(3, VOCABULARY))
    assert isinstance(objective, PointObjective)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        if job.model.task == "classification":
            objective(batch_of(objective.train(), clouds(6, seed=9), [0, 1, 2, 0, 1, 2]))
    return objective.train()


def clouds(count: int = 3, points: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, points, 3)).astype(np.float32)


def batch_of(objective: PointObjective, seen: np.ndarray | Tensor, truth: list[int]) -> dict[str, Tensor]:
    points = torch.as_tensor(seen)
    rows = objective.config.samples_needed
    features = torch.zeros(*points.shape[:2], objective.config.feature_count)
    return {
        "points": points,
        "category_index": torch.tensor(truth),
        "noise_seed": torch.arange(len(truth)),
        **({"order": farthest_points(points.detach().float(), rows, 0)} if rows else {}),
        **({"features": features} if features.shape[2] else {}),
    }


def loss_of(objective: PointObjective, seen: Tensor, truth: int, order: Tensor | None = None) -> Tensor:
    batch = batch_of(objective, seen[None], [truth]) | ({} if order is None else {"order": order})
    return objective(batch).losses["cross_entropy"].value


def written_out(objective: PointObjective, cloud: np.ndarray, truth: int, alpha: float) -> np.ndarray:
    """One cloud, with the radii themselves as the leaves of the graph: -(dL / dr) r^(1 + alpha)."""
    points = torch.as_tensor(centred(Points(cloud), objective.config.frame).points).to(torch.float64)
    core = torch.as_tensor(np.median(points.numpy(), axis=0))
    radius = (points - core).norm(dim=1)
    direction = (points - core) / radius[:, None]
    leaf = radius.clone().requires_grad_()
    [gradient] = torch.autograd.grad(loss_of(objective, core + leaf[:, None] * direction, truth), leaf)
    return (-gradient * radius ** (1 + alpha)).numpy()


@pytest.mark.parametrize("frame", ["stored", "mean_sphere"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_derivative_in_the_radius(family: str, frame: str) -> None:
    objective, seen = trained(family, model__frame=frame).double(), clouds()
    found = point_cloud_saliency(objective, seen.astype(np.float64), [2, 0, 1], alpha=1.5)
    objective.eval()
    for cloud, truth, scores in zip(seen.astype(np.float64), (2, 0, 1), found, strict=True):
        expected = written_out(objective, cloud, truth, 1.5)
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_finite_differences(family: str) -> None:
    # T-Nets round to single precision, which finite differences do not survive.
    plain = {"model__transforms": False} if family == "pointnet" else {}
    objective = trained(family, **plain).double()
    cloud, truth, step = clouds(1)[0].astype(np.float64), 1, 1e-6
    [found] = point_cloud_saliency(objective, cloud[None], [truth], alpha=1.0)
    objective.eval()
    points = torch.as_tensor(cloud)
    core = torch.as_tensor(np.median(cloud, axis=0))
    order = farthest_points(points.float()[None], 24, 0) if objective.config.samples_needed else None
    radius = (points - core).norm(dim=1)
    for row in np.argsort(-np.abs(found))[:6]:
        losses = []
        for way in (step, -step):
            moved = points.clone()
            moved[row] = core + (points[row] - core) * (1 + way / radius[row])
            with torch.no_grad():
                losses.append(float(loss_of(objective, moved, truth, order)))
        slope = (losses[0] - losses[1]) / (2 * step)
        assert found[row] == pytest.approx(-slope * float(radius[row]) ** 2, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cloud_scores_the_same_alone_and_among_others(family: str) -> None:
    objective, seen, truth = trained(family), clouds(5), [0, 1, 2, 1, 0]
    together = point_cloud_saliency(objective, torch.from_numpy(seen), truth, batch=4)
    again = point_cloud_saliency(objective, seen, truth, batch=4)
    np.testing.assert_array_equal(together, again)
    assert together.dtype == np.float32
    for row in range(5):
        [alone] = point_cloud_saliency(objective, seen[row : row + 1], truth[row : row + 1])
        scale = np.abs(alone).max()
        np.testing.assert_allclose(together[row] / scale, alone / scale, atol=1e-5)


def test_the_network_is_left_as_it_was() -> None:
    objective = trained("dgcnn")
    frozen = next(objective.network.children()).eval()
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    point_cloud_saliency(objective, clouds(), [0, 1, 2])
    assert objective.training
    assert objective.network.training
    assert not frozen.training
    assert all(parameter.grad is None for parameter in objective.parameters())
    assert all(parameter.requires_grad for parameter in objective.parameters())
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())


def test_scores_come_inside_no_grad_too() -> None:
    objective = trained("pointnet")
    with torch.no_grad():
        inside = point_cloud_saliency(objective, clouds(), [0, 1, 2])
    np.testing.assert_array_equal(inside, point_cloud_saliency(objective, clouds(), [0, 1, 2]))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 6.0])
def test_a_point_at_the_core_scores_zero(alpha: float) -> None:
    axes = np.concatenate([np.zeros((1, 3)), np.eye(3), -2 * np.eye(3)])[None]
    gradient = np.full(axes.shape, 3.0)
    expected = np.array([[0, -3, -3, -3, 6 * 2**alpha, 6 * 2**alpha, 6 * 2**alpha]])
    np.testing.assert_allclose(radial_scores(axes, gradient, alpha), expected)


def test_a_network_with_normals_takes_them_beside_the_points() -> None:
    objective = trained("pointnet", model__normals=True)
    normals = clouds(seed=4)
    found = point_cloud_saliency(objective, clouds(), [0, 1, 2], features=normals)
    other = point_cloud_saliency(objective, clouds(), [0, 1, 2], features=-normals)
    assert not np.array_equal(found, other)
    with pytest.raises(UsageError, match=r"3 numbers beside each position; give features of shape \(3, 64, 3\)"):
        point_cloud_saliency(objective, clouds(), [0, 1, 2])


def test_what_cannot_be_explained_is_refused() -> None:
    with pytest.raises(UsageError, match=r"trained for parts; use a run of --model\.task classification"):
        point_cloud_saliency(trained("pointnet2", "tiny_parts"), clouds(), [0, 1, 2])
    objective = trained("pointnet")
    with pytest.raises(UsageError, match="needs its category, from 0 to 2"):
        point_cloud_saliency(objective, clouds(), [0, 1, 3])
    with pytest.raises(UsageError, match="needs its category"):
        point_cloud_saliency(objective, clouds(), [0, 1])
    with pytest.raises(UsageError, match=r"alpha is -1"):
        point_cloud_saliency(objective, clouds(), [0, 1, 2], alpha=-1)
    with pytest.raises(UsageError, match=r"got an array of shape \(64, 3\)"):
        point_cloud_saliency(objective, clouds()[0], [0])
    with pytest.raises(UsageError, match="0 numbers beside each position"):
        point_cloud_saliency(objective, clouds(), [0, 1, 2], features=clouds())
