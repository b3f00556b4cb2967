"""What all families on point clouds declare alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shapesys.families.base import Family, Need, PointPrediction, Preset, TrainingData, Traits
from shapesys.families.points.config import PointConfig, PointInference
from shapesys.families.points.inference import infer
from shapesys.families.points.objective import PointObjective, check_labels
from shapesys.families.points.sampling import sample


def point_family(
    name: str,
    summary: str,
    config: type[PointConfig],
    presets: Mapping[str, Preset],
    build: Callable[[Any, TrainingData], PointObjective],
) -> Family:
    """A family that labels clouds or their points, as `Family` has it."""
    return Family(
        name=name,
        summary=summary,
        config=config,
        presets=presets,
        needs=(Need("cloud", ("points", "normals", "colors", "labels")),),
        traits=Traits(judged_by=("statistics/iou", "statistics/accuracy"), higher_is_better=True),
        build=build,
        inference=PointInference,
        infer=infer,
        predicts=PointPrediction,
        sample=sample,
        saliency_use=lambda config: config.saliency_use,
        check=check_labels,
    )
