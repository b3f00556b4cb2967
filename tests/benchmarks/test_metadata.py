"""The simulation of many shapes, at few."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import simulate_metadata

from shapesys.samples.store import Store

WITHOUT_RAY = ["plan", "commits", "store", "opened", "training", "codes", "sweep"]


def test_stages_without_ray_measure_what_they_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--shapes", "320", "--folder", str(tmp_path), "--json", "--stages", *WITHOUT_RAY]
    assert simulate_metadata.main(words) == 0
    found = {line["stage"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(found) == WITHOUT_RAY
    assert found["plan"]["buckets"] == found["opened"]["parts"] == 64
    assert found["opened"]["rows"] == 320
    assert found["commits"]["rows"] > 20
    assert all(line["MiB"] >= 0 for line in found.values())
    assert all(value >= 0 for line in found.values() for name, value in line.items() if name != "stage")
    # Nothing of a made store is a leftover, and its ids are those of the source.
    store = Store.open(str(tmp_path / "store"))
    assert store.shape_ids() == [ref.id for ref in simulate_metadata.source(320).shapes()]
    assert set(store.parts) == set(Store.open(str(tmp_path / "store")).parts)
