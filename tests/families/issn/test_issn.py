from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.fields.autodecoder import infer, known
from shapesys.families.fields.saliency import check
from shapesys.families.issn import FAMILY
from shapesys.families.issn.config import ISSNConfig, ISSNInference, warnings
from shapesys.families.issn.inference import observe_cloud
from shapesys.families.issn.objective import ISSNObjective, clamped_error
from shapesys.training.config import resolve

SMALL = ISSNConfig(latent_dim=4, hidden=32, layers=4, skip_at=2, dropout=0.0)


def batch(shapes: int = 3, points: int = 50, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "shape_index": torch.arange(shapes),
        "points": torch.rand(shapes, points, 3, generator=generator) * 2 - 1,
        "distance": torch.rand(shapes, points, generator=generator) - 0.5,
    }


@pytest.mark.parametrize("error", [1e-4, 1e-3, 5e-3, 0.1])
def test_the_optimal_saliency_of_equation_1_is_lambda_over_error(error: float) -> None:
    weight = 1e-3
    logit = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logit], max_iter=200, tolerance_grad=1e-14, tolerance_change=1e-16)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (error * logit.sigmoid() - weight * torch.nn.functional.logsigmoid(logit)) * 1e3
        loss.backward()
        return loss

    for _ in range(5):
        optimiser.step(closure)
    expected = min(1.0, weight / error)
    assert float(logit.sigmoid().detach()) == pytest.approx(expected, abs=2e-2 if expected == 1.0 else 1e-4)


def test_equation_1_term_by_term_against_plain_numpy() -> None:
    torch.manual_seed(0)
    objective = ISSNObjective(SMALL, shapes=3).double()
    data = {name: value.double() if value.is_floating_point() else value for name, value in batch().items()}
    terms = objective(data)
    with torch.no_grad():
        codes = objective.codes.weight
        tiled = torch.stack([objective.decoder(codes[i : i + 1], data["points"][i : i + 1])[0] for i in range(3)])
    f, s = tiled[..., 0].detach().numpy(), 1 / (1 + np.exp(-tiled[..., 1].detach().numpy()))
    error = np.abs(np.clip(f, -0.1, 0.1) - np.clip(data["distance"].numpy(), -0.1, 0.1))
    loss = (error * s - 1e-3 * np.log(s)).mean() + 0.1 * (codes.detach().numpy() ** 2).sum(axis=1).mean()
    assert float(terms.total().detach()) == pytest.approx(loss, rel=1e-6)


def test_lambda_zero_is_deepsdf_exactly_and_keeps_every_gradient() -> None:
    torch.manual_seed(0)
    plain = SMALL.override({"saliency_weight": 0.0, "code_weight": 0.0})
    objective = ISSNObjective(plain, shapes=3)
    data = batch()
    terms = objective(data)
    output = objective.decoder(objective.codes.weight, data["points"])[..., 0]
    deepsdf = clamped_error(output, data["distance"], 0.1).mean()
    assert torch.equal(terms.total(), deepsdf)
    terms.total().backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())
    # A saliency that nothing trains would be a map that means nothing.
    assert (objective.decoder.outputs, FAMILY.attributes(plain)) == (1, ())
    assert FAMILY.attributes(SMALL) == ("saliency",)


def test_the_clamp_of_equation_2() -> None:
    predicted, truth = torch.tensor([0.3, 0.05, -0.4]), torch.tensor([0.2, -0.05, 0.05])
    torch.testing.assert_close(clamped_error(predicted, truth, 0.1), torch.tensor([0.0, 0.1, 0.15]))


def test_pulling_back_changes_gradients_beyond_the_clamp_and_no_value() -> None:
    predicted = torch.tensor([0.9, 0.9, -0.9, 0.05], requires_grad=True)
    truth = torch.tensor([0.05, 0.5, 0.0, 0.0])
    values = {}
    gradients = {}
    for name in ("published", "pull_back"):
        predicted.grad = None
        error = clamped_error(predicted, truth, 0.1, name)  # type: ignore[arg-type]
        error.sum().backward()
        values[name], gradients[name] = error.detach(), predicted.grad.tolist()  # type: ignore[union-attr]
    torch.testing.assert_close(values["published"], values["pull_back"])
    assert gradients["published"] == [0, 0, 0, 1]
    assert gradients["pull_back"] == [1, 0, -1, 1], "nothing pulls where both lie beyond the same side"


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "DeepSDF"), (1e-2, "saturates"), (1e-4, "noisy"), (1e-5, "vanishes")]
)
def test_the_appendix_failures_are_warned_of(value: float, words: str) -> None:
    [sentence] = warnings(ISSNConfig(saliency_weight=value))
    assert words in sentence


def test_the_published_lambda_draws_no_warning() -> None:
    assert warnings(ISSNConfig()) == []


def test_the_paper_preset_is_deepsdfs_trunk_with_one_more_head() -> None:
    objective = ISSNObjective(ISSNConfig(), shapes=1)
    assert sum(p.numel() for p in objective.decoder.parameters()) == 1_843_195 + 513


def sphere_queries(radius: float, seed: int = 0, count: int = 2000) -> dict[str, np.ndarray]:
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)
    return {"points": points, "distance": np.linalg.norm(points, axis=1) - np.float32(radius)}


@pytest.fixture(scope="module")
def trained() -> ISSNObjective:
    """A small network that knows spheres of five radii."""
    torch.manual_seed(0)
    objective = ISSNObjective(SMALL.override({"code_weight": 1e-4, "clamp": 0.5, "saliency_weight": 0.0}), shapes=5)
    optimiser = torch.optim.Adam(objective.parameters(), lr=5e-3)
    rows = [sphere_queries(0.3 + 0.1 * index, seed=index, count=512) for index in range(5)]
    data = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in ("points", "distance")}
    for _ in range(400):
        optimiser.zero_grad()
        objective({"shape_index": torch.arange(5)} | data).total().backward()
        optimiser.step()
    return objective.eval()


INFERENCE = ISSNInference(iterations=150, learning_rate=2e-2, points=500, restarts=2)


def test_unseen_shapes_are_fitted_and_batches_do_not_matter(trained: ISSNObjective) -> None:
    unseen = [Observation(f"sphere/{r}", sphere_queries(r, seed=9)) for r in (0.35, 0.55)]
    together = infer(trained, unseen, INFERENCE, seed=3)
    alone = infer(trained, unseen[1:], INFERENCE, seed=3)
    points = np.random.default_rng(1).uniform(-0.8, 0.8, (500, 3)).astype(np.float32)
    for prediction, radius in zip(together, (0.35, 0.55), strict=True):
        error = np.abs(prediction.field.values(points) - (np.linalg.norm(points, axis=1) - radius))
        assert np.median(error) < 0.03
    np.testing.assert_allclose(together[1].field.values(points), alone[0].field.values(points), atol=1e-3)


def test_trained_codes_answer_for_their_shapes(trained: ISSNObjective) -> None:
    [prediction] = known(trained, [2], ["sphere/2"])
    points = np.array([[0.0, 0.0, 0.0], [0.9, 0.0, 0.0]], dtype=np.float32)
    inside, outside = prediction.field.values(points)
    assert inside < 0 < outside
    assert set(prediction.field.attributes(points)) == {*FAMILY.attributes(trained.config)} == set()


def test_more_restarts_never_fit_worse(trained: ISSNObjective) -> None:
    unseen = [Observation("sphere/x", sphere_queries(0.45, seed=5))]
    one = infer(trained, unseen, INFERENCE.override({"restarts": 1, "initial_std": 1.0}), seed=0)
    many = infer(trained, unseen, INFERENCE.override({"restarts": 4, "initial_std": 1.0}), seed=0)
    assert many[0].facts["fit_error"] <= one[0].facts["fit_error"] + 1e-6


def test_an_oriented_cloud_is_an_observation() -> None:
    normals = np.random.default_rng(0).standard_normal((3000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    columns = observe_cloud(0.5 * normals, normals, ISSNInference(cloud_queries=4000), 0)
    truth = np.linalg.norm(columns["points"], axis=1) - 0.5
    assert len(truth) > 2000
    assert np.abs(columns["distance"] - truth).max() < 0.06
    assert np.median(np.abs(columns["distance"] - truth)) < 0.002
    assert FAMILY.observe_cloud is observe_cloud


def test_a_decoder_that_cannot_be_built_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        UsageError, match=r"setting 'model': hidden \(32\) must exceed latent_dim \+ 3 .* shorten the code"
    ):
        resolve("issn", "tiny", {"data.store": "anywhere", "model.hidden": 32, "model.latent_dim": 32})


def test_a_category_of_one_shape_has_nothing_in_common() -> None:
    alone = TrainingData(4, counts={"chair": 3, "lamp": 1})
    with pytest.raises(ShapesysError, match=r"category lamp has one training shape.*--model.saliency-weight 0"):
        check(ISSNConfig(), alone)
    check(ISSNConfig(saliency_weight=0.0), alone)
    check(ISSNConfig(), TrainingData(4, counts={"chair": 2, "lamp": 2}))


def test_others_than_the_category_of_interest_may_be_alone() -> None:
    counts = {"chair": 3, "lamp": 1}
    check(ISSNConfig(), TrainingData(4, interest="chair", counts=counts))
    with pytest.raises(ShapesysError, match="category lamp"):
        check(ISSNConfig(), TrainingData(4, interest="lamp", counts=counts))
