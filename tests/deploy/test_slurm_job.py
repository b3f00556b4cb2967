"""The Slurm script with a real Ray on one node, from submission to the exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from slurm_stub import finish, scheduler

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="Slurm nodes run Linux"),
]


def test_a_job_runs_a_verb_to_the_end_on_the_ray_it_started(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    (tmp_path / "work").mkdir()
    with scheduler(tmp_path, ["localhost"], Path(sys.prefix), SHAPESYS_WORK=str(tmp_path / "work")) as allocation:
        source = ["--source", "procedural", "--categories", "mug", "--count", 2, "--views", "cloud"]
        job = allocation.start("prepare", *source, "--cloud.points", 256, "--store", "store", "--workers", 1, "--json")
        code, output = finish(job, 240)
        assert code == 0, output
        assert "Ray at 127.0.0.1:" in output
        assert not list(allocation.temporary.iterdir())
        left = [
            process.info["cmdline"]
            for process in psutil.process_iter(["cmdline"])
            if any(str(allocation.temporary) in word for word in process.info["cmdline"] or [])
        ]
        assert left == []
    manifest = json.loads((tmp_path / "work" / "store" / "manifest.json").read_text())
    assert manifest["schema"] >= 1
    assert not list((tmp_path / "work").glob(".ray-token-*"))
