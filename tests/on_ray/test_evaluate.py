"""Evaluation on a cluster that cannot be reached."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

pytest.importorskip("ray")

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.on_ray.evaluate import evaluate
from shapesys.training.run_dir import create


def test_a_cluster_out_of_reach_is_told_before_results_of_other_settings_are_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    run = create(tmp_path, "mugs")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ShapesysError, match="cannot reach the Ray cluster"):
        evaluate(run, EvaluateConfig(), EvaluateScale(), address=f"127.0.0.1:{port}")
    assert not (run.path / "evaluation").exists()
