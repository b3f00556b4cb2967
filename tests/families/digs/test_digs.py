from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

sys.path.insert(0, str(Path(__file__).parents[1] / "fields"))

from spheres import doubles, learn, only, scans_of_spheres, surface_radii, value_at_origin

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation
from shapesys.families.digs import FAMILY
from shapesys.families.digs.config import DiGSConfig
from shapesys.families.digs.inference import observe_cloud, observe_points
from shapesys.families.digs.objective import DiGSObjective
from shapesys.families.fields.autodecoder import infer, known
from shapesys.families.fields.codes import CodeSearch
from shapesys.training.config import resolve

SMALL = DiGSConfig(latent_dim=4, hidden=32, layers=3, code_std=0.1, normal_weight=20.0)
ONE = DiGSConfig(latent_dim=0, hidden=64, layers=3, periods=3.0)


def derivatives(objective: DiGSObjective, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Field, gradient and divergence by autograd, asked as often as the released code asks."""
    points = points.clone().requires_grad_()
    value = objective.decoder(objective.codes.weight, points)[..., 0]
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    second = [
        torch.autograd.grad(gradient[..., axis].sum(), points, retain_graph=True)[0][..., axis] for axis in range(3)
    ]
    return value.detach(), gradient.detach(), torch.stack(second).sum(dim=0)


@pytest.mark.parametrize("oriented", [False, True])
def test_the_loss_term_by_term_is_what_autograd_says(oriented: bool) -> None:
    torch.manual_seed(0)
    objective = DiGSObjective(SMALL.override({"oriented_normals": oriented}), shapes=2).double()
    batch = objective.complete(doubles(scans_of_spheres((0.4, 0.7), 40)))
    on, slope_on, _ = derivatives(objective, batch["surface"])
    off, slope_off, divergence = derivatives(objective, batch["off_surface"])
    assert 0.05 < float((divergence.abs() > 0.1).double().mean()) < 1.0, "some lie within the range, some do not"
    cosine = torch.nn.functional.cosine_similarity(slope_on, batch["normals"], dim=-1)
    lengths = torch.cat([slope_on, slope_off], dim=1).norm(dim=2)
    expected = {
        "surface": (on.abs().mean(), 3e3),
        "off_surface": ((-100 * off.abs()).exp().mean(), 1e2),
        "eikonal": ((lengths - 1).abs().mean(), 5e1),
        "divergence": (divergence.abs().clamp(0.1, 50).mean(), 1e2),
        "normal": ((1 - (cosine if oriented else cosine.abs())).mean(), 20.0),
        "code": (objective.codes.weight.detach().square().sum(dim=1).mean(), 1.0),
    }
    terms = objective(batch)
    assert {*terms.losses} == {*expected}
    for name, (value, weight) in expected.items():
        torch.testing.assert_close(terms.losses[name].value.detach(), value, msg=name)
        assert terms.losses[name].weight == weight
    torch.testing.assert_close(terms.total().detach(), sum(value * weight for value, weight in expected.values()))
    assert float(terms.statistics["inside"]) == pytest.approx(float((off < 0).double().mean()))


def test_the_divergence_is_held_then_falls_to_nothing_which_keeps_its_name_and_costs_no_laplacian(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = DiGSConfig(divergence_until=0.2, divergence_gone=0.4)
    done = [0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.9, 1.0]
    found = [config.divergence_factor(share) for share in done]
    np.testing.assert_allclose(found, [1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0], atol=1e-12)
    held = DiGSConfig(divergence_until=1.0, divergence_gone=1.0)
    assert [held.divergence_factor(share) for share in (0.0, 0.99)] == [1.0, 1.0]
    at_once = DiGSConfig(divergence_until=0.0, divergence_gone=0.0)
    assert at_once.divergence_factor(0.0) == 0.0
    objective, batch = DiGSObjective(ONE, shapes=1), scans_of_spheres((0.5,), 30)
    assert objective(batch).losses["divergence"].weight == 1e2, "before training begins"
    objective.begin_epoch(300, 1000)
    halved = objective(batch).losses["divergence"]
    assert halved.weight == pytest.approx(5e1)
    assert float(halved.value.detach()) > 0
    monkeypatch.delattr("shapesys.families.digs.objective.with_laplacian")
    objective.begin_epoch(400, 1000)
    gone = objective(batch).losses["divergence"]
    assert (float(gone.value.detach()), gone.weight) == (0.0, 0.0)


def test_points_off_the_surface_are_drawn_once_by_the_shapes_own_seeds() -> None:
    objective = DiGSObjective(SMALL, shapes=2)
    batch = scans_of_spheres((0.4, 0.7), 40)
    completed = objective.complete(batch)
    assert objective.complete(completed) is completed
    assert completed["off_surface"].shape == (2, 40, 3)
    assert 1.0 < float(completed["off_surface"].abs().max()) <= SMALL.box
    second = {name: value[1:] for name, value in batch.items()}
    assert torch.equal(objective.complete(second)["off_surface"][0], completed["off_surface"][1])
    assert float(objective(batch).total().detach()) == float(objective(completed).total().detach())


def test_many_networks_at_once_lose_what_each_loses_alone() -> None:
    objectives = [DiGSObjective(ONE, shapes=1) for _ in range(3)]
    batch = scans_of_spheres((0.4, 0.5, 0.6), 30, normals=False)
    completed = {name: value for name, value in objectives[0].complete(batch).items() if name != "normals"}
    parameters, buffers = stack_module_state(list(objectives))

    def total(own: dict[str, Tensor], rest: dict[str, Tensor], row: dict[str, Tensor]) -> Tensor:
        one = {name: value.unsqueeze(0) for name, value in row.items()}
        return functional_call(objectives[0], (own, rest), (one,)).total()

    together = vmap(total)(parameters, buffers, completed)
    for row, objective in enumerate(objectives):
        alone = objective({name: value[row : row + 1] for name, value in completed.items()}).total()
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)


def test_normals_are_asked_for_where_they_have_a_weight_and_missed_with_a_reason() -> None:
    assert FAMILY.need(ONE).columns == ("surface",)
    assert FAMILY.need(SMALL).columns == ("surface", "normals")
    bare = scans_of_spheres((0.4, 0.7), 30, normals=False)
    with pytest.raises(ShapesysError, match=r"normal_weight is 20.*have no normals.*--model.normal-weight 0"):
        DiGSObjective(SMALL, shapes=2)(bare)
    assert "normal" not in DiGSObjective(SMALL.override({"normal_weight": 0.0}), shapes=2)(bare).losses


@pytest.fixture(scope="module")
def sphere() -> DiGSObjective:
    """A network that has seen points of one sphere, no normals and no distances."""
    torch.manual_seed(0)
    objective = DiGSObjective(ONE, shapes=1)
    learn(objective, (0.5,), steps=300, rate=5e-4, normals=False, clip=10.0)
    return objective


def test_a_sphere_is_learned_from_points_alone_with_its_inside(sphere: DiGSObjective) -> None:
    radii = surface_radii(only(sphere))
    assert float(np.abs(radii - 0.5).mean()) < 0.02
    assert value_at_origin(only(sphere)) < 0
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (500, 3)).astype(np.float32)
    truth = np.linalg.norm(points, axis=1) - 0.5
    values = only(sphere).field.values(points)  # type: ignore[union-attr]
    clear = np.abs(truth) > 0.05
    assert float((np.sign(values) == np.sign(truth))[clear].mean()) > 0.98


@pytest.fixture(scope="module")
def two_spheres() -> DiGSObjective:
    torch.manual_seed(0)
    config = ONE.override({"latent_dim": 4, "code_std": 1e-2, "code_weight": 1e-2})
    objective = DiGSObjective(config, shapes=2)
    learn(objective, (0.4, 0.7), steps=400, rate=5e-4, normals=False, clip=10.0)
    return objective


def test_codes_of_unseen_scans_are_found_from_points_alone(two_spheres: DiGSObjective) -> None:
    for radius, prediction in zip((0.4, 0.7), known(two_spheres, [0, 1], ["s/a", "s/b"]), strict=True):
        assert float(np.abs(surface_radii(prediction) - radius).mean()) < 0.03
    scans = scans_of_spheres((0.4, 0.7), 400, seed=9)["surface"].numpy()
    search = CodeSearch(iterations=60, points=200, learning_rate=2e-2, trained_starts=2)
    shapes = [Observation(f"s/{row}", dict(observe_points(scans[row], search, 0))) for row in (0, 1)]
    found = infer(two_spheres, shapes, search, seed=0)
    for radius, prediction in zip((0.4, 0.7), found, strict=True):
        assert float(np.abs(surface_radii(prediction) - radius).mean()) < 0.03


def test_searching_for_a_code_leaves_out_divergence_and_the_normals_that_nobody_saw() -> None:
    torch.manual_seed(0)
    objective = DiGSObjective(SMALL, shapes=2)
    codes = objective.codes.weight.detach()
    seen = objective.complete(scans_of_spheres((0.4, 0.7), 30))
    losses = objective(seen).losses
    errors = objective.errors(codes, seen, CodeSearch())
    assert errors.shape == (2, 30)
    expected = sum(term.weight * term.value for name, term in losses.items() if name not in ("divergence", "code"))
    torch.testing.assert_close(errors.mean(), expected)
    bare = {**seen, "normals": torch.empty(2, 0, 3)}
    without = objective.errors(codes, bare, CodeSearch()).mean()
    torch.testing.assert_close(without, errors.mean() - 20.0 * losses["normal"].value)


def test_a_users_cloud_gives_what_the_family_needs() -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    bare, oriented = observe_points(points, CodeSearch(), 0), observe_cloud(points, normals, CodeSearch(), 0)
    for seen, count in ((bare, 0), (oriented, 300)):
        assert {*FAMILY.need(SMALL).columns} <= {*seen}
        assert (seen["surface"].shape, seen["normals"].shape) == ((300, 3), (count, 3))
        assert seen["surface"].dtype == np.float32
    order = np.lexsort(points.T)
    back = np.lexsort(oriented["surface"].T)
    np.testing.assert_allclose(oriented["normals"][back], normals[order], rtol=1e-6)


def test_the_published_networks_have_their_sizes() -> None:
    for preset, parameters in (("paper_single", 264_449), ("paper", 593_153), ("paper_scene", 2_103_809)):
        job = resolve("digs", preset, {"data.store": "unused"})
        objective = DiGSObjective(job.model, shapes=0)  # type: ignore[arg-type]
        assert sum(parameter.numel() for parameter in objective.parameters()) == parameters


def test_a_start_that_leaves_the_inside_to_chance_is_warned_of() -> None:
    siren = DiGSConfig(start="siren")
    assert "chance decides" in FAMILY.warnings(siren)[0]
    assert FAMILY.warnings(siren.override({"normal_weight": 1.0, "oriented_normals": True})) == []
    assert FAMILY.warnings(DiGSConfig()) == []


def test_a_schedule_that_ends_before_it_falls_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"divergence_gone \(0.1\) must not be below divergence_until \(0.2\)"):
        DiGSConfig(divergence_gone=0.1)
