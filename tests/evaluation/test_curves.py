"""Curves of optimisation at test time: kept by evaluation, read back, and put together over shapes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.evaluation import curves
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.curves import Spread, kept_curves, read_curves, write_curves
from shapesys.evaluation.plan import evaluate_locally
from shapesys.families import registry
from shapesys.families.base import Observation, Prediction
from shapesys.training.run_dir import EvaluationDirectory, RunDirectory

FALLING = np.linspace(1.0, 0.5, 20, dtype=np.float32)


def test_curves_come_back_as_they_were(tmp_path: Path) -> None:
    path = EvaluationDirectory(tmp_path).curves("chair/a")
    write_curves({"loss": FALLING, "code/size": np.arange(3.0)}, path)
    found = read_curves(path)
    np.testing.assert_array_equal(found["loss"], FALLING)
    assert found["code/size"].dtype == np.float32
    assert found["code/size"].tolist() == [0.0, 1.0, 2.0]
    assert list(tmp_path.rglob("*.*")) == [tmp_path / "curves/chair__a.npz"]


def _objects(path: Path) -> None:
    np.savez(path, loss=np.array([{}], dtype=object))


def _plane(path: Path) -> None:
    np.savez(path, loss=np.zeros((2, 2), np.float32))


def _lone(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, FALLING)


def _cut(path: Path) -> None:
    write_curves({"loss": FALLING}, path)
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("spoil", [_objects, _plane, _lone, _cut, lambda path: path.write_bytes(b""), Path.unlink])
def test_what_holds_no_curves_is_named_and_passed_over(tmp_path: Path, spoil: Any) -> None:
    directory = EvaluationDirectory(tmp_path)
    for shape_id in ("chair/a", "chair/b"):
        write_curves({"loss": FALLING}, directory.curves(shape_id))
    spoil(directory.curves("chair/a"))
    with pytest.raises(ShapesysError, match="cannot read the curves in .*chair__a"):
        read_curves(directory.curves("chair/a"))
    kept = kept_curves(directory)
    assert kept.read == 1
    np.testing.assert_array_equal(kept.spreads["loss"].median, FALLING)


def test_the_median_is_over_the_shapes_that_still_ran() -> None:
    rng = np.random.default_rng(0)
    found = [rng.normal(size=length).astype(np.float32) for length in (5, 9, 9, 12, 7)]
    spread = Spread.of(found)
    assert [spread.running(at) for at in (0, 4, 5, 8, 9, 11, 12)] == [5, 5, 4, 3, 1, 1, 0]
    for at in range(12):
        values = [curve[at] for curve in found if len(curve) > at]
        np.testing.assert_allclose(spread.median[at], np.median(values), rtol=1e-6)
        np.testing.assert_allclose(spread.lower[at], np.quantile(values, 0.25), rtol=1e-6)
        np.testing.assert_allclose(spread.upper[at], np.quantile(values, 0.75), rtol=1e-6)
    assert spread.firsts.tolist() == [curve[0] for curve in found]
    assert spread.lasts.tolist() == [curve[-1] for curve in found]


def test_values_that_are_not_finite_count_for_no_median() -> None:
    spread = Spread.of([np.array([1, np.nan, np.nan], np.float32), np.array([3, 4, np.inf], np.float32)])
    np.testing.assert_array_equal(spread.median, np.array([2, 4, np.nan], np.float32))


def test_of_very_many_shapes_some_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_SHAPES", 4)
    directory = EvaluationDirectory(tmp_path)
    assert kept_curves(directory).spreads == {}
    for number in range(10):
        write_curves({"loss": np.full(3, number)}, directory.curves(f"chair/{number}"))
    kept = kept_curves(directory)
    assert (kept.read, kept.of) == (4, 10)
    assert sorted(kept.spreads["loss"].firsts.tolist()) == [0, 3, 6, 9]


def test_shapes_without_a_curve_count_for_none(tmp_path: Path) -> None:
    directory = EvaluationDirectory(tmp_path)
    write_curves({"loss": FALLING, "residual": FALLING[:2]}, directory.curves("a"))
    write_curves({"loss": FALLING, "residual": FALLING[:0]}, directory.curves("b"))
    spreads = kept_curves(directory).spreads
    assert {name: len(spread.lengths) for name, spread in spreads.items()} == {"loss": 2, "residual": 1}


SETTINGS = EvaluateConfig(
    resolution=16, samples=300, observed_queries=512, saliency_points=64, inference={"iterations": 5}
)
SINGLE = EvaluateScale(batch_shapes=1)


def told_of(shape_id: str) -> np.ndarray:
    """A curve as long as a shape's number tells."""
    return np.linspace(1.0, 0.0, 3 + int(shape_id[-1]), dtype=np.float32)


@pytest.fixture
def run(trained: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run whose family tells how its codes were found."""
    family = registry.load("issn")

    def infer(objective: Any, seen: Sequence[Observation], *settings: Any) -> list[Prediction]:
        found = family.infer(objective, seen, *settings)
        return [replace(item, curves={"loss": told_of(item.shape_id)}) for item in found]

    monkeypatch.setattr(registry, "load", lambda name: replace(family, infer=infer))
    shutil.copytree(trained.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def test_an_evaluation_keeps_curves_over_an_interruption(run: RunDirectory) -> None:
    def interrupt(done: int, total: int, failed: int) -> None:
        if done:
            raise KeyboardInterrupt

    results = run.evaluation("test")
    with pytest.raises(KeyboardInterrupt):
        evaluate_locally(run, SETTINGS, SINGLE, progress=interrupt)
    assert len(results.kept_curves()) == 1
    evaluate_locally(run, SETTINGS, SINGLE)
    assert len(results.kept_curves()) == 3
    for path in results.kept_curves():
        np.testing.assert_array_equal(read_curves(path)["loss"], told_of(path.stem))


def test_curves_follow_the_settings_they_belong_to(run: RunDirectory) -> None:
    evaluate_locally(run, SETTINGS, SINGLE)
    evaluate_locally(run, SETTINGS.override({"seed": 1}), SINGLE.override({"save_meshes": False}))
    assert run.evaluation("test").kept_curves() == []
    evaluate_locally(run, SETTINGS, SINGLE)
    assert len(run.evaluation("test").kept_curves()) == 3


def test_shapes_that_were_not_optimised_leave_no_file(trained: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    evaluate_locally(run, SETTINGS, SINGLE)
    assert not (run.evaluation("test").path / "curves").exists()
