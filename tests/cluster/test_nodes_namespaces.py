"""A node lost in every stage, on nodes with networks, process tables and mounts of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import node_stages
import psutil
import pytest
from nodes import Cluster, Namespaces, Unavailable, cluster, namespaces

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place() -> Iterator[Namespaces]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(namespaces())
        except Unavailable as error:
            pytest.skip(f"no nodes in namespaces: {error}")
        yield made


@pytest.fixture(scope="module")
def nodes(place: Namespaces) -> Iterator[Cluster]:
    with cluster(place, workers=2) as made:
        yield made


def test_nothing_is_left_of_namespaces(place: Namespaces) -> None:
    before, others = traces(), set(psutil.Process().children(recursive=True))
    with namespaces() as another:
        another.make(0, hidden=None)
        inside = set(psutil.Process().children(recursive=True)) - others
        assert inside
        assert traces() == before
    assert traces() == before
    assert not any(process.is_running() for process in inside)


def traces() -> tuple[list[str], list[str]]:
    """Network interfaces and named networks of this machine."""
    named = Path("/run/netns")
    return sorted(psutil.net_if_addrs()), sorted(map(str, named.iterdir())) if named.is_dir() else []


def test_a_node_lost_while_preparing(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_prepare(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_training(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_train(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_evaluating(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_evaluate(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_tuning(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_tune(nodes, undisturbed, tmp_path)


def test_a_node_without_the_shared_folder_is_named(
    nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    for node in nodes.workers:
        nodes.kill(node)
    (blind,) = nodes.add_workers(hidden=shared)
    unseen = f"node {blind.address} does not see {shared}/{{}} as the driver does; .*{{}}.*"
    store = node_stages.prepare_words(shared / "store")
    node_stages.check_refusal(nodes, store, tmp_path, unseen.format("store", "--store"))
    run = node_stages.train_words(undisturbed.store, shared)
    node_stages.check_refusal(nodes, run, tmp_path, unseen.format("run", "--runs-root"))
    rows = node_stages.evaluate_words(node_stages.copy_of(undisturbed.run, shared / "evaluated"))
    node_stages.check_refusal(nodes, rows, tmp_path, unseen.format("evaluated", "--runs-root"))
    sweep = node_stages.tune_words(undisturbed.store, shared)
    node_stages.check_refusal(nodes, sweep, tmp_path, unseen.format("sweep", "--runs-root"))
