"""The autoscaler's configurations, by Ray's own checks and against the versions that are pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
CLOUDS = ["aws", "gcp"]


def load(cloud: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "cluster" / "vm" / f"{cloud}.yaml").read_text())
    return config


def check(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(config)
    validate_config(prepared)
    return prepared


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_accepts_the_configuration(cloud: str) -> None:
    prepared = check(load(cloud))
    assert prepared["provider"]["type"] == cloud
    types = prepared["available_node_types"]
    assert set(types) == {"head", "gpu", "cpu"}
    # Autoscaling starts from nothing: a cluster that is only up costs one small machine.
    assert sum(one["min_workers"] for one in types.values()) == 0
    assert prepared["max_workers"] >= types["gpu"]["max_workers"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_refuses_a_typo(cloud: str) -> None:
    config = load(cloud)
    config["idle_timeout"] = config.pop("idle_timeout_minutes")
    with pytest.raises(Exception, match="idle_timeout"):
        check(config)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_machines_get_the_pinned_versions(cloud: str) -> None:
    commands = "\n".join(load(cloud)["setup_commands"])
    installs = [line for line in commands.splitlines() if "pip install" in line]
    assert installs == ['~/env/bin/pip install -q -c ~/shapesys/constraints.txt "$HOME/shapesys[all]"']
    assert "==" not in commands, "versions stand in constraints.txt alone"
    mounts = load(cloud)["file_mounts"]
    assert mounts["/home/ubuntu/shapesys"] == "."
    assert {".venv", ".git", "runs", "stores"} <= set(load(cloud)["rsync_exclude"])


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_starts_with_a_token_and_keeps_the_dashboard_to_itself(cloud: str) -> None:
    config = load(cloud)
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        (start,) = [line for line in config[name] if "ray start" in line]
        assert "RAY_AUTH_MODE=token" in start
        assert "PATH=$HOME/env/bin:" in start
    (head,) = [line for line in config["head_start_ray_commands"] if "--head" in line]
    assert "--dashboard-host=127.0.0.1" in head
    assert "--num-cpus=0" in head
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert config["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_machines_resources_are_those_of_their_type(cloud: str) -> None:
    """Google names the CPUs of a machine at the end of its type; a wrong number would never be scheduled."""
    for one in load(cloud)["available_node_types"].values():
        machine = one["node_config"].get("machineType")
        if machine and one["resources"].get("CPU"):
            cpus = re.search(r"-(\d+)$", machine)
            assert cpus is not None
            assert one["resources"]["CPU"] == int(cpus[1])


def test_clouds_differ_only_where_they_must() -> None:
    aws, gcp = load("aws"), load("gcp")
    assert aws["setup_commands"][-2:] == gcp["setup_commands"][-2:]
    for name in ("head_start_ray_commands", "worker_start_ray_commands", "rsync_exclude", "idle_timeout_minutes"):
        assert aws[name] == gcp[name]
