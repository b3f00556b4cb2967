from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster


def test_a_running_instance_is_used_and_left_running(ray_cluster: str) -> None:
    import ray

    from shapesys.on_ray.runtime import runtime

    with runtime("192.0.2.1:6379"):
        assert ray.get_runtime_context().gcs_address == ray_cluster
    assert ray.is_initialized()


def test_small_machines_get_logical_cpus_to_spare(ray_cluster: str) -> None:
    import ray

    assert ray.cluster_resources()["CPU"] >= 4


def test_workers_use_one_thread(ray_cluster: str) -> None:
    import ray

    assert ray.get(ray.remote(lambda: os.environ["OMP_NUM_THREADS"]).options(num_cpus=0.5).remote()) == "1"


def test_authentication_is_stated(ray_cluster: str) -> None:
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) >= 32


_CONNECT = """
import sys
from shapesys.errors import ShapesysError
from shapesys.on_ray.runtime import runtime
try:
    with runtime(sys.argv[1]):
        import ray
        print(ray.get(ray.remote(lambda: 6 * 7).remote()))
except ShapesysError as error:
    print(error)
"""


def _connect(address: str, **environment: str | None) -> str:
    merged = os.environ | {name: value for name, value in environment.items() if value is not None}
    for name in [name for name, value in environment.items() if value is None]:
        merged.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", _CONNECT, address], capture_output=True, text=True, env=merged, timeout=120, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def test_another_driver_connects_with_the_token_alone(ray_cluster: str) -> None:
    assert _connect(ray_cluster, RAY_AUTH_MODE=None) == "42"


def test_without_the_token_the_reason_is_given(ray_cluster: str, tmp_path: Path) -> None:
    said = _connect(ray_cluster, RAY_AUTH_MODE=None, RAY_AUTH_TOKEN=None, HOME=str(tmp_path))
    assert f"cannot reach the Ray cluster at '{ray_cluster}'" in said
    assert "RAY_AUTH_TOKEN" in said


def test_a_wrong_token_is_thought_of(ray_cluster: str) -> None:
    said = _connect(ray_cluster, RAY_AUTH_TOKEN="0" * 64)
    assert f"cannot reach the Ray cluster at '{ray_cluster}'" in said
    assert "is this the cluster's own token? set RAY_AUTH_TOKEN" in said


_WAIT = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
from shapesys.on_ray.runtime import runtime
try:
    with runtime(sys.argv[1]):
        print("ready", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    time.sleep(5)
    print("ended in order", flush=True)
"""


def test_a_driver_that_is_told_to_end_has_the_time_to(ray_cluster: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAIT, ray_cluster], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
        driver.terminate()
        said, trouble = driver.communicate(timeout=60)
    assert (said, driver.returncode) == ("ended in order\n", 0), trouble
    assert "SIGTERM" not in trouble
