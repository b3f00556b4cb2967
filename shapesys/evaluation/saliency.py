"""The saliency maps that an evaluation reads, where a run's network sees a shape's most salient points alone."""

from __future__ import annotations

from typing import Any

from shapesys.errors import UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families.base import Family
from shapesys.training.config import TrainJob
from shapesys.training.maps_claim import digest_of
from shapesys.training.saliency import open_maps, use_of


def maps_to_evaluate_with(job: TrainJob, family: Family, settings: EvaluateConfig) -> str:
    """The file of maps that inference reads: the evaluation's own, or the run's; empty where it reads none.

    Raises:
        UsageError: a file that nothing reads.
    """
    if use_of(job, family).chosen:
        return settings.saliency or job.data.saliency
    if settings.saliency:
        raise UsageError(
            f"--saliency {settings.saliency} changes nothing: the run's network does not choose points by saliency; "
            "leave it out"
        )
    return ""


def facts_of(maps: str) -> dict[str, Any]:
    """What results depend on of a file of maps: where it lies is no matter."""
    return {"saliency": {"method": open_maps(maps).method, "digest": digest_of(maps)}} if maps else {}
