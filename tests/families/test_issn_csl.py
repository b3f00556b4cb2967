from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import TrainingData
from shapesys.families.issn.objective import ISSNObjective
from shapesys.families.issn_csl import FAMILY, ISSNCSLConfig, ISSNCSLObjective, build, failing_weights, warnings
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import resolve

SMALL = ISSNCSLConfig(latent_dim=4, hidden=32, layers=4, skip_at=2, dropout=0.0, contrast_width=0.1)
DATA = TrainingData(4, Vocabulary(("chair", "table")), "table")


def objective(config: ISSNCSLConfig = SMALL) -> ISSNCSLObjective:
    torch.manual_seed(0)
    return build(config, DATA).double()


def batch(points: int = 60) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "shape_index": torch.arange(4),
        "category_index": torch.tensor([1, 1, 0, 0]),
        "noise_seed": torch.arange(4),
        "points": torch.rand(4, points, 3, generator=generator, dtype=torch.float64) * 2 - 1,
        "distance": torch.rand(4, points, generator=generator, dtype=torch.float64) - 0.5,
    }


def test_unseen_shapes_start_near_those_of_the_category_of_interest() -> None:
    data = TrainingData.of(["chair/1", "table/1", "chair/2", "table/2"], DATA.vocabulary, "table")
    assert (data.shapes, data.counts) == (4, {"chair": 2, "table": 2})
    assert list(build(SMALL, data).likely_starts) == [1, 3]
    assert all(preset.settings["inference.trained_starts"] for preset in FAMILY.presets.values())


def test_equation_4_is_equation_1_and_the_contrast() -> None:
    made, data = objective(), batch()
    made.eval()
    plain = ISSNObjective(SMALL, 4).double().eval()
    plain.load_state_dict({k: v for k, v in made.state_dict().items() if not k.startswith("classifier")})
    terms, of_issn = made(data), plain(data)
    with torch.no_grad():
        output = made.decoder(made.codes.weight, data["points"])
        saliency = output[..., 1].sigmoid()
        logit = made.tell_apart(data["points"], output[..., 0], saliency)
    truth = np.array([1.0, 1.0, 0.0, 0.0])
    said = 1 / (1 + np.exp(-logit.numpy()))
    contrast = -(truth * np.log(said) + (1 - truth) * np.log(1 - said)).mean()
    assert float(terms.losses["contrast"].value.detach()) == pytest.approx(contrast, rel=1e-9)
    expected = float(of_issn.total().detach()) + 0.1 * contrast
    assert float(terms.total().detach()) == pytest.approx(expected, rel=1e-9)


def test_the_classifier_sees_points_and_distances_times_saliency() -> None:
    made, data = objective().eval(), batch()
    seen: list[torch.Tensor] = []
    made.classifier.encoder.stages[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    distance, saliency = torch.rand(4, 60, dtype=torch.float64), torch.rand(4, 60, dtype=torch.float64)
    made.tell_apart(data["points"], distance, saliency)
    expected = torch.cat([data["points"], distance[..., None]], dim=-1) * saliency[..., None]
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=0)


def test_the_contrast_reaches_the_network_through_saliency_alone() -> None:
    made, data = objective(), batch()
    made(data).losses["contrast"].value.backward()
    head = made.decoder.head.weight.grad
    assert head is not None
    assert torch.count_nonzero(head[0]) == 0, "distances are detached"
    assert torch.count_nonzero(head[1]) > 0
    codes = made.codes.weight.grad
    assert codes is not None
    assert torch.count_nonzero(codes) > 0, "codes are reached through saliency"


def test_without_lambda_the_distance_loss_is_deepsdfs_and_the_contrast_trains_saliency() -> None:
    made = objective(SMALL.override({"saliency_weight": 0.0, "contrast_weight": 1.0}))
    terms = made(batch())
    assert float(terms.losses["sdf"].value.detach()) == pytest.approx(float(terms.statistics["clamped_error"]))
    terms.total().backward()
    assert made.decoder.head.weight.grad is not None
    assert torch.count_nonzero(made.decoder.head.weight.grad[1]) > 0


@pytest.mark.parametrize(
    ("weights", "works"),
    [
        ((1e-3, 0.1), True),
        ((1e-3, 1e-2), True),
        ((1e-3, 1e-3), True),
        ((1e-4, 1e-3), True),
        ((0.0, 1.0), True),
        ((1e-4, 0.1), False),
        ((1e-3, 1.0), False),
        ((0.0, 0.1), False),
        ((0.0, 1e-2), False),
        ((0.0, 1e-3), False),
    ],
)
def test_the_weights_of_appendix_a2(weights: tuple[float, float], works: bool) -> None:
    assert (failing_weights(*weights) == "") == works


def test_failing_weights_are_refused_with_the_reason_unless_forced() -> None:
    changes = {"data.store": "anywhere", "model.saliency_weight": 1e-4, "model.contrast_weight": 0.1}
    with pytest.raises(UsageError, match=r"= 1000: from 1000 on no surface can be reconstructed.*--model.forced"):
        resolve("issn_csl", "tiny", changes)
    forced = resolve("issn_csl", "tiny", changes | {"model.forced": True})
    assert any("no surface" in sentence for sentence in warnings(forced.model))  # type: ignore[arg-type]
    assert warnings(ISSNCSLConfig()) == []


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_pass_their_own_rules(name: str) -> None:
    assert resolve("issn_csl", name, {"data.store": "anywhere"})


def test_an_objective_without_a_category_of_interest_only_infers(tmp_path: Path) -> None:
    made = build(SMALL, TrainingData(4, DATA.vocabulary)).double()
    with pytest.raises(ValueError, match="can only infer"):
        made(batch())


def test_the_way_out_of_one_shape_is_a_family_that_needs_no_saliency() -> None:
    data = TrainingData(5, counts={"chair": 1, "lamp": 4}, interest="chair")
    with pytest.raises(ShapesysError, match=r"learn distances alone with family issn and --model.saliency-weight 0"):
        FAMILY.check(ISSNCSLConfig(), data)
