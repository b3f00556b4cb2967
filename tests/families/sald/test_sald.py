from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from shapesys.families.base import Observation
from shapesys.families.fields.autodecoder import infer, known
from shapesys.families.fields.losses import sign_agnostic_error, sign_agnostic_gradient_error
from shapesys.families.sal.inference import observe_points
from shapesys.families.sald import FAMILY
from shapesys.families.sald.config import SALDConfig, SALDInference
from shapesys.families.sald.objective import SALDObjective
from shapesys.fields.extraction import extract

SMALL = SALDConfig(latent_dim=4, hidden=32, layers=4, skip_at=2, radius=0.5, code_std=1e-3, derivative_weight=0.3)


def about_spheres(radii: tuple[float, ...], count: int) -> dict[str, Tensor]:
    """Queries of spheres with their distance and its gradient."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(len(radii), count, 3, generator=generator) * 2 - 1
    signed = points.norm(dim=2) - torch.tensor(radii)[:, None]
    outward = points / points.norm(dim=2, keepdim=True)
    return {
        "shape_index": torch.arange(len(radii)),
        "points": points,
        "distance": signed.abs(),
        "direction": outward * signed.sign()[..., None],
    }


def test_the_loss_of_derivatives_does_not_know_the_sign_and_is_zero_on_the_surface() -> None:
    gradient, direction = torch.randn(50, 3), torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    error = sign_agnostic_gradient_error(gradient, direction)
    torch.testing.assert_close(error, sign_agnostic_gradient_error(-gradient, direction))
    assert not sign_agnostic_gradient_error(-direction, direction).any()
    assert not sign_agnostic_gradient_error(gradient, torch.zeros(50, 3)).any()
    g, n = gradient.numpy(), direction.numpy()
    np.testing.assert_allclose(error, np.minimum(np.abs(g - n).sum(axis=1), np.abs(g + n).sum(axis=1)), rtol=1e-5)


def test_the_loss_is_what_autograd_says_it_is() -> None:
    torch.manual_seed(0)
    objective = SALDObjective(SMALL, shapes=2).double()
    batch = {name: v.double() if v.is_floating_point() else v for name, v in about_spheres((0.4, 0.6), 30).items()}
    points = batch["points"].requires_grad_()
    value = objective.decoder(objective.codes.weight, points)[..., 0]
    (gradient,) = torch.autograd.grad(value.sum(), points)
    distance = sign_agnostic_error(value, batch["distance"]).mean()
    derivative = sign_agnostic_gradient_error(gradient, batch["direction"]).mean()
    prior = SMALL.code_weight * objective.codes.weight.square().sum(dim=1).mean()
    terms = objective(batch | {"points": points.detach()})
    torch.testing.assert_close(terms.total(), distance + 0.3 * derivative + prior)
    assert {*terms.losses} == {"distance", "derivative", "code"}


def test_a_weight_of_zero_keeps_every_parameter_in_the_graph() -> None:
    objective = SALDObjective(SMALL.override({"derivative_weight": 0.0}), shapes=2)
    objective(about_spheres((0.4, 0.6), 30)).total().backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())


@pytest.fixture(scope="module")
def of_two_spheres() -> SALDObjective:
    torch.manual_seed(0)
    objective = SALDObjective(SMALL, shapes=2)
    optimiser = torch.optim.Adam(objective.parameters(), lr=5e-3)
    batch = about_spheres((0.4, 0.7), 400)
    for _ in range(300):
        optimiser.zero_grad()
        objective(batch).total().backward()
        optimiser.step()
    return objective


def test_it_learns_signed_fields_of_shapes_that_it_saw_no_signs_of(of_two_spheres: SALDObjective) -> None:
    points = about_spheres((1.0,), 500)["points"][0].numpy()
    # The middle, where a distance has its one kink, is left out.
    points = points[np.linalg.norm(points, axis=1) > 0.15]
    for radius, prediction in zip((0.4, 0.7), known(of_two_spheres, [0, 1], ["s/a", "s/b"]), strict=True):
        values = prediction.field.values(points)
        np.testing.assert_allclose(values, np.linalg.norm(points, axis=1) - radius, atol=0.06)
        vertices = extract(prediction.field, 32).mesh.vertices
        np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), radius, atol=0.05)


def test_codes_of_unseen_shapes_are_found_from_distances_and_derivatives(of_two_spheres: SALDObjective) -> None:
    seen = about_spheres((0.4, 0.7), 400)
    shapes = [
        Observation(f"s/{row}", {name: seen[name][row].numpy() for name in ("points", "distance", "direction")})
        for row in (0, 1)
    ]
    search = SALDInference(iterations=150, points=200, learning_rate=2e-2, trained_starts=2)
    found = infer(of_two_spheres, shapes, search, seed=0)
    points = seen["points"][0].numpy()
    for radius, prediction in zip((0.4, 0.7), found, strict=True):
        np.testing.assert_allclose(prediction.field.values(points), np.linalg.norm(points, axis=1) - radius, atol=0.08)


def test_a_users_cloud_gives_what_the_family_needs() -> None:
    cloud = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    columns = observe_points(cloud, SALDInference(cloud_queries=200, cloud_neighbour=4), 0)
    assert {*FAMILY.needs[0].columns} <= {*columns}


def test_sines_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValidationError, match="softplus100 or relu"):
        SALDConfig(activation="sine30")
