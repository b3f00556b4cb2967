"""What saliency maps do to clouds: the points that are chosen, the weights that stay with them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.families.base import Observation, SaliencyUse, SampleRequest, TrainingData
from shapesys.families.points.config import Augmentation, PointConfig, PointInference
from shapesys.families.points.inference import infer
from shapesys.families.points.objective import PointObjective
from shapesys.families.points.salient import most_salient, rescaled
from shapesys.families.points.sampling import sample
from shapesys.nets.point_batch import PointBatch
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import resolve

VOCABULARY = Vocabulary(("chair", "table"), {"chair": ("leg", "seat"), "table": ("leg", "top")})
SIZE, MAPPED = 200, 150


class Sampling(PointConfig):
    """A network that samples 16 points."""

    @property
    def samples_needed(self) -> int:
        return 16


def stored(seed: int = 0, mapped: int = MAPPED) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (SIZE, 3)).astype(np.float32)
    return {
        "points": points,
        "normals": np.empty((0, 3)),
        "colors": np.empty((0, 3)),
        "labels": np.empty(0),
        "saliency": rng.permutation(np.linspace(-2, 5, mapped)).astype(np.float32),
    }


def request(count: int = 64, training: bool = True) -> SampleRequest:
    return SampleRequest("chair/0", count, 5, training)


def rows_of(points: np.ndarray, cloud: dict[str, np.ndarray]) -> list[int]:
    place = {tuple(point): row for row, point in enumerate(cloud["points"].tolist())}
    return [place[tuple(point)] for point in points.tolist()]


def test_the_highest_come_first_and_equal_ones_in_their_order() -> None:
    values = np.array([1, 3, 2, 3, 0, 3], np.float32)
    assert most_salient(values, 4).tolist() == [1, 3, 5, 2]
    assert most_salient(values, 9).tolist() == [1, 3, 5, 2, 0, 4]


def test_maps_are_rescaled_and_constant_ones_weigh_nothing_down() -> None:
    np.testing.assert_allclose(rescaled(np.array([-2, 0, 2], np.float32)), [0, 0.5, 1])
    assert rescaled(np.full(4, 7, np.float32)).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("training", [True, False])
def test_the_most_salient_points_are_trained_on_whatever_count_is_asked_for(training: bool) -> None:
    cloud = stored()
    chosen = Sampling(salient_points=32, augment=Augmentation(shuffle=training))
    row = sample(chosen, cloud, request(64, training))
    assert row["points"].shape == (32, 3)
    expected = np.argsort(-cloud["saliency"], kind="stable")[:32].tolist()
    found = rows_of(row["points"], cloud)
    assert sorted(found) == sorted(expected)
    assert training or found == expected
    assert set(row) == {"points", "order"}


def test_the_order_of_farthest_point_sampling_is_that_of_the_chosen_points() -> None:
    row = sample(Sampling(salient_points=32), stored(), request())
    chosen = row["points"][row["order"]].astype(np.float64)
    for step in range(1, 16):
        gaps = np.linalg.norm(row["points"][:, None] - chosen[None, :step], axis=2).min(axis=1)
        taken = np.linalg.norm(chosen[step] - chosen[:step], axis=1).min()
        assert taken == pytest.approx(gaps.max(), rel=1e-4)


def test_chosen_points_stay_in_the_frame_of_the_points_that_were_ranked() -> None:
    cloud = stored()
    ranked = cloud["points"][:MAPPED]
    whole = ranked - ranked.mean(axis=0)
    whole /= np.linalg.norm(whole, axis=1).max()
    row = sample(PointConfig(salient_points=10, frame="mean_sphere"), cloud, request(training=False))
    expected = whole[np.argsort(-cloud["saliency"], kind="stable")[:10]]
    np.testing.assert_allclose(row["points"], expected, atol=1e-6)


@pytest.mark.parametrize("salient_points", [0, 40])
def test_weights_stay_with_their_points(salient_points: int) -> None:
    cloud = stored()
    cloud["colors"] = cloud["points"]
    changes: dict[str, Any] = {"subset": "random", "dropped": 0.3}
    weighed = Sampling(
        saliency_gradient=True, colors=True, salient_points=salient_points, augment=Augmentation(**changes)
    )
    row = sample(weighed, cloud, request())
    rows = rows_of(row["features"], cloud)  # the colours are the stored points
    np.testing.assert_allclose(row["points"], cloud["points"][rows])
    low, high = cloud["saliency"].min(), cloud["saliency"].max()
    np.testing.assert_allclose(row["saliency"], (cloud["saliency"][rows] - low) / (high - low), atol=1e-6)
    assert row["saliency"].dtype == np.float32


def test_gradients_need_no_map_where_nothing_is_trained() -> None:
    cloud = stored()
    del cloud["saliency"]
    weighed = PointConfig(saliency_gradient=True)
    assert set(sample(weighed, cloud, request(training=False))) == {"points"}
    with pytest.raises(ShapesysError, match="train and evaluate with --saliency FILE"):
        sample(weighed, cloud, request())


def test_maps_that_do_not_fit_the_cloud_are_refused() -> None:
    with pytest.raises(ShapesysError, match="has 201 values, but the cloud only 200 points"):
        sample(PointConfig(saliency_gradient=True), stored(mapped=201), request())
    with pytest.raises(ShapesysError, match="covers 60 of the cloud's 200 points, but 64 are used"):
        sample(PointConfig(saliency_gradient=True), stored(mapped=60), request(64))
    with pytest.raises(ShapesysError, match="covers 60 of the cloud's 200 points, but 80 are used"):
        sample(PointConfig(salient_points=80), stored(mapped=60), request(32))


def test_a_small_cloud_that_is_wholly_mapped_repeats_points() -> None:
    cloud = {name: values[:20] for name, values in stored(mapped=SIZE).items()}
    row = sample(PointConfig(salient_points=32), cloud, request())
    assert row["points"].shape == (32, 3)
    assert len(np.unique(row["points"], axis=0)) == 20


@pytest.mark.parametrize("task", ["parts", "scenes"])
def test_only_classification_uses_maps(task: str) -> None:
    with pytest.raises(ValueError, match=f"would leave points without a label, and task {task} labels every point"):
        PointConfig(task=task, salient_points=32)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"to the class of their cloud, which task {task} does not predict"):
        PointConfig(task=task, saliency_gradient=True)  # type: ignore[arg-type]


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="salient_points 8 are fewer than the 16 that the network samples"):
        Sampling(salient_points=8)
    with pytest.raises(UsageError, match="a grid's are those of cells; use balls"):
        resolve(
            "dpgnet",
            "tiny_classification",
            {"data.store": "unused", "model.grouping": "grid", "model.saliency_gradient": True},
        )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SaliencyUse()),
        ({"saliency_gradient": True}, SaliencyUse(training=True)),
        ({"salient_points": 32}, SaliencyUse(training=True, chosen=32)),
    ],
)
def test_families_say_what_they_do_with_maps(changes: dict[str, Any], expected: SaliencyUse) -> None:
    ask = registry.load("dgcnn").saliency_use
    assert ask is not None
    assert ask(registry.load("dgcnn").config(**changes)) == expected


class Recorder(nn.Module):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(2))
        self.seen: list[PointBatch] = []

    def forward(self, cloud: PointBatch) -> Tensor:
        self.seen.append(cloud)
        return self.scores + 0 * cloud.points.sum(dim=(1, 2))[:, None]


def recording(**changes: Any) -> tuple[PointObjective, Recorder]:
    network = Recorder()
    return PointObjective(network, Sampling(**changes), TrainingData(2, VOCABULARY)), network


def test_unseen_clouds_are_classified_by_the_points_that_training_chooses() -> None:
    objective, network = recording(salient_points=32, frame="mean_sphere")
    cloud = stored()
    seen = Observation("chair/1", {"points": cloud["points"], "saliency": cloud["saliency"]})
    [found] = infer(objective, [seen], PointInference(points=64), 0)
    assert found.class_scores is not None
    trained = sample(objective.config, cloud, request(training=False))
    assert len(network.seen) == 1
    np.testing.assert_array_equal(network.seen[0].points[0].numpy(), trained["points"])
    np.testing.assert_array_equal(network.seen[0].order[0].numpy(), trained["order"])  # type: ignore[index]
    with pytest.raises(ShapesysError, match="there is none; train and evaluate with"):
        infer(objective, [Observation("chair/1", {"points": cloud["points"]})], PointInference(), 0)


def batch() -> dict[str, Tensor]:
    points = torch.rand(2, 32, 3, generator=torch.Generator().manual_seed(0))
    return {"points": points, "category_index": torch.tensor([0, 1]), "saliency": torch.rand(2, 32)}


def test_networks_are_told_of_saliency_in_training_alone() -> None:
    for gradient, training in ((True, True), (True, False), (False, True)):
        objective, network = recording(saliency_gradient=gradient)
        given = batch()
        objective.train(training)(given)
        told = network.seen[0].saliency
        assert told is (given["saliency"] if gradient and training else None)


@pytest.mark.parametrize("family", ["dgcnn", "pointnet2", "pointnet", "dpgnet"])
def test_families_train_on_few_salient_points_with_weighted_gradients(family: str) -> None:
    preset = "tiny_classification" if family == "dpgnet" else "tiny"
    changes: dict[str, Any] = {"data.store": "unused", "model.salient_points": 32, "model.saliency_gradient": True}
    changes |= {"model.samples": 16} if family in ("pointnet2", "dpgnet") else {}
    job = resolve(family, preset, changes | ({"model.k": 20} if family == "dgcnn" else {}))
    torch.manual_seed(0)
    objective = registry.load(family).build(job.model, TrainingData(2, VOCABULARY)).train()
    rows = [sample(job.model, stored(seed), request(512)) for seed in range(4)]  # type: ignore[arg-type]
    stacked = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    numbers = {"category_index": torch.arange(4) % 2, "noise_seed": torch.arange(4)}
    gradients = []
    for weights in (stacked["saliency"], torch.ones(4, 32)):
        objective.zero_grad()
        objective(stacked | numbers | {"saliency": weights}).total().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in objective.parameters() if p.grad is not None]))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert not torch.equal(*gradients)
