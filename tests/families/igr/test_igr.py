from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

sys.path.insert(0, str(Path(__file__).parents[1] / "fields"))

from spheres import doubles, learn, only, scans_of_spheres, surface_radii, value_at_origin

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation
from shapesys.families.fields.autodecoder import infer, known
from shapesys.families.igr import FAMILY
from shapesys.families.igr.config import IGRConfig, IGRInference
from shapesys.families.igr.inference import observe_cloud, observe_points
from shapesys.families.igr.objective import IGRObjective
from shapesys.training.config import resolve

SMALL = IGRConfig(latent_dim=4, hidden=32, layers=4, skip_at=2, radius=0.5, code_std=1e-2, code_weight=1e-3)
ONE = IGRConfig(latent_dim=0, hidden=32, layers=3, skip_at=None, radius=0.8)
SEARCH = IGRInference(iterations=100, points=200, learning_rate=2e-2, trained_starts=2)


def derivatives(objective: IGRObjective, points: Tensor) -> tuple[Tensor, Tensor]:
    """Field and gradient by autograd."""
    points = points.clone().requires_grad_()
    value = objective.decoder(objective.codes.weight, points)[..., 0]
    return value.detach(), torch.autograd.grad(value.sum(), points)[0]


@pytest.mark.parametrize("normal_weight", [0.5, 0.0])
def test_the_loss_term_by_term_is_what_autograd_says(normal_weight: float) -> None:
    torch.manual_seed(0)
    objective = IGRObjective(SMALL.override({"normal_weight": normal_weight}), shapes=2).double()
    batch = objective.complete(doubles(scans_of_spheres((0.4, 0.7), 40)))
    on, slope_on = derivatives(objective, batch["surface"])
    off, slope_off = derivatives(objective, batch["off_surface"])
    expected = {
        "surface": (on.abs().mean(), 1.0),
        "eikonal": ((slope_off.norm(dim=2) - 1).square().mean(), 0.1),
        "code": (objective.codes.weight.detach().square().sum(dim=1).mean(), 1e-3),
    }
    if normal_weight:
        expected["normal"] = ((slope_on - batch["normals"]).norm(dim=2).mean(), normal_weight)
    terms = objective(batch)
    assert {*terms.losses} == {*expected}
    for name, (value, weight) in expected.items():
        torch.testing.assert_close(terms.losses[name].value.detach(), value, msg=name)
        assert terms.losses[name].weight == weight
    assert float(terms.statistics["inside"]) == pytest.approx(float((off < 0).double().mean()))


def test_points_off_the_surface_are_near_their_own_by_its_spread_and_an_eighth_anywhere() -> None:
    objective = IGRObjective(SMALL, shapes=2)
    batch = scans_of_spheres((0.4, 0.7), 4000)
    batch["spread"][1] = 0.02
    completed = objective.complete(batch)
    assert objective.complete(completed) is completed
    points = completed["off_surface"]
    assert points.shape == (2, 4500, 3)
    std = (points[:, :4000] - batch["surface"]).std(dim=(1, 2))
    torch.testing.assert_close(std, torch.tensor([0.1, 0.02]), rtol=0.05, atol=0)
    assert 1.7 < float(points[:, 4000:].abs().max()) <= 1.8
    fixed = IGRObjective(SMALL.override({"near_std": 0.3}), shapes=2)
    assert FAMILY.need(fixed.config).columns == ("surface", "normals")
    del batch["spread"]
    std = (fixed.complete(batch)["off_surface"][:, :4000] - batch["surface"]).std()
    assert float(std) == pytest.approx(0.3, rel=0.05)
    second = {name: value[1:] for name, value in batch.items()}
    assert torch.equal(fixed.complete(second)["off_surface"][0], fixed.complete(batch)["off_surface"][1])


def test_many_networks_at_once_lose_what_each_loses_alone() -> None:
    objectives = [IGRObjective(ONE, shapes=1) for _ in range(3)]
    completed = dict(objectives[0].complete(scans_of_spheres((0.4, 0.5, 0.6), 30)))
    parameters, buffers = stack_module_state(list(objectives))

    def total(own: dict[str, Tensor], rest: dict[str, Tensor], row: dict[str, Tensor]) -> Tensor:
        one = {name: value.unsqueeze(0) for name, value in row.items()}
        return functional_call(objectives[0], (own, rest), (one,)).total()

    together = vmap(total)(parameters, buffers, completed)
    for row, objective in enumerate(objectives):
        alone = objective({name: value[row : row + 1] for name, value in completed.items()}).total()
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-5)


def test_normals_are_asked_for_where_they_have_a_weight_and_missed_with_a_reason() -> None:
    assert FAMILY.need(SMALL).columns == ("surface", "spread", "normals")
    unoriented = SMALL.override({"normal_weight": 0.0})
    assert FAMILY.need(unoriented).columns == ("surface", "spread")
    bare = scans_of_spheres((0.4, 0.7), 30, normals=False)
    with pytest.raises(ShapesysError, match=r"normal_weight is 1.*have no normals.*--model.normal-weight 0"):
        IGRObjective(SMALL, shapes=2)(bare)
    assert "normal" not in IGRObjective(unoriented, shapes=2)(bare).losses


@pytest.mark.parametrize("oriented", [True, False])
def test_a_sphere_is_learned_from_points_with_normals_and_without(oriented: bool) -> None:
    torch.manual_seed(0)
    objective = IGRObjective(ONE.override({"normal_weight": float(oriented)}), shapes=1)
    learn(objective, (0.5,), steps=300, rate=5e-3, normals=oriented)
    assert float(np.abs(surface_radii(only(objective)) - 0.5).mean()) < 0.01
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (500, 3)).astype(np.float32)
    points = points[np.linalg.norm(points, axis=1) > 0.2]
    values = only(objective).field.values(points)  # type: ignore[union-attr]
    np.testing.assert_allclose(values, np.linalg.norm(points, axis=1) - 0.5, atol=0.1)
    assert value_at_origin(only(objective)) < 0


@pytest.fixture(scope="module")
def two_spheres() -> IGRObjective:
    torch.manual_seed(0)
    objective = IGRObjective(SMALL, shapes=2)
    learn(objective, (0.4, 0.7), steps=400, rate=5e-3, normals=True)
    return objective


@pytest.mark.parametrize("oriented", [True, False])
def test_codes_of_unseen_scans_are_found_with_normals_and_without(two_spheres: IGRObjective, oriented: bool) -> None:
    for radius, prediction in zip((0.4, 0.7), known(two_spheres, [0, 1], ["s/a", "s/b"]), strict=True):
        assert float(np.abs(surface_radii(prediction) - radius).mean()) < 0.02
    scans = scans_of_spheres((0.4, 0.7), 400, seed=9)
    columns = [
        observe_cloud(scans["surface"][row].numpy(), scans["normals"][row].numpy(), SEARCH, 0)
        if oriented
        else observe_points(scans["surface"][row].numpy(), SEARCH, 0)
        for row in (0, 1)
    ]
    shapes = [Observation(f"s/{row}", dict(seen)) for row, seen in enumerate(columns)]
    for radius, prediction in zip((0.4, 0.7), infer(two_spheres, shapes, SEARCH, seed=0), strict=True):
        assert float(np.abs(surface_radii(prediction) - radius).mean()) < 0.03


def test_searching_for_a_code_uses_the_normals_that_somebody_saw() -> None:
    torch.manual_seed(0)
    objective = IGRObjective(SMALL, shapes=2)
    codes = objective.codes.weight.detach()
    seen = objective.complete(scans_of_spheres((0.4, 0.7), 30))
    losses = objective(seen).losses
    errors = objective.errors(codes, seen, SEARCH)
    assert errors.shape == (2, 30)
    of_points = losses["surface"].value + 0.1 * losses["eikonal"].value
    torch.testing.assert_close(errors.mean(), of_points + losses["normal"].value)
    bare = {**seen, "normals": torch.empty(2, 0, 3)}
    torch.testing.assert_close(objective.errors(codes, bare, SEARCH).mean(), of_points)


def test_a_users_cloud_gives_every_point_once_with_its_normal_and_its_spread() -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.normal(size=(301, 3)).astype(np.float32), rng.normal(size=(301, 3)).astype(np.float32)
    inference = IGRInference(cloud_neighbour=4)
    bare, oriented = observe_points(points, inference, 0), observe_cloud(points, normals, inference, 0)
    assert bare["normals"].shape == (0, 3)
    distances = np.sort(np.linalg.norm(points[:, None] - points, axis=2), axis=1)[:, 4]
    for seen in (bare, oriented):
        assert {*FAMILY.need(SMALL).columns} <= {*seen}
        back, order = np.lexsort(seen["surface"].T), np.lexsort(points.T)
        np.testing.assert_array_equal(seen["surface"][back], points[order])
        np.testing.assert_allclose(seen["spread"][back], distances[order], rtol=1e-5)
    np.testing.assert_array_equal(oriented["normals"][back], normals[order])


def test_the_published_network_has_its_size_and_schedule() -> None:
    for preset in ("paper", "paper_single"):
        job = resolve("igr", preset, {"data.store": "unused"})
        objective = IGRObjective(job.model, shapes=0)  # type: ignore[arg-type]
        inputs = job.model.latent_dim + 3
        expected = (inputs + 1) * 512 + 6 * 513 * 512 + 513 * (512 - inputs) + 513
        assert sum(parameter.numel() for parameter in objective.parameters()) == expected
        assert (job.train.learning_rate, job.train.lr_factor, job.train.lr_floor) == (5e-3, 0.5, 5e-6)
