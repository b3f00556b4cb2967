from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation, TrainingData
from shapesys.families.points.config import PointConfig, PointInference
from shapesys.families.points.inference import infer
from shapesys.families.points.objective import NOT_COUNTED, PointObjective, cross_entropy, label_count, part_iou
from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.point_batch import PointBatch
from shapesys.samples.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    ("chair", "room", "table"), {"chair": ("leg", "seat"), "room": ("floor", "unannotated"), "table": ("leg", "top")}
)


class Heights(nn.Module):
    """Says the second of two labels where a point is high, and of a cloud where its mean is."""

    def __init__(self, labels: int, per_point: bool) -> None:
        super().__init__()
        self.labels = labels
        self.per_point = per_point
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def forward(self, cloud: PointBatch) -> Tensor:
        height = cloud.points[..., 1] if self.per_point else cloud.points[..., 1].mean(dim=1)
        first = 0 if cloud.category is None else 4 * (cloud.category == 2).long()
        logits = torch.zeros(*height.shape, self.labels, dtype=height.dtype)
        at = torch.as_tensor(first).view(-1, *[1] * (height.ndim - 1)).expand(height.shape) + 1
        return logits.scatter(-1, at[..., None], (self.sharpness * height)[..., None])


def objective(task: str, **changes: Any) -> PointObjective:
    config = PointConfig(task=task, **changes)  # type: ignore[arg-type]
    labels = label_count(config, VOCABULARY)
    return PointObjective(Heights(labels, task != "classification"), config, TrainingData(3, VOCABULARY))


def batch(count: int = 40) -> dict[str, Tensor]:
    points = torch.rand(2, count, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return {
        "points": points,
        "labels": (points[..., 1] > 0).long(),
        "category_index": torch.tensor([0, 2]),
        "shape_index": torch.arange(2),
        "noise_seed": torch.arange(2),
    }


@pytest.mark.parametrize("over", ["others", "all"])
def test_smoothing_against_the_written_out_formula(over: str) -> None:
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    truth = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    off = 0.2 / 4 if over == "others" else 0.2 / 5
    target = torch.full((7, 5), off, dtype=torch.float64)
    target[torch.arange(7), truth] = 1 - 0.2 if over == "others" else 1 - 0.2 + 0.2 / 5
    expected = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
    torch.testing.assert_close(cross_entropy(logits, truth, 0.2, over), expected)


def test_points_without_a_class_count_nowhere() -> None:
    logits = torch.randn(2, 6, 4, dtype=torch.float64)
    truth = torch.tensor([[0, 1, 2, NOT_COUNTED, NOT_COUNTED, NOT_COUNTED], [3, 3, 3, 3, 3, 3]])
    short = cross_entropy(logits[:1, :3], truth[:1, :3], 0.1, "others")
    torch.testing.assert_close(cross_entropy(logits, truth, 0.1, "others")[:1], short)


def test_part_iou_counts_a_part_absent_in_both_as_one() -> None:
    allowed = torch.tensor([[True, True, True, False]])
    guess, truth = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 1]])
    assert float(part_iou(guess, truth, allowed)) == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)


def test_labels_are_numbered_through_all_categories() -> None:
    terms = objective("parts")(batch())
    assert float(terms.statistics["accuracy"]) == 1.0
    assert float(terms.statistics["iou"]) == 1.0
    wrong = batch() | {"labels": 1 - batch()["labels"]}
    assert float(objective("parts")(wrong).statistics["accuracy"]) == 0.0


def test_unannotated_points_are_left_out() -> None:
    room = batch() | {"category_index": torch.tensor([1, 1])}
    terms = objective("scenes")(room)
    assert float(terms.statistics["accuracy"]) == 1.0


def test_momentum_follows_its_schedule() -> None:
    scheduled = objective("classification", bn_momentum=0.5, bn_factor=0.5, bn_step_epochs=2, bn_floor=0.1)
    scheduled.network.norm = BatchNorm(4)
    found = []
    for epoch in (0, 2, 4, 40):
        scheduled.begin_epoch(epoch, 100)
        found.append(scheduled.network.norm.momentum)
    assert found == [0.5, 0.25, 0.125, 0.1]


def test_too_few_labels_are_refused() -> None:
    one = Vocabulary(("chair",), {"chair": ()})
    with pytest.raises(ShapesysError, match="two categories or more; the training shapes have 1"):
        label_count(PointConfig(), one)
    with pytest.raises(ShapesysError, match="names no parts"):
        label_count(PointConfig(task="parts"), one)


@pytest.mark.parametrize("count", [20, 64, 65, 200])
def test_every_point_of_a_cloud_is_labelled(count: int) -> None:
    points = np.random.default_rng(3).uniform(-1, 1, (count, 3)).astype(np.float32)
    seen = Observation("table/1", {"points": points}, "table")
    [found] = infer(objective("parts"), [seen], PointInference(points=64, batch=2), 0)
    assert found.part_scores is not None
    first, stop = VOCABULARY.part_range("table")
    np.testing.assert_array_equal(found.part_scores[:, first:stop].argmax(axis=1), points[:, 1] > 0)


@pytest.mark.parametrize("vote_by", ["rotation", "scale"])
def test_votes_do_not_change_what_does_not_depend_on_them(vote_by: str) -> None:
    points = np.random.default_rng(4).uniform(-1, 1, (64, 3)).astype(np.float32)
    seen = [Observation("chair/1", {"points": points}, "chair")]
    once, often = (
        infer(objective("parts"), seen, PointInference(points=64, votes=votes, vote_by=vote_by), 0)[0].part_scores  # type: ignore[arg-type]
        for votes in (1, 5)
    )
    assert once is not None
    assert often is not None
    np.testing.assert_array_equal(once.argmax(axis=1), often.argmax(axis=1))


def test_a_cloud_is_judged_alike_alone_and_among_others() -> None:
    rng = np.random.default_rng(5)
    seen = [Observation(f"chair/{k}", {"points": rng.uniform(-1, 1, (64, 3)).astype(np.float32)}) for k in range(5)]
    settings = PointInference(points=32, votes=3, vote_by="scale", batch=4)
    together = infer(objective("classification"), seen, settings, 0)
    for one, item in zip(together, seen, strict=True):
        [alone] = infer(objective("classification"), [item], settings, 0)
        np.testing.assert_allclose(alone.class_scores, one.class_scores, rtol=1e-5)


def test_a_network_that_is_told_the_category_asks_for_it() -> None:
    seen = [Observation("mine", {"points": np.ones((32, 3), np.float32)})]
    with pytest.raises(ShapesysError, match=r"name it \(--category\), one of: chair, room, table"):
        infer(objective("parts"), seen, PointInference(points=32), 0)
    with pytest.raises(ShapesysError, match="category 'sofa' is unknown here"):
        infer(objective("parts"), [Observation("mine", seen[0].columns, "sofa")], PointInference(points=32), 0)


def test_labels_of_a_category_without_part_names_count_nowhere() -> None:
    """Neither as a part of the category after it, nor beyond the last part of all."""
    vocabulary = Vocabulary(("bare", "table", "thing"), {"table": ("leg", "top")})
    config = PointConfig(task="parts", told_category=False)
    told = PointObjective(Heights(2, True), config, TrainingData(3, vocabulary))
    for category, labels in ((0, 0), (0, 9), (2, 0), (2, 9)):
        unnamed = {"category_index": torch.tensor([1, category])}
        unnamed["labels"] = torch.stack([batch()["labels"][0], torch.full((40,), labels)])
        truth = told._truth(batch() | unnamed)
        assert torch.equal(truth[0], batch()["labels"][0])
        assert (truth[1] == NOT_COUNTED).all()
        assert bool(told(batch() | unnamed).total().isfinite())


def test_more_smoothing_than_the_labels_can_bear_is_refused() -> None:
    two = Vocabulary(("chair", "table"))
    assert label_count(PointConfig(smoothing=0.5), two) == 2
    with pytest.raises(ShapesysError, match=r"less than the others; set it below 0\.5"):
        label_count(PointConfig(smoothing=0.6), two)


class Size(nn.Module):
    """Says how large a cloud is."""

    def forward(self, cloud: PointBatch) -> Tensor:
        size = cloud.points.norm(dim=-1).amax(dim=1)
        return torch.stack([size, torch.zeros_like(size), torch.zeros_like(size)], dim=1)


@pytest.mark.parametrize("frame", ["stored", "mean_sphere"])
def test_votes_by_scale_see_other_sizes_in_every_frame(frame: str) -> None:
    told = PointObjective(Size(), PointConfig(frame=frame), TrainingData(3, VOCABULARY))  # type: ignore[arg-type]
    points = np.random.default_rng(6).uniform(-1, 1, (64, 3)).astype(np.float32)
    once, often = (
        infer(
            told, [Observation("chair/1", {"points": points})], PointInference(points=64, votes=n, vote_by="scale"), 0
        )
        for n in (1, 2)
    )
    assert np.abs(np.subtract(once[0].class_scores, often[0].class_scores)).max() > 1e-3
