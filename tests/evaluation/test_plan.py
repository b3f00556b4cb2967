from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.training.run_dir import RunDirectory

SETTINGS = EvaluateConfig(
    resolution=16, samples=300, observed_queries=512, saliency_points=64, inference={"iterations": 5}
)
SCALE = EvaluateScale(batch_shapes=2, save_meshes=True)


@pytest.fixture
def run(trained: RunDirectory, tmp_path: Path) -> RunDirectory:
    shutil.copytree(trained.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def test_every_shape_of_the_split_gets_a_row_and_two_meshes(run: RunDirectory) -> None:
    calls: list[tuple[int, int, int]] = []
    summary = evaluate_locally(run, SETTINGS, SCALE, progress=lambda *now: calls.append(now))
    assert calls == [(0, 3, 0), (2, 3, 0), (3, 3, 0)]
    assert sum(summary["counts"].values()) == 3
    assert summary["counts"]["failed"] == summary["counts"]["missing"] == 0
    results = run.evaluation("test")
    rows = {row["shape_id"]: row for row in pq.read_table(results.rows).to_pylist()}
    assert len(rows) == 3
    for shape_id, row in rows.items():
        assert results.truth_mesh(shape_id).is_file()
        assert results.prediction_mesh(shape_id).is_file() == (row["status"] == "ok")
    assert EvaluationPlan.open(run, SETTINGS).waiting == []


def test_one_damaged_shape_takes_no_other_with_it(run: RunDirectory, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    test_ids = set(EvaluationPlan.open(run, SETTINGS).waiting)
    parts = {part: set(pq.read_table(part)["shape_id"].to_pylist()) for part in sorted(copy.glob("sdf/chunk=000/*"))}
    part, bad = next((part, ids & test_ids) for part, ids in parts.items() if ids & test_ids)
    plan = EvaluationPlan.open(run, SETTINGS, str(copy))
    assert len(bad) < len(plan.waiting)
    later = copy / "sdf/chunk=000" / part.name
    later.write_bytes(later.read_bytes()[:100])
    shutil.rmtree(run.evaluation("test").path)
    summary = evaluate_locally(run, SETTINGS, SCALE.override({"batch_shapes": 8}), str(copy))
    assert summary["counts"]["failed"] == len(bad)
    assert summary["counts"]["ok"] + summary["counts"]["empty"] == 3 - len(bad)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"split": "nowhere"}, ShapesysError, r"has no shape of split 'nowhere' to evaluate; it holds \d+ test, "),
        ({"inference": {"iteratoins": 3}}, UsageError, "did you mean iterations"),
        ({"categories": ("chair",)}, ShapesysError, "chair"),
        ({"chamfer": ("onet.chamfer_l3",)}, UsageError, "onet.chamfer_l1"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    run: RunDirectory, changes: dict[str, object], error: type[ShapesysError], message: str
) -> None:
    with pytest.raises(error, match=message):
        EvaluationPlan.open(run, SETTINGS.override(changes))


def test_a_run_without_a_checkpoint_says_what_to_do(run: RunDirectory) -> None:
    shutil.rmtree(run.checkpoints)
    with pytest.raises(ShapesysError, match="has no checkpoint yet; train it first"):
        EvaluationPlan.open(run, SETTINGS)


def test_a_store_without_ground_truth_is_refused(run: RunDirectory, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ShapesysError):
        EvaluationPlan.open(run, SETTINGS, str(tmp_path / "no-store"))


def test_trained_codes_are_refused_for_unseen_shapes(run: RunDirectory) -> None:
    summary = evaluate_locally(run, SETTINGS.override({"codes": "trained"}), SCALE)
    assert summary["counts"]["failed"] == 3
    reasons = pq.read_table(run.evaluation("test").rows)["reason"].to_pylist()
    assert all("was not trained on" in reason for reason in reasons)


def test_failed_shapes_are_tried_again_where_asked(run: RunDirectory) -> None:
    wrong = SETTINGS.override({"saliency_points": 257})
    assert evaluate_locally(run, wrong, SCALE)["counts"]["failed"] == 3
    assert EvaluationPlan.open(run, wrong).failed == 3
    calls: list[tuple[int, int, int]] = []
    evaluate_locally(run, wrong, SCALE, progress=lambda *now: calls.append(now))
    assert calls == [], "they have a row"
    again = SCALE.override({"retry_failed": True})
    summary = evaluate_locally(run, wrong, again, progress=lambda *now: calls.append(now))
    assert calls == [(0, 3, 0), (2, 3, 2), (3, 3, 3)]
    assert summary["counts"]["failed"] == 3
    assert pq.read_table(run.evaluation("test").rows).num_rows == 3


def test_an_interrupted_evaluation_does_only_the_rest_and_counts_all(run: RunDirectory) -> None:
    def interrupt(done: int, total: int, failed: int) -> None:
        if done:
            raise KeyboardInterrupt

    single = SCALE.override({"batch_shapes": 1})
    with pytest.raises(KeyboardInterrupt):
        evaluate_locally(run, SETTINGS, single, progress=interrupt)
    assert not run.evaluation("test").summary.exists()
    calls: list[tuple[int, int, int]] = []
    summary = evaluate_locally(run, SETTINGS, single, progress=lambda *now: calls.append(now))
    assert calls == [(1, 3, 0), (2, 3, 0), (3, 3, 0)]
    assert summary["counts"]["ok"] + summary["counts"]["empty"] == 3


def test_batches_shrink_towards_the_end(run: RunDirectory) -> None:
    plan = replace(EvaluationPlan.open(run, SETTINGS), waiting=[f"mug/{number}" for number in range(40)])
    shared = list(plan.batches(8, lambda: 2))
    assert [len(batch) for batch in shared] == [8, 8, 6, 5, 4, 3, 2, 1, 1, 1, 1]
    assert [shape_id for batch in shared for shape_id in batch] == plan.waiting
    assert [len(batch) for batch in plan.batches(16)] == [16, 16, 8]
