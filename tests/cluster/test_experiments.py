"""Experiments of a recipe on Ray: as many as there are workers at a time, each told as it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from two_phases import REFUSED, multiples

from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Data, Measure, Request
from shapesys.reproduction.trained import TrainedRecipe, TrainedVariant
from shapesys.reproduction.trained_experiment import experiments
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source

pytestmark = pytest.mark.cluster

SHORT = {"model.width": 0.1, "train.epochs": 1, "train.points_per_shape": 64, "inference.points": 64}
RECIPE = TrainedRecipe(
    name="paper.table",
    title="a table",
    published_in="nowhere",
    variants=(TrainedVariant("one", "pointnet", {"tiny": "tiny"}),),
    measures=(Measure("accuracy", "oa/class"),),
    data={"tiny": Data("made", "procedural")},
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("clouds") / "store")
    asked = {"categories": ("mug", "bottle"), "count": 6, "test_fraction": 0.34}
    settings = PRESETS["tiny"].override({"views": ("cloud",), "cloud.points": 96})
    prepare_locally(build_source("procedural", asked), folder, settings, isolate=False)
    return folder


def test_runs_on_ray_find_what_runs_here_find_and_failures_are_told(
    ray_cluster: str, store: str, tmp_path: Path
) -> None:
    from shapesys.on_ray.experiments import run_experiments

    items = experiments(RECIPE, Request("tiny", "tiny", store, str(tmp_path / "ray"), (0, 1), SHORT))
    broken = replace(items[0], name="broken", job=items[0].job.override({"data.split": "none"}))
    heard: dict[str, tuple[list[Finding], str]] = {}

    def hear(item: Experiment, findings: list[Finding], why: str) -> None:
        heard[item.name] = (findings, why)

    run_experiments([[*items, broken]], hear, workers=2)
    assert set(heard) == {"paper.table-00-s0", "paper.table-00-s1", "broken"}
    findings, why = heard["broken"]
    assert not findings
    assert "no shape of split 'none'" in why
    for item in items:
        [found], why = heard[item.name]
        assert why == ""
        [alone] = replace(item, root=str(tmp_path / "here")).perform()
        assert found.summary["whole_set"] == alone.summary["whole_set"]
        assert (found.variant, found.seed) == (alone.variant, alone.seed)


def test_a_phase_starts_when_all_of_the_one_before_have_ended_well_or_not(ray_cluster: str, tmp_path: Path) -> None:
    from shapesys.on_ray.experiments import run_experiments

    phases = multiples("own.table", "once", "twice").phases(Request("tiny", "tiny", "store", str(tmp_path), (0, 1, 2)))
    (tmp_path / REFUSED).write_text("network-s1")
    heard: list[tuple[str, list[Finding], str]] = []
    run_experiments([*phases, []], lambda item, findings, why: heard.append((item.name, findings, why)), workers=2)
    names = [name for name, _, _ in heard]
    assert {name[:9] for name in names[:3]} == {"network-s"}
    assert len(set(names)) == len(names) == 9
    failed = {name: why for name, findings, why in heard if why}
    assert failed == {
        "network-s1": "network-s1 refuses to train",
        "own.table-x1-s1": "own.table-x1-s1 needs network-s1, which is not there",
        "own.table-x2-s1": "own.table-x2-s1 needs network-s1, which is not there",
    }
    values = {
        name: found.summary["overall"]["metrics"]["number"]["mean"] for name, [found], _ in [h for h in heard if h[1]]
    }
    assert values == {"own.table-x1-s0": 10, "own.table-x1-s2": 12, "own.table-x2-s0": 20, "own.table-x2-s2": 24}
