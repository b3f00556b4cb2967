"""Metrics of families that predict no surfaces: their names come from measuring something made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from tuning_support import make_sweep

from shapesys.config.base import Config, setting
from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families import registry
from shapesys.families.base import (
    Batch,
    Family,
    Need,
    Objective,
    Observation,
    PointPrediction,
    SuperpixelPrediction,
    Terms,
    TrainingData,
    Traits,
)
from shapesys.metrics.catalogue import LABELS, SUPERPIXELS, WHOLE_SET
from shapesys.tuning.objective import check_metric, default_metric, direction, metric_names, value_of

ISSN = registry.load("issn")


class Labelling(Config):
    """A model that is told what to predict."""

    task: Literal["classes", "parts"] = setting("classes", help="what")


class Cutting(Config):
    """Into how many superpixels."""

    counts: tuple[int, ...] = setting((4, 16), help="counts")


class Nothing(Objective):
    """No network."""

    def __init__(self, config: Any, data: TrainingData) -> None:
        super().__init__()
        self.config, self.vocabulary = config, data.vocabulary
        self.weight = torch.nn.Parameter(torch.randn(1))

    def forward(self, batch: Batch) -> Terms:
        raise AssertionError("nothing is trained")


def label(objective: Nothing, items: Sequence[Observation], config: Any, seed: int) -> list[PointPrediction]:
    names = objective.vocabulary
    if objective.config.task == "classes":
        return [PointPrediction(item.shape_id, names, class_scores=np.zeros(len(names.categories))) for item in items]
    assert all(set(item.columns) == {"points", "normals"} for item in items), "what is needed, without the truth"
    shape = len(items[0].columns["points"]), names.part_count
    return [PointPrediction(item.shape_id, names, part_scores=np.zeros(shape)) for item in items]


def cut(objective: Nothing, items: Sequence[Observation], config: Cutting, seed: int) -> list[SuperpixelPrediction]:
    from shapesys.samples.image_rows import decoded_pixels

    height, width = decoded_pixels(items[0].columns["image"]).shape[:2]
    stripes = {k: np.tile(np.arange(width) * k // width, (height, 1)).astype(np.int32) for k in config.counts}
    return [SuperpixelPrediction(item.shape_id, stripes) for item in items]


LABELLER: Family = replace(
    ISSN, config=Labelling, inference=Config, predicts=PointPrediction, build=Nothing, infer=label, traits=Traits(),
    needs=(Need("cloud", ("points", "normals", "labels")),),
)  # fmt: skip
CUTTER: Family = replace(
    ISSN, config=Config, inference=Cutting, predicts=SuperpixelPrediction, build=Nothing, infer=cut, traits=Traits(),
    needs=(Need("superpixels", ("image", "annotations")),),
)  # fmt: skip


def parts_job() -> Any:
    return type("Job", (), {"model": Labelling(task="parts"), "inference": Config()})


def test_a_family_of_classes_has_metrics_of_shapes_and_of_the_set() -> None:
    settings = EvaluateConfig(accuracy_ranks=(1, 2))
    assert metric_names(LABELLER, settings) == [
        "accuracy/top1", "accuracy/top2", "cross_entropy/class", "oa/class", "macc/class",
    ]  # fmt: skip
    assert default_metric(LABELLER, settings) == "accuracy/top1"


def test_the_model_and_the_settings_decide_what_there_is() -> None:
    names = metric_names(LABELLER, EvaluateConfig(part_argmax="free"), parts_job())
    assert names[:2] == ["iou/part.free", "accuracy/point.free"]
    assert "miou/category.free" in names
    check_metric("miou/part.free", LABELLER, EvaluateConfig(part_argmax="free"), parts_job())
    with pytest.raises(UsageError, match="unknown metric 'oa/class'"):
        check_metric("oa/class", LABELLER, EvaluateConfig(), parts_job())
    with pytest.raises(UsageError, match="'miou' lacks its convention; choose one of: miou/instance.restricted"):
        check_metric("miou", LABELLER, EvaluateConfig(), parts_job())


def test_superpixels_are_named_by_the_counts_that_inference_gives() -> None:
    names = metric_names(CUTTER, EvaluateConfig(annotator="best"))
    assert names[0] == "asa/best.k4"
    assert {"asa/best.k16", "boundary_recall/best.k4", "superpixels/k16"} <= set(names)
    more = EvaluateConfig(inference={"counts": (8,)})
    assert default_metric(CUTTER, more) == "asa/mean.k8"


def test_probing_leaves_the_random_generator_as_it_was() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    metric_names(LABELLER, EvaluateConfig(seed=12345))
    assert torch.equal(torch.rand(3), expected)


def test_every_metric_has_a_direction_and_a_line_in_the_catalogue() -> None:
    free = EvaluateConfig(part_argmax="free", annotator="first")
    names = [*metric_names(LABELLER, free), *metric_names(LABELLER, free, parts_job()), *metric_names(CUTTER, free)]
    listed = {*LABELS, *WHOLE_SET, *SUPERPIXELS}
    for name in names:
        general = name.replace(".free", ".<argmax>").replace("first.k4", "<rule>.k<k>").replace("/k4", "/k<k>")
        general = general.replace("first.k16", "<rule>.k<k>").replace("/k16", "/k<k>").replace("top1", "top<k>")
        assert general in listed, name
        if not name.startswith("superpixels/"):
            assert direction(name) == ("min" if name.startswith(("cross_entropy", "undersegmentation")) else "max")


def test_a_number_of_the_whole_set_is_an_objective() -> None:
    summary = {
        "overall": {"counts": {"ok": 4, "failed": 0}, "metrics": {"accuracy/top1": {"mean": 0.5, "median": 0.5}}},
        "whole_set": {"macc/class": {"value": 0.25}},
    }
    assert value_of(summary, "macc/class", "median") == 0.25
    with pytest.raises(ShapesysError, match="has unknown metric 'macc/clas'; did you mean macc/class"):
        value_of(summary, "macc/clas")
    summary["overall"]["counts"]["failed"] = 1
    with pytest.raises(ShapesysError, match="1 of 5 shapes failed"):
        value_of(summary, "macc/class")


def test_a_sweep_names_its_metric_where_nobody_does() -> None:
    assert make_sweep().tune.metric == "chamfer/onet.chamfer_l1"
    assert make_sweep(metric="iou/uniform_box").tune.metric == "iou/uniform_box"
