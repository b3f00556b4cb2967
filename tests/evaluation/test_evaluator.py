"""Faults of the device: they are no shape's own, and hold for all that the process would do next."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation import plan as plan_module
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan
from shapesys.evaluation.results import Results
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory

IDS = ["mug/1", "mug/2"]
SHAPES = pa.table({"shape_id": IDS, "category": ["mug", "mug"], "split": ["test", "test"]})
FAULT = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")


class Faulty(Evaluator):
    """Meets `fault` at every shape."""

    fault: Exception

    def predict(self, shape_ids: Any) -> Any:
        raise self.fault


@pytest.fixture
def evaluator() -> Faulty:
    unused: Any = None
    return Faulty(unused, unused, unused, {}, unused, EvaluateConfig(), None, SHAPES, unused)


def test_a_fault_of_the_device_fails_no_shape(evaluator: Faulty) -> None:
    evaluator.fault = FAULT
    with pytest.raises(torch.AcceleratorError):
        evaluator.evaluate(IDS)
    evaluator.fault = torch.OutOfMemoryError("out of memory")
    assert [row["status"] for row in evaluator.evaluate(IDS).rows] == ["failed", "failed"]


@pytest.mark.parametrize(("batch", "way_out", "done"), [(2, "--scale.batch-shapes 1", 0), (1, "goes on after it", 1)])
def test_an_evaluation_here_ends_with_the_way_past_the_shape_to_blame(
    evaluator: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, way_out: str, done: int
) -> None:
    evaluator.fault = FAULT
    monkeypatch.setattr(plan_module.Evaluator, "open", lambda *_: evaluator)
    results = Results(EvaluationDirectory(tmp_path / "test"))
    checkpoint, store = Checkpoint(Path("step_00000010")), SimpleNamespace(url="s")
    held = results.begin(checkpoint, "digest", {})
    plan = EvaluationPlan(checkpoint, store, EvaluateConfig(), results, SHAPES, IDS, len(held))  # type: ignore[arg-type]
    with pytest.raises(ShapesysError, match=f"device broke at mug/1.*illegal memory access .*{way_out}"):
        plan_module._run_here(plan, EvaluateScale(batch_shapes=batch), None)
    again = Results(results.directory).begin(checkpoint, "digest", {})
    assert again["shape_id"].to_pylist() == IDS[:done]
