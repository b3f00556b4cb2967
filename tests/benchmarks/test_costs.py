"""What one shape costs, measured on few small ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scale_model
import shape_costs


def test_measured_costs_feed_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "costs.json"
    monkeypatch.setattr(shape_costs, "COSTS", file)
    assert shape_costs.main(["--quick", "--write"]) == 0
    measured = json.loads(file.read_text())
    assert json.loads(capsys.readouterr().out) == measured
    # Matrices of 1,841,152 weights: two operations each forward, six with both gradients; fewer at the first layer.
    assert measured["forward_flops_per_query"] == pytest.approx(2 * 1.57e6, rel=0.1)
    assert 2.5 < measured["train_flops_per_query"] / measured["forward_flops_per_query"] <= 3
    assert measured["files_per_part"] == 2 + 1 + 1 + 1 + 4
    assert measured["store_bytes"]["sdf"] > 2048 * 16
    assert set(json.loads(scale_model.COSTS.read_text())) == set(measured)
    assert scale_model.main(["--costs", str(file), "--shapes", "100"]) == 0
