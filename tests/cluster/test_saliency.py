"""Saliency maps that workers make are those of one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapesys.cli.saliency_run import Request, run_saliency
from shapesys.saliency.config import MapMetrics, MapSettings, MapSources

pytest.importorskip("ray")
pytestmark = pytest.mark.cluster


def test_maps_on_ray_are_those_of_one_process(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    sources, settings = MapSources(store=str(mugs)), MapSettings(points=256)
    made = [
        run_saliency(Request(sources, settings, MapMetrics(), tmp_path / where, "runs", 0, local=where == "here"))
        for where in ("ray", "here")
    ]
    files = [Path(result["methods"][0]["maps"]).read_bytes() for result in made]
    assert files[0] == files[1]
    assert made[0]["failed"] == {}
