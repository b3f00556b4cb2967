"""A node lost in every stage, on nodes that share everything but their address: where there are no namespaces."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import node_stages
import pytest
from nodes import Cluster, Loopback, Unavailable, cluster, namespaces

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@cache
def namespaces_work() -> bool:
    with contextlib.suppress(Unavailable), namespaces():
        return True
    return False


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    if namespaces_work() and "SHAPESYS_TEST_LOOPBACK" not in os.environ:
        pytest.skip("the same is tested on nodes in namespaces; set SHAPESYS_TEST_LOOPBACK=1 to run it here too")
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
