"""What is told where preparing on a cluster cannot go on. Nothing is started here."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

pytest.importorskip("ray")

from shapesys.errors import ShapesysError
from shapesys.on_ray import prepare as prepare_module
from shapesys.on_ray.pool import Outcome
from shapesys.samples.prepare import Bucket, plan
from shapesys.samples.settings import PrepareConfig
from shapesys.sources.procedural import ProceduralSource


@pytest.mark.parametrize(
    ("stage", "way_out"), [("crash", "use fewer --workers"), ("timeout", "storage"), ("error", "may be damaged")]
)
def test_a_bucket_that_nobody_could_prepare_is_named(tmp_path: Path, stage: str, way_out: str) -> None:
    source = ProceduralSource(ProceduralSource.Settings(categories=("mug",), count=3))
    work, buckets, _ = plan(source, str(tmp_path / "store"), PrepareConfig(), retry=False)
    outcome: Outcome[Bucket] = Outcome(buckets[0], stage=stage, failure="something happened")
    said = prepare_module._failure(work, outcome)
    assert buckets[0].entries[0].id in said
    assert "something happened" in said
    assert way_out in said
    assert str(tmp_path / "store") in said


def test_a_cluster_without_cpus_is_refused_or_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepare_module.ray, "cluster_resources", lambda: {"CPU": 0.0})
    with pytest.raises(ShapesysError, match="a worker needs 1 CPU, but the cluster has 0; start a node with CPUs"):
        prepare_module._require_a_cpu(may_grow=False)
    with caplog.at_level(logging.WARNING):
        prepare_module._require_a_cpu(may_grow=True)
    assert "waiting 1800 s for it to grow" in caplog.text
