"""A node lost in every stage, on nodes that share everything but their address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import node_stages
import pytest
from nodes import Cluster, Loopback, cluster

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster(Loopback(), workers=2) as made:
        yield made


def test_a_node_lost_while_preparing(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_prepare(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_training(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_train(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_evaluating(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_evaluate(nodes, undisturbed, tmp_path)


def test_a_node_lost_while_tuning(nodes: Cluster, undisturbed: node_stages.Undisturbed, tmp_path: Path) -> None:
    node_stages.check_tune(nodes, undisturbed, tmp_path)
