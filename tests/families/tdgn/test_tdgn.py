"""TDGN: what is written, what is trained on it, and what is learned."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "convonet"))

from balls import balls, scans, taught

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.tdgn import FAMILY
from shapesys.families.tdgn.config import TDGNConfig
from shapesys.families.tdgn.inference import TDGNInference
from shapesys.families.tdgn.machine import Machines, train_machines
from shapesys.families.tdgn.objective import LEVEL, TDGNObjective, build
from shapesys.fields.extraction import extract
from shapesys.nets.svm import SvmStatus
from shapesys.training.config import resolve

pytest.importorskip("numba")
SMALL = {
    "encoder": "cloud", "side": 2.2, "code_dim": 16, "encoder_hidden": 24, "encoder_blocks": 2, "input_points": 100,
    "input_noise": 0.01, "points": 8, "generator_hidden": 32, "generator_blocks": 1, "embedding_hidden": 24,
    "embedding_blocks": 1,
}  # fmt: skip


def small(**changes: object) -> TDGNConfig:
    return TDGNConfig(**{**SMALL, **changes})  # type: ignore[arg-type]


def trained(steps: int, config: TDGNConfig) -> TDGNObjective:
    """A small network that knows balls."""
    torch.manual_seed(0)
    network: TDGNObjective = taught(build(config, TrainingData(8)), steps)
    return network


@pytest.fixture(scope="module")
def knowing() -> TDGNObjective:
    return trained(150, small())


def machines(config: TDGNConfig, seed: int = 0) -> Machines:
    torch.manual_seed(seed)
    points = torch.rand(3, config.points, 3) * 2 - 1
    labels = torch.tensor([1.0, -1.0]).repeat_interleave(config.points // 2)
    return train_machines(points, points, torch.full((3, 1), 0.7), labels, config)


@pytest.mark.parametrize(
    ("kernel", "embedding", "learner"),
    [("isotropic", True, "svm"), ("anisotropic", False, "svm"), ("anisotropic", True, "ridge")],
)
def test_it_learns_balls(kernel: str, embedding: bool, learner: str) -> None:
    config = small(kernel=kernel, embedding=embedding, learner=learner)
    before, after = (trained(steps, config)(balls(8, 999, 2000)).scalars() for steps in (0, 100))
    assert after["loss/total"] < 0.6 * before["loss/total"]
    assert after["statistics/iou"] > before["statistics/iou"] + 0.1


def test_the_surface_of_an_unseen_ball(knowing: TDGNObjective) -> None:
    batch = balls(4, 7)
    for prediction, cloud in zip(
        FAMILY.infer(knowing, scans(batch), TDGNInference(points=100), 0), batch["surface"], strict=True
    ):
        centre, mesh = cloud.mean(dim=0).numpy(), extract(prediction.field, 32).mesh
        radius = float((cloud - cloud.mean(dim=0)).norm(dim=1).mean())
        assert abs(np.median(np.linalg.norm(mesh.vertices - centre, axis=1)) - radius) < 0.15


def test_what_the_machine_says_is_zero_on_the_surface(knowing: TDGNObjective) -> None:
    [prediction] = FAMILY.infer(knowing, scans(balls(1, 7)), TDGNInference(points=100), 0)
    assert prediction.field.traits.level == 0.0
    code = knowing.encoder(balls(1, 7)["surface"][:, :100])
    found = knowing.machines(code)
    queries = torch.rand(1, 500, 3) * 2 - 1
    kernel = torch.exp(
        -(
            (knowing.embedded(queries, code).unsqueeze(2) - found.embedded.unsqueeze(1))
            / found.width.unsqueeze(1).unsqueeze(1)
        )
        .square()
        .sum(-1)
    )
    said = (kernel * found.alpha * found.labels).sum(-1) + found.bias
    logits = knowing.logits(queries * 1.1, found, code)
    torch.testing.assert_close(logits, knowing.log_beta.exp() * said, atol=1e-3, rtol=1e-3)


def test_facts_tell_what_the_surface_is_made_of(knowing: TDGNObjective) -> None:
    [prediction] = FAMILY.infer(knowing, scans(balls(1, 7)), TDGNInference(points=100), 0)
    assert prediction.facts["level"] == LEVEL
    assert 2 <= prediction.facts["support_points"] <= 8
    assert min(prediction.facts[name] for name in ("width", "width_y", "width_z")) > 0


def test_ridge_regression_nearly_says_the_labels_where_its_norm_costs_little() -> None:
    found = machines(small(learner="ridge", ridge=1e-9))
    said = found.say(found.embedded)
    torch.testing.assert_close(said, found.labels.expand_as(said), atol=2e-2, rtol=0)


def test_a_support_vector_machine_separates_its_points() -> None:
    found = machines(small(box=1e4))
    assert bool((found.say(found.embedded) * found.labels > 0.9).all())
    assert not bool((found.status & int(SvmStatus.FAILED)).any())


def test_what_a_shape_becomes_does_not_depend_on_others(knowing: TDGNObjective) -> None:
    clouds, settings = scans(balls(3, 7)), TDGNInference(points=100)
    points = np.random.default_rng(1).uniform(-1, 1, (500, 3)).astype(np.float32)
    together = FAMILY.infer(knowing, clouds, settings, 0)
    [alone] = FAMILY.infer(knowing, clouds[1:2], settings, 0)
    np.testing.assert_array_equal(together[1].field.values(points), alone.field.values(points))


def test_pictures_are_seen_in_place_of_clouds() -> None:
    torch.manual_seed(0)
    network = build(small(encoder="image", image_size=32, image_width=4), TrainingData(8))
    batch = {name: value for name, value in balls(4, 0).items() if name != "surface"}
    batch |= {"picture": torch.rand(4, 3, 32, 32)}
    network(batch).total().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    picture = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    [prediction] = FAMILY.infer(network, [Observation("chair", {"picture": picture})], TDGNInference(), 0)
    assert prediction.field.values(np.zeros((1, 3), np.float32)).shape == (1,)
    broken = Observation("chair", {"picture": np.full((3, 32, 32), np.nan, np.float32)})
    with pytest.raises(ShapesysError, match="the picture of 'chair' has values that are not finite"):
        FAMILY.infer(network, [broken], TDGNInference(), 0)


def test_which_views_it_needs() -> None:
    image, cloud = small(encoder="image"), small()
    assert FAMILY.trained_views(image) == ("inside", "images")
    assert FAMILY.observed(image).view == "images"
    assert "surface" not in FAMILY.need(image).columns
    assert FAMILY.trained_views(cloud) == ("inside",)
    assert FAMILY.observed(cloud).view == "cloud"


def test_the_paper_preset_is_what_the_paper_says() -> None:
    job = resolve("tdgn", "paper", {"data.store": "unused"})
    model = job.model
    assert (model.encoder, model.code_dim, model.points, model.kernel, model.box) == (
        "image",
        256,
        32,
        "anisotropic",
        1.0,
    )
    assert job.train.points_per_shape == 2048
    for name, points in (("n4", 4), ("n8", 8), ("n16", 16), ("n64", 64)):
        assert resolve("tdgn", name, {"data.store": "unused"}).model == model.override({"points": points})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.points": 7}, "points = 7 cannot be half inside and half outside; take 6 or 8"),
        ({"model.box": 0.0}, "box"),
        ({"model.box": -1.0}, "box"),
    ],
)
def test_settings_that_make_no_machine_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve("tdgn", "tiny_cloud", {"data.store": "unused", **changes})
