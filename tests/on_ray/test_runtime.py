"""Which cluster is meant. Nothing is started here."""

from __future__ import annotations

import pytest

pytest.importorskip("ray")

from shapesys.on_ray.runtime import cluster_address


def test_a_cluster_is_named_by_argument_or_environment_and_an_empty_name_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert cluster_address("10.0.0.2:6379") == "10.0.0.2:6379"
    assert cluster_address(None) == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert cluster_address(None) is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address(None) is None
