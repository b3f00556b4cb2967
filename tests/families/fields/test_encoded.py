"""Codes that are read off surface points: what SAL and SALD do with an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.errors import UsageError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.fields.autodecoder import infer
from shapesys.families.sal import FAMILY as SAL
from shapesys.families.sal.config import SALConfig, SALInference
from shapesys.families.sal.objective import SALObjective
from shapesys.families.sald import FAMILY as SALD
from shapesys.families.sald.config import SALDConfig
from shapesys.families.sald.objective import SALDObjective
from shapesys.training.config import resolve

SMALL: dict[str, Any] = {"latent_dim": 4, "hidden": 32, "layers": 4, "skip_at": 2, "radius": 0.5}
ENCODED: dict[str, Any] = {**SMALL, "encoder": True, "encoder_width": 32, "encoder_points": 64}


def spheres(radii: list[float], count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(len(radii), count, 3, generator=generator) * 2 - 1
    signed = points.norm(dim=2) - torch.tensor(radii)[:, None]
    outward = torch.nn.functional.normalize(torch.randn(len(radii), count, 3, generator=generator), dim=2)
    return {
        "shape_index": torch.arange(len(radii)),
        "noise_seed": torch.arange(len(radii)) + 10 * seed,
        "points": points,
        "distance": signed.abs(),
        "direction": points / points.norm(dim=2, keepdim=True) * signed.sign()[..., None],
        "surface": outward * torch.tensor(radii)[:, None, None],
    }


def test_an_encoder_takes_the_codes_place() -> None:
    objective = SALObjective(SALConfig(**ENCODED), shapes=3)
    assert not objective.holds_codes
    assert {*objective(spheres([0.3, 0.4, 0.5], 70)).losses} == {"distance", "posterior"}
    assert SAL.need(SALConfig(**ENCODED)).columns == ("points", "distance", "surface")
    assert SALD.need(SALDConfig(**ENCODED)).columns == ("points", "distance", "direction", "surface")
    assert SAL.need(SALConfig(**SMALL)).columns == ("points", "distance")


def test_noise_is_drawn_by_each_shapes_seed_while_training_and_not_after() -> None:
    objective = SALObjective(SALConfig(**ENCODED), shapes=3)
    with torch.no_grad():
        objective.encoder.log_std.bias.fill_(0.0)
    batch = spheres([0.3, 0.4, 0.5], 70)
    codes = objective.codes_of(batch)[0]
    alone = objective.codes_of({name: value[1:2] for name, value in batch.items()})[0]
    torch.testing.assert_close(alone, codes[1:2])
    assert float((codes[0] - codes[1]).abs().max()) > 0.1
    objective.eval()
    torch.testing.assert_close(objective.codes_of(batch)[0], objective.encoder(batch["surface"][:, :64]).mean)


@pytest.fixture(scope="module")
def trained() -> SALDObjective:
    """An encoder and a decoder that have learned spheres of eight radii."""
    torch.manual_seed(0)
    objective = SALDObjective(SALDConfig(**ENCODED, derivative_weight=0.1), shapes=8)
    optimiser = torch.optim.Adam(objective.parameters(), lr=3e-3)
    radii = [0.3 + 0.05 * index for index in range(8)]
    for step in range(400):
        optimiser.zero_grad()
        objective(spheres(radii, 128, seed=step)).total().backward()
        optimiser.step()
    return objective.eval()


def errors_at(objective: SALDObjective, radius: float, config: SALInference) -> tuple[float, float]:
    """Median error of the field inferred for a sphere it was not trained on, and the fit's error."""
    columns = {name: value[0].numpy() for name, value in spheres([radius], 512, seed=7).items() if value.ndim > 1}
    [prediction] = infer(objective, [Observation("sphere/new", columns)], config, seed=0)
    points = np.random.default_rng(1).uniform(-0.8, 0.8, (500, 3)).astype(np.float32)
    truth = np.linalg.norm(points, axis=1) - radius
    error = float(np.median(np.abs(prediction.field.values(points) - truth)))
    return error, prediction.facts["fit_error"]


def inference(**settings: Any) -> SALInference:
    return resolve("sald", "tiny_vae", {"data.store": "unused"}).inference.override({"points": 512, **settings})  # type: ignore[return-value]


def test_a_shape_that_was_never_seen_is_read_off_its_points(trained: SALDObjective) -> None:
    for radius in (0.375, 0.525):
        error, _ = errors_at(trained, radius, inference())
        assert error < 0.04


def test_refinement_at_test_time_goes_on_from_the_encoded_code_and_fits_better(trained: SALDObjective) -> None:
    _, encoded = errors_at(trained, 0.525, inference())
    _, refined = errors_at(trained, 0.525, inference(iterations=60, learning_rate=1e-2))
    assert refined < encoded
    _, more = errors_at(trained, 0.525, inference(restarts=3, initial_std=0.1))
    assert more <= encoded + 1e-6


def test_what_means_nothing_is_refused(trained: SALDObjective) -> None:
    with pytest.raises(UsageError, match="trained_starts needs trained codes"):
        errors_at(trained, 0.5, inference(trained_starts=5))
    with pytest.raises(UsageError, match="an encoder gives codes, and latent_dim = 0 leaves none"):
        resolve("sal", "tiny_vae", {"data.store": "unused", "model.latent_dim": 0})


def test_parameters_as_published_and_as_told() -> None:
    counted = {}
    sal = ("paper", "lightsal", "paper_codes", "lightsal_codes", "tiny_vae", "tiny_lightsal")
    for family, preset in ((SALD, "paper"), *((SAL, name) for name in sal)):
        job = resolve(family.name, preset, {"data.store": "unused"})
        objective = family.build(job.model, TrainingData(1))
        shared = [parameter for name, parameter in objective.named_parameters() if not name.startswith("codes")]
        counted[family.name, preset] = sum(parameter.numel() for parameter in shared)
    assert counted == {
        ("sald", "paper"): 4_209_148,
        ("sal", "paper"): 4_209_147,
        ("sal", "lightsal"): 1_055_995,
        ("sal", "paper_codes"): 1_843_195,
        ("sal", "lightsal_codes"): 462_843,
        ("sal", "tiny_vae"): 121_211,
        ("sal", "tiny_lightsal"): 30_907,
    }
    for preset, told in (
        ("paper", "4.21 M"),
        ("lightsal", "1.06 M parameters for 4.21 M"),
        ("lightsal_codes", "0.46 M parameters and the codes, for 1.84 M"),
        ("tiny_lightsal", "30,907 parameters for 121,211"),
    ):
        assert told in SAL.presets[preset].summary
