"""The benchmarks of Ray's tax and of two cores, at the size of a try: they compare what both ways make, too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def bench(*names: str) -> list[dict[str, object]]:
    words = [sys.executable, "-m", "shapesys.cli.main", "bench", *names, "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)["rows"]
    return rows


@pytest.mark.timeout(300)
def test_the_same_work_in_and_out_of_ray_gives_the_same() -> None:
    rows = bench("ray_tax")
    found = {(row["name"], row["peer"]) for row in rows}
    assert {
        ("Ray's tax, prepare", "multiprocessing"),
        ("Ray's tax, prepare", "multiprocessing, shapes not isolated"),
        ("Ray's tax, train", "torch DDP"),
        ("Ray's tax, evaluate", "multiprocessing"),
    } <= found
    assert all(row["ratio"] > 0 for row in rows)  # type: ignore[operator]


def test_a_store_that_lacks_nothing_is_prepared_again_on_ray(tmp_path: Path) -> None:
    words = [sys.executable, str(BENCHMARKS / "simulate_metadata.py"), "--shapes", "640", "--folder", str(tmp_path)]
    done = subprocess.run(
        [*words, "--json", "--stages", "store", "again", "actors"],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, again, actors = map(json.loads, done.stdout.splitlines())
    assert again["kept"] == 640
    assert again["shapes per s"] > 0
    assert actors["calls"] == 640 // 8 - 1
