"""A node lost in every stage, on nodes with networks, process tables and mounts of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import node_stages
import pytest
from nodes import Cluster, Unavailable, cluster, namespaces

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    try:
        place = namespaces()
        with place as made, cluster(made, workers=2) as running:
            yield running
    except Unavailable as error:
        pytest.skip(f"no nodes in namespaces: {error}")


def test_a_node_lost_while_preparing(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_prepare(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_training(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_train(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_evaluating(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_evaluate(nodes, undisturbed, tmp_path)


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
