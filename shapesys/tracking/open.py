"""Choose the tracker of a run."""

from __future__ import annotations

from importlib.util import find_spec

from shapesys.errors import missing_extra, unknown_name
from shapesys.tracking.jsonl import JsonLinesTracker
from shapesys.tracking.tracker import NoTracker, Tracker
from shapesys.training.run_dir import RunDirectory

KINDS = ("auto", "mlflow", "jsonl", "none")


def open_tracker(run: RunDirectory, kind: str = "auto") -> Tracker:
    """The tracker of `run`, not yet started; nothing is imported or contacted before `start`.

    Args:
        run: the run whose events are tracked; the default store lies beside it.
        kind: ``mlflow``, ``jsonl``, ``none``, or ``auto``: MLflow where it is installed, else JSON lines.

    Raises:
        UsageError: an unknown kind.
        ShapesysError: MLflow is asked for by name and is not installed.
    """
    if kind not in KINDS:
        raise unknown_name("tracker", kind, KINDS)
    installed = find_spec("mlflow") is not None
    if kind == "mlflow" and not installed:
        raise missing_extra("mlflow", "mlflow", "tracking runs in MLflow")
    if kind == "none":
        return NoTracker()
    if kind == "jsonl" or not installed:
        return JsonLinesTracker(run)
    from shapesys.tracking.mlflow import MlflowTracker

    return MlflowTracker(run)
