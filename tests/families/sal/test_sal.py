from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families.base import Observation, TrainingData
from shapesys.families.fields.autodecoder import infer, known
from shapesys.families.fields.losses import sign_agnostic_error
from shapesys.families.sal import FAMILY
from shapesys.families.sal.config import SALConfig, SALInference
from shapesys.families.sal.inference import observe_points
from shapesys.families.sal.objective import SALObjective
from shapesys.fields.extraction import extract
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import resolve
from shapesys.tuning.objective import metric_names

SMALL = SALConfig(latent_dim=4, hidden=32, layers=4, skip_at=2, radius=0.5, code_std=1e-3)
SALIENT = SMALL.override({"saliency_weight": 1e-2})


def model_of(preset: str) -> SALConfig:
    model = resolve("sal", preset, {"data.store": "unused"}).model
    assert isinstance(model, SALConfig)
    return model


def batch(shapes: int = 3, points: int = 50) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "shape_index": torch.arange(shapes),
        "points": torch.rand(shapes, points, 3, generator=generator) * 2 - 1,
        "distance": torch.rand(shapes, points, generator=generator),
    }


def test_tau_is_the_same_for_a_field_and_its_negative_and_zero_for_both_signed_solutions() -> None:
    field, unsigned = torch.randn(100), torch.rand(100)
    error = sign_agnostic_error(field, unsigned)
    assert torch.equal(error, sign_agnostic_error(-field, unsigned))
    assert not sign_agnostic_error(-unsigned, unsigned).any()
    assert not sign_agnostic_error(unsigned, unsigned).any()
    torch.testing.assert_close(sign_agnostic_error(torch.tensor([-0.3, 0.3]), torch.tensor([0.1, 0.5])),
                               torch.tensor([0.2, 0.2]))  # fmt: skip


def test_the_loss_term_by_term() -> None:
    torch.manual_seed(0)
    for config in (SMALL, SALIENT):
        objective = SALObjective(config, shapes=3).double()
        data = {name: value.double() if value.is_floating_point() else value for name, value in batch().items()}
        with torch.no_grad():
            output = objective.decoder(objective.codes.weight, data["points"]).numpy()
            error = np.abs(np.abs(output[..., 0]) - data["distance"].numpy())
            prior = config.code_weight * np.square(objective.codes.weight.numpy()).sum(axis=1).mean()
            if config.learns_saliency:
                s = 1 / (1 + np.exp(-output[..., 1]))
                error = error * s - config.saliency_weight * np.log(s)
            assert float(objective(data).total()) == pytest.approx(error.mean() + prior, rel=1e-6)


@pytest.mark.parametrize("loss", ["l0", "plain_l1", "plain_l2"])
def test_the_other_losses_term_by_term(loss: str) -> None:
    torch.manual_seed(0)
    objective = SALObjective(SMALL.override({"loss": loss}), shapes=3).double()
    data = {name: value.double() if value.is_floating_point() else value for name, value in batch().items()}
    data["surface"] = torch.rand(3, 50, 3, dtype=torch.float64) - 0.5
    with torch.no_grad():
        off, on = (objective.decoder(objective.codes.weight, data[at])[..., 0].numpy() for at in ("points", "surface"))
    h = data["distance"].numpy()
    expected = {
        "l0": np.abs(np.abs(off) - 1).mean() + 2.0 * np.abs(on).mean(),
        "plain_l1": np.abs(off - h).mean(),
        "plain_l2": np.square(off - h).mean(),
    }
    terms = objective(data)
    code = terms.losses["code"]
    assert float((terms.total() - code.weight * code.value).detach()) == pytest.approx(expected[loss], rel=1e-6)
    errors = objective.errors(objective.codes.weight, data, INFERENCE)
    assert float(errors.detach().mean()) == pytest.approx(expected[loss], rel=1e-6)


def test_the_field_of_l0_starts_as_the_sphere_too() -> None:
    torch.manual_seed(0)
    objective = SALObjective(SMALL.override({"loss": "l0", "weight_norm": False, "hidden": 128}), shapes=1)
    directions = torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    radii = torch.tensor([0.25, 0.5, 0.75])
    values = objective.decoder(torch.zeros(1, 4), (radii[:, None, None] * directions).view(1, -1, 3))
    inner, at, outer = values.view(3, 200)
    assert bool((inner < 0).all())
    assert bool((outer > 0).all())
    assert float(at.detach().abs().mean()) < 0.15


def fitted_to_a_sphere(loss: str) -> SALObjective:
    """A network of one shape that has seen unsigned distances to a sphere of radius 0.6."""
    torch.manual_seed(0)
    config = SMALL.override({"latent_dim": 0, "skip_at": None, "loss": loss})
    objective = SALObjective(config, shapes=1)
    optimiser = torch.optim.Adam(objective.parameters(), lr=3e-3)
    for step in range(300):
        generator = torch.Generator().manual_seed(step)
        points = torch.rand(1, 256, 3, generator=generator) * 2 - 1
        surface = 0.6 * torch.nn.functional.normalize(torch.randn(1, 256, 3, generator=generator), dim=2)
        near = torch.cat([points, surface + 0.05 * torch.randn(1, 256, 3, generator=generator)], dim=1)
        data = {"points": near, "distance": (near.norm(dim=2) - 0.6).abs(), "surface": surface.repeat(1, 2, 1)}
        optimiser.zero_grad()
        objective(data).total().backward()
        optimiser.step()
    return objective.eval()


def test_plain_losses_visibly_learn_no_inside_where_signs_are_not_known() -> None:
    for loss, has_an_inside in (("l2", True), ("l0", True), ("plain_l1", False), ("plain_l2", False)):
        objective = fitted_to_a_sphere(loss)
        [prediction] = known(objective, [0], ["x/1"])
        inside = prediction.field.values(np.random.default_rng(0).uniform(-0.3, 0.3, (200, 3)).astype(np.float32))
        assert bool((inside < 0).mean() > 0.95) == has_an_inside, loss
        mesh = extract(prediction.field, 32).mesh
        if has_an_inside:
            assert abs(np.median(np.linalg.norm(mesh.vertices, axis=1)) - 0.6) < 0.04


def test_saliency_weighs_the_errors_of_distances_alone() -> None:
    with pytest.raises(UsageError, match="saliency_weight to 0 for loss l0"):
        resolve("sal", "tiny_saliency", {"data.store": "unused", "model.loss": "l0"})


def test_a_head_exists_where_saliency_has_a_weight() -> None:
    assert (SMALL.outputs, FAMILY.attributes(SMALL)) == (1, ())
    assert (SALIENT.outputs, FAMILY.attributes(SALIENT)) == (2, ("saliency",))
    points = np.zeros((2, 3), np.float32)
    for config in (SMALL, SALIENT):
        [prediction] = known(SALObjective(config, shapes=1), [0], ["x/1"])
        assert set(prediction.field.attributes(points)) == {*FAMILY.attributes(config)}
    assert {*SALObjective(SMALL, 1)(batch(1)).losses} == {"distance", "code"}
    assert {*SALObjective(SALIENT, 1)(batch(1)).losses} == {"distance", "code", "saliency"}


def test_metrics_of_saliency_are_those_of_runs_with_the_head() -> None:
    for preset, expected in (("tiny", False), ("tiny_saliency", True)):
        names = metric_names(FAMILY, EvaluateConfig(), resolve("sal", preset, {"data.store": "unused"}))
        assert ("ssr/min_max" in names) is expected
        assert "iou/uniform_box" in names


def test_it_starts_as_the_sphere_for_every_code() -> None:
    torch.manual_seed(0)
    objective = SALObjective(model_of("tiny_saliency"), shapes=5)
    directions = torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    points = torch.cat([torch.zeros(1, 3), 0.2 * directions, directions])
    values = objective.decoder(objective.codes.weight, points.expand(5, -1, -1))[..., 0]
    assert bool((values[:, :201] < 0).all())
    assert float((values[:, 201:] > 0).float().mean()) > 0.99


def sphere_queries(radius: float, seed: int = 0, count: int = 2000) -> dict[str, np.ndarray]:
    """Unsigned distances to a sphere."""
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)
    return {"points": points, "distance": np.abs(np.linalg.norm(points, axis=1) - np.float32(radius))}


@pytest.fixture(scope="module")
def trained() -> SALObjective:
    """A small network that has learned spheres of five radii from unsigned distances."""
    torch.manual_seed(0)
    objective = SALObjective(SALIENT, shapes=5)
    optimiser = torch.optim.Adam(objective.parameters(), lr=5e-3)
    rows = [sphere_queries(0.3 + 0.1 * index, seed=index, count=512) for index in range(5)]
    data = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in ("points", "distance")}
    for _ in range(500):
        optimiser.zero_grad()
        objective({"shape_index": torch.arange(5)} | data).total().backward()
        optimiser.step()
    return objective.eval()


INFERENCE = SALInference(iterations=150, learning_rate=2e-2, points=500, cloud_queries=4000, cloud_neighbour=5)


def test_unsigned_distances_teach_a_signed_field_negative_inside(trained: SALObjective) -> None:
    points = np.random.default_rng(1).uniform(-0.8, 0.8, (500, 3)).astype(np.float32)
    for index, prediction in enumerate(known(trained, range(5), [f"sphere/{index}" for index in range(5)])):
        truth = np.linalg.norm(points, axis=1) - (0.3 + 0.1 * index)
        values = prediction.field.values(points)
        clear = np.abs(truth) > 0.05
        assert (np.sign(values) == np.sign(truth))[clear].mean() > 0.97
        assert np.median(np.abs(values - truth)) < 0.04


def test_a_scan_without_normals_is_reconstructed(trained: SALObjective) -> None:
    normals = np.random.default_rng(0).standard_normal((3000, 3))
    scan = 0.55 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    columns = observe_points(scan, INFERENCE, 0)
    assert columns["points"].shape == (4000, 3)
    [prediction] = infer(trained, [Observation("scan/1", columns)], INFERENCE, seed=0)
    mesh = extract(prediction.field, 48).mesh
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(np.median(radii) - 0.55) < 0.04
    assert set(mesh.attributes) == {"saliency"}
    assert prediction.field.values(np.zeros((1, 3), np.float32))[0] < 0


def test_a_field_that_became_unsigned_is_seen_in_training_and_empty_in_extraction() -> None:
    objective = SALObjective(SMALL, shapes=1)
    with torch.no_grad():
        objective.decoder.head.bias[0] = 2.0
    assert float(objective(batch(1)).statistics["inside"]) == 0.0
    [prediction] = known(objective, [0], ["x/1"])
    found = extract(prediction.field, 16)
    assert found.mesh.is_empty
    assert "never cross the level 0" in (found.report.empty or "")


def test_one_shape_has_no_saliency_but_a_surface() -> None:
    lonely = TrainingData(1, Vocabulary(("chair",)), counts={"chair": 1})
    FAMILY.check(SMALL, lonely)
    with pytest.raises(ShapesysError, match=r"chair has one training shape.*--model.saliency-weight 0"):
        FAMILY.check(SALIENT, lonely)


def test_the_paper_preset_is_the_published_decoder() -> None:
    job = resolve("sal", "paper", {"data.store": "unused"})
    objective = SALObjective(model_of("paper"), shapes=1)
    assert sum(p.numel() for p in objective.decoder.parameters()) == 1_843_195
    assert (job.train.learning_rate, job.train.lr_step_epochs, job.train.lr_floor) == (5e-4, 500, 1e-5)


def test_a_decoder_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(UsageError, match=r"hidden \(32\) must exceed latent_dim \+ 3"):
        resolve("sal", "tiny", {"data.store": "anywhere", "model.hidden": 32, "model.latent_dim": 32})
