"""What families that classify space share."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.config.base import Config
from shapesys.errors import ShapesysError
from shapesys.families.fields.occupancy import (
    check_inside,
    cube_field,
    logit,
    noisy_inputs,
    observe_points,
    occupancy_terms,
    some_of,
)
from shapesys.fields.extraction import extract


def test_the_loss_is_the_cross_entropy_summed_over_queries_and_averaged_over_shapes() -> None:
    probability = torch.tensor([[0.9, 0.2, 0.5], [0.4, 0.7, 0.1]], dtype=torch.float64)
    inside = torch.tensor([[True, False, True], [False, False, True]])
    terms = occupancy_terms(torch.logit(probability), inside, 0.5)
    right = torch.where(inside, probability, 1 - probability)
    torch.testing.assert_close(terms.total(), -right.log().sum() / 2)
    assert {*terms.losses} == {"occupancy"}


@pytest.mark.parametrize(
    ("level", "iou", "accuracy"), [(0.45, (1.0 + 0.0) / 2, 4 / 6), (0.3, (2 / 3 + 0.0) / 2, 2 / 6)]
)
def test_statistics_are_means_over_shapes_at_the_level(level: float, iou: float, accuracy: float) -> None:
    probability = torch.tensor([[0.9, 0.4, 0.5], [0.4, 0.7, 0.1]])
    inside = torch.tensor([[True, False, True], [False, False, True]])
    found = occupancy_terms(torch.logit(probability), inside, level).statistics
    assert float(found["iou"]) == pytest.approx(iou)
    assert float(found["accuracy"]) == pytest.approx(accuracy)


def test_what_is_empty_and_called_empty_is_right() -> None:
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    assert float(occupancy_terms(torch.full((1, 5), -9.0), nothing, 0.2).statistics["iou"]) == 1.0


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_the_sigmoid_undoes_the_logit(probability: float) -> None:
    assert 1 / (1 + math.exp(-logit(probability))) == pytest.approx(probability)


def scans(shapes: int = 3, points: int = 50) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"surface": torch.rand(shapes, points, 3, generator=generator), "noise_seed": torch.arange(shapes)}


def test_inputs_are_different_points_of_the_surface_with_noise() -> None:
    batch = scans()
    plain = noisy_inputs(batch, 20, 0.0)
    for cloud, surface in zip(plain, batch["surface"], strict=True):
        rows = (cloud[:, None] == surface[None]).all(dim=2).nonzero()[:, 1]
        assert len(rows.unique()) == 20
    assert torch.equal(noisy_inputs(batch, 50, 0.0), batch["surface"])
    assert torch.equal(noisy_inputs(batch, 99, 0.0), batch["surface"])
    many = scans(points=5000)
    noise = noisy_inputs(many, 5000, 0.1) - many["surface"]
    assert float(noise.std()) == pytest.approx(0.1, rel=0.03)


def test_inputs_depend_on_the_shapes_seed_alone() -> None:
    batch = scans()
    found = noisy_inputs(batch, 20, 0.1)
    alone = noisy_inputs({name: value[1:2] for name, value in batch.items()}, 20, 0.1)
    assert torch.equal(found[1:2], alone)
    assert not torch.equal(noisy_inputs({**batch, "noise_seed": batch["noise_seed"] + 1}, 20, 0.1), found)


def test_some_points_are_different_ones() -> None:
    cloud = torch.arange(30.0).view(10, 3)
    assert some_of(cloud, 10, torch.Generator()) is cloud
    found = some_of(cloud, 4, torch.Generator().manual_seed(0))
    assert len(found) == 4
    assert {*found[:, 0].tolist()} <= {*cloud[:, 0].tolist()}
    assert len({*found[:, 0].tolist()}) == 4


def test_a_few_outliers_may_lie_outside_and_no_more() -> None:
    cloud = torch.zeros(300, 3)
    cloud[:3, 0] = 5.0
    check_inside(cloud, 1.1, "chair/1")
    cloud[3, 1] = -0.56
    with pytest.raises(
        ShapesysError, match=r"4 of the 300 points of 'chair/1' lie outside the cube of side 1.1 .* 5\)"
    ):
        check_inside(cloud, 1.1, "chair/1")
    with pytest.raises(ShapesysError, match="'chair/1' has no points to see"):
        check_inside(cloud[:0], 1.1, "chair/1")


def test_a_users_cloud_is_observed_as_it_is() -> None:
    cloud = np.random.default_rng(0).uniform(-1, 1, (9, 3))
    [(name, points)] = observe_points(cloud, Config(), 0).items()
    assert (name, points.dtype) == ("points", np.float32)
    np.testing.assert_allclose(points, cloud, atol=1e-6)


def test_the_surface_of_a_field_is_where_it_is_inside_with_the_probability_of_the_level() -> None:
    def of_a_ball(points: Tensor) -> Tensor:
        """The probability of being inside is 0.2 at a radius of 0.6."""
        return logit(0.2) + 10 * (0.6 - points.norm(dim=1))

    field = cube_field(of_a_ball, 2.0, 0.2, torch.zeros(1, 3))
    assert field.traits.box.high == (1.0, 1.0, 1.0)
    mesh = extract(field, 32).mesh
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.6, atol=2e-3)
    first, second, third = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64), 1, 0)
    volume = (np.cross(first, second) * third).sum() / 6  # negative where faces look inwards
    assert volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.02)
