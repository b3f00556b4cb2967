"""What `shapesys doctor` concludes from what the nodes of a cluster answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cli_support import invoke

pytest.importorskip("ray")

from shapesys.cli import cluster_findings as findings
from shapesys.cli import cluster_services as services
from shapesys.cli.checks import Check
from shapesys.on_ray.cluster_checks import Node, Reply, clock_difference

GIGABYTE = 10**9
NOW = 1_000_000.0


def facts(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "versions": {"python": "3.11.7", "ray": "2.60.0", "torch": "2.13.0", "shapesys": "0.1.0", "mlflow": "3.17.2"},
        "memory_free_bytes": 60 * GIGABYTE,
        "shared_memory_bytes": 30 * GIGABYTE,
        "disk_bytes": 1000 * GIGABYTE,
        "disk_free_bytes": 500 * GIGABYTE,
        "authentication": "token",
        "gpus": {"names": []},
    }
    return told | changes


def reply(name: str, value: Any = None, failure: str = "", gpus: float = 0.0, **times: float) -> Reply:
    return Reply(Node(name, name, resources={"CPU": 8.0, "GPU": gpus}), value, failure, **times)


def judged(found: Iterator[Check]) -> dict[str, Check]:
    checks = {check.name: check for check in found}
    assert all(check.way_out for check in checks.values() if check.state != "ok"), checks
    return checks


@pytest.mark.parametrize(
    ("size", "left", "shared", "said"),
    [
        (10.0, 8.0, 30.0, "10.0 GB or more on every node"),
        (10.0, 8.0, None, "10.0 GB or more on every node"),
        (0.05, 0.05, 30.0, "small: a 0.1 GB"),
        (10.0, 10.0, 0.064, "larger than /dev/shm, so that it lies on a disk: a 10.0 GB"),
        (10.0, 0.5, 30.0, "nearly full: a 9.5 of 10.0 GB"),
    ],
)
def test_an_object_store_needs_room_in_memory(size: float, left: float, shared: float | None, said: str) -> None:
    told = facts(shared_memory_bytes=None if shared is None else shared * GIGABYTE)
    node = Node(
        "a", "a", resources={"object_store_memory": size * GIGABYTE}, unused={"object_store_memory": left * GIGABYTE}
    )
    (check,) = judged(findings.object_store([Reply(node, told, "")])).values()
    assert check.found == said
    assert (check.state == "ok") == ("or more" in said)


def test_the_same_environment_everywhere() -> None:
    found = judged(findings.versions([reply("a", facts()), reply("b", facts())]))
    assert [check.state for check in found.values()] == ["ok"]
    assert "torch 2.13.0" in found["versions"].found


@pytest.mark.parametrize(
    ("package", "version", "state", "said"),
    [
        ("python", "3.12.1", "missing", "3.11.7 on most; 3.12.1 on c"),
        ("ray", "2.59.0", "missing", "2.60.0 on most; 2.59.0 on c"),
        ("shapesys", None, "missing", "0.1.0 on most; none on c"),
        ("torch", "2.12.0", "warning", "2.13.0 on most; 2.12.0 on c"),
    ],
)
def test_the_node_that_differs_is_named(package: str, version: str | None, state: str, said: str) -> None:
    odd = facts(versions=facts()["versions"] | {package: version})
    found = judged(findings.versions([reply("a", facts()), reply("b", facts()), reply("c", odd)]))[package]
    assert (found.state, found.found) == (state, said)


def test_gpus_that_torch_cannot_see() -> None:
    good = facts(gpus={"names": ["H200", "H200"], "cuda": "13.0", "driver": "580.1"})
    blind = facts(gpus={"names": [], "error": "CUDA driver version is insufficient"})
    unknown = facts(gpus={"names": ["H200"]})
    found = judged(findings.gpus([reply("a", good, gpus=2), reply("b", blind, gpus=4), reply("c", unknown)]))
    assert "Ray gives out 4, torch sees 0: CUDA driver version" in found["GPUs of b"].found
    assert found["GPUs of b"].state == "missing"
    assert "--num-gpus 1" in found["GPUs of c"].way_out
    assert found["GPUs"].found == "2 x H200 (CUDA 13.0, driver 580.1), 1 x H200"


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"disk_free_bytes": 4 * GIGABYTE, "disk_bytes": 10 * GIGABYTE}, "disk", "b 4.0 GB"),
        ({"disk_free_bytes": 40 * GIGABYTE}, "disk", "b 40.0 GB"),  # below 5 %, where Ray stops to write
        ({"memory_free_bytes": GIGABYTE}, "memory", "b 1.0 GB"),
    ],
)
def test_scarce_room_is_told_of_its_node(changes: dict[str, int], name: str, said: str) -> None:
    found = judged(findings.room([reply("a", facts()), reply("b", facts(**changes))]))
    assert found[name].state == "warning"
    assert said in found[name].found
    assert " a " not in found[name].found


def test_enough_room() -> None:
    found = judged(findings.room([reply("a", facts()), reply("b", facts(disk_free_bytes=400 * GIGABYTE))]))
    assert found["disk"].found.startswith("400.0 GB or more")


@pytest.mark.parametrize(
    ("clock", "difference"),
    [(NOW, 0.0), (NOW + 0.5, 0.0), (NOW + 3.0, 2.0), (NOW - 5.0, -5.0)],
)
def test_only_what_no_round_trip_explains_is_skew(clock: float, difference: float) -> None:
    assert clock_difference(reply("a", clock, asked=NOW, answered=NOW + 1.0)) == difference


def test_a_clock_that_is_off_is_told() -> None:
    clocks = [reply("a", NOW, asked=NOW, answered=NOW), reply("b", NOW + 9, asked=NOW, answered=NOW)]
    found = judged(findings.clocks_of(clocks)([]))["clocks"]
    assert (found.state, found.found) == ("warning", "b +9.0 s against this one")


def seen(**views: str) -> list[Reply]:
    """Replies of nodes a, b, ... that see the nodes whose letters are given."""
    return [reply(name, list(view)) for name, view in views.items()]


def test_storage_that_all_share() -> None:
    found = judged(services.storage("/shared", seen(a="", b=""), seen(a="ab", b="ab")))
    assert list(found) == ["storage"]
    assert found["storage"].state == "ok"


def test_storage_that_only_the_head_sees() -> None:
    found = judged(services.storage("/shared", seen(a="", b="", c=""), seen(a="a", b="bc", c="bc")))
    assert found["storage on a"].state == "missing"
    assert found["storage on a"].found == "/shared there is not that of b, c: what those write is not seen"
    assert "storage" not in found


def test_storage_that_is_local_to_every_node() -> None:
    found = judged(services.storage("/tmp", seen(a="", b="", c=""), seen(a="a", b="b", c="c")))
    assert {check.state for check in found.values()} == {"missing"}


def test_storage_that_a_node_cannot_write() -> None:
    found = judged(services.storage("/shared", [reply("a"), reply("b", failure="Read-only file system")], seen(a="a")))
    assert found["storage on b"].found == "/shared: Read-only file system"
    assert "storage" not in found


def test_mlflow_from_every_node() -> None:
    uri = "http://me:secret@mlflow:5000"
    answers = [reply("a", ""), reply("b", "no answer: refused"), reply("c", failure="did not answer within 9 s")]
    found = list(services.tracking(uri, answers))
    assert [check.state for check in found] == ["warning", "warning"]
    assert found[0].found == "http://mlflow:5000 from b: no answer: refused"
    assert judged(services.tracking(uri, answers[:1]))["MLflow"].state == "ok"


@pytest.mark.parametrize(
    ("uri", "count", "state"), [("sqlite:///runs/mlflow.db", 2, "warning"), ("sqlite:///runs/mlflow.db", 1, "ok")]
)
def test_a_database_file_is_for_one_node(uri: str, count: int, state: str) -> None:
    assert next(services.local_tracking(uri, count)).state == state


def test_an_open_cluster_is_a_warning() -> None:
    found = judged(findings.authentication([reply("a", facts()), reply("b", facts(authentication="disabled"))]))
    assert "none on b" in found["authentication"].found


def test_the_dead_are_named_unless_they_were_sent_away() -> None:
    gone = Node("b", "b", alive=False, death="EXPECTED_TERMINATION: scaled down")
    dead = Node("c", "c", alive=False, death="UNEXPECTED_TERMINATION: health check failed")
    found = judged(findings.living("head:6379", [Node("a", "a", resources={"CPU": 8.0}), gone, dead]))
    assert found["cluster"].found == "head:6379: 1 nodes, 8 CPUs, 0 GPUs"
    assert found["dead nodes"].found == "c (UNEXPECTED_TERMINATION: health check failed)"


def test_a_node_without_the_package_is_told_how_to_get_it() -> None:
    found = judged(findings.answering([reply("a", facts()), reply("b", failure="No module named 'shapesys'")]))
    assert list(found) == ["node b"]
    assert "shapesys submit doctor" in found["node b"].way_out


def test_options_for_a_cluster_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    result = invoke("doctor", "--shared", "/shared")
    assert result.exit_code == 2
    assert "--address HOST:6379" in result.stderr


@pytest.mark.parametrize("judge", [findings.versions, findings.gpus, findings.room, findings.authentication])
def test_nothing_is_fine_that_no_node_answered(judge: Any) -> None:
    assert list(judge([])) == []
