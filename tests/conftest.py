"""Fixtures every test may use."""

from __future__ import annotations

import multiprocessing as mp
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real meshes and scans, beside the checkout or named by SHAPESYS_TEST_DATA; skips where absent."""
    fallback = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SHAPESYS_TEST_DATA", fallback))
    if not root.is_dir():
        pytest.skip(f"no real test data at {root}; set SHAPESYS_TEST_DATA to a folder that holds it")
    return root


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class TwoRanks:
    """Two processes that stay for all tests, since each takes seconds to import torch."""

    def __init__(self) -> None:
        self._pool = mp.get_context("spawn").Pool(2)

    def run(self, work: Callable[..., None], *args: object) -> None:
        """Call `work(rank, *args)` in both; where one fails, the other is not waited for."""
        waiting = [self._pool.apply_async(work, (rank, *args)) for rank in range(2)]
        end = time.monotonic() + 120
        try:
            while waiting:
                for one in [one for one in waiting if one.ready()]:
                    waiting.remove(one)
                    one.get()
                assert time.monotonic() < end, "a rank hangs"
                time.sleep(0.005)
        except BaseException:
            self.close()
            self._pool = mp.get_context("spawn").Pool(2)
            raise

    def close(self) -> None:
        """End both, whatever they do."""
        self._pool.terminate()
        self._pool.join()


@pytest.fixture(scope="session")
def in_two_ranks() -> Iterator[Callable[..., None]]:
    """Calls a function of a module, `work(rank, *args)`, in two processes at once."""
    ranks = TwoRanks()
    yield ranks.run
    ranks.close()


@pytest.fixture(scope="session")
def saliency_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four chairs and four mugs to learn from, two of each to test: meshes, distances and clouds of 96 points."""
    from shapesys.samples.prepare import prepare_locally
    from shapesys.samples.settings import PRESETS
    from shapesys.sources.registry import build_source

    shapes = {"categories": ("chair", "mug"), "count": 6, "val_fraction": 0.0, "test_fraction": 0.34}
    views = {"views": ("meshes", "sdf", "cloud"), "cloud.points": 96, "sdf.count": 1024, "sdf.chunk": 512}
    folder = str(tmp_path_factory.mktemp("saliency") / "store")
    prepare_locally(build_source("procedural", shapes), folder, PRESETS["tiny"].override(views), isolate=False)
    return folder
