"""What a tracker is told of a training run and of its evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shapesys.cli import evaluation_run
from shapesys.cli.evaluation_run import _track
from shapesys.cli.training_run import describe_run, scalars
from shapesys.evaluation.curves import write_curves
from shapesys.tracking.jsonl import JsonLinesTracker
from shapesys.training.config import resolve
from shapesys.training.run_dir import create, write_json

FACTS: dict[str, Any] = {
    "command": "shapesys train issn --store s", "data_digest": "d" * 64, "config_digest": "c" * 64, "code": {},
}  # fmt: skip


def test_runs_that_are_compared_log_the_same_params(tmp_path: Path) -> None:
    described = [
        describe_run(resolve("issn", "tiny", {"data.store": "s"} | changes), create(tmp_path, name), FACTS)
        for name, changes in (("plain", {}), ("other", {"train.seed": 3, "data.categories": ("mug", "chair")}))
    ]
    plain, other = (description.params for description in described)
    assert plain.keys() == other.keys(), "a comparison shows a missing param as unknown"
    assert (plain["train.seed"], other["train.seed"]) == (0, 3)
    assert (plain["data.categories"], other["data.categories"]) == ("all", "mug, chair")
    assert "model.latent_dim" in plain
    assert "model.weight_norm" not in plain, "few params: neither changed nor searched"


def test_a_run_says_how_to_do_it_again_and_what_it_read(tmp_path: Path) -> None:
    described = describe_run(
        resolve("issn", "tiny", {"data.store": str(tmp_path / "mugs")}), create(tmp_path, "a"), FACTS
    )
    assert FACTS["command"] in described.note
    assert described.data is not None
    assert (described.data.name, described.data.source) == ("mugs", str(tmp_path / "mugs"))
    assert described.tags["config_digest"] == "c" * 12


def test_a_record_is_told_in_sections() -> None:
    record = {"step": 5, "total_steps": 9, "epoch": 1.0, "loss": {"sdf": 0.5}, "samples_per_second": 7.0}
    assert dict(scalars(record)) == {"epoch": 1.0, "loss/sdf": 0.5, "speed/samples_per_second": 7.0}


def test_other_settings_of_an_evaluation_show(tmp_path: Path) -> None:
    run = create(tmp_path, "chairs")
    write_json(run.config, resolve("issn", "tiny", {"data.store": "s"}).model_dump(mode="json"))
    summary = {"checkpoint_step": 150, "counts": {"ok": 3, "empty": 1}, "overall": {"metrics": {}}}
    for resolution in (48, 64):
        write_json(run.evaluation("test").settings, {"settings": {"resolution": resolution}, "step": 150})
        _track(run, "test", summary, None, "jsonl")
    told = [line for line in (run.path / "tracking.jsonl").read_text().splitlines() if "evaluated on test" in line]
    assert "step 150, resolution 48, 4 shapes, settings" in told[0]
    assert "step 150, resolution 64, 4 shapes, settings" in told[1]


@pytest.mark.parametrize("limits", [{}, {"MOST_ROWS": 3, "MOST_BYTES": 10}])
def test_a_tracker_gets_no_more_than_it_can_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(evaluation_run, name, value)
    run = create(tmp_path, "chairs")
    write_json(run.config, resolve("issn", "tiny", {"data.store": "s"}).model_dump(mode="json"))
    results = run.evaluation("test")
    write_json(results.settings, {"settings": {"resolution": 48}, "step": 150})
    results.prediction_mesh("chair/0").parent.mkdir(parents=True)
    results.prediction_mesh("chair/0").write_bytes(bytes(20))
    summary = {"checkpoint_step": 150, "counts": {"ok": 4}, "overall": {"metrics": {}}}
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(JsonLinesTracker, "table", lambda self, *given: told.append(given))
    monkeypatch.setattr(JsonLinesTracker, "artifacts", lambda self, paths, folder="": told.append((*paths,)))
    _track(run, "test", summary, None, "jsonl")
    small = [(results.rows, "evaluation/test/shapes"), (results.summary, results.settings, results.path / "meshes")]
    assert told == ([(results.summary, results.settings, results.rows)] if limits else small)


@pytest.mark.parametrize("iterations", [1, 120, 1000])
def test_the_median_of_an_optimisation_is_a_series_by_iteration(tmp_path: Path, iterations: int) -> None:
    run = create(tmp_path, "chairs")
    write_json(run.config, resolve("issn", "tiny", {"data.store": "s"}).model_dump(mode="json"))
    results = run.evaluation("test")
    write_json(results.settings, {"settings": {"resolution": 48}, "step": 150})
    slope = np.linspace(1.0, 0.0, iterations, dtype=np.float32)
    for number in range(3):
        write_curves({"loss": number + slope}, results.curves(f"chair/{number}"))
    summary = {"checkpoint_step": 150, "counts": {"ok": 3}, "overall": {"metrics": {}}}
    _track(run, "test", summary, None, "jsonl")
    events = [json.loads(line) for line in (run.path / "tracking.jsonl").read_text().splitlines()]
    told = {
        event["step"]: event["values"]["test/optimisation/loss"]
        for event in events
        if event["event"] == "metrics" and event["values"]
    }
    steps = list(told)
    assert steps == sorted(steps)
    assert (steps[0], steps[-1], len(steps)) == (0, iterations - 1, min(200, iterations))
    np.testing.assert_allclose(list(told.values()), 1 + slope[steps])


def test_an_evaluation_outlives_a_page_that_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("odd mesh")

    monkeypatch.setattr(evaluation_run, "build_page", broken)
    assert evaluation_run._page(create(tmp_path, "chairs")) is None
    assert "no page: unexpected ValueError: odd mesh" in capsys.readouterr().err
