from __future__ import annotations

import os

import psutil
import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.cluster


def test_gloo_is_given_the_interface_by_which_ray_reaches_the_node(
    ray_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shapesys.on_ray.process_group import INTERFACE, choose_interface
    from shapesys.on_ray.storage import own_address

    # Set first, so that it is taken back whatever the call leaves.
    monkeypatch.setenv(INTERFACE, "")
    monkeypatch.delenv(INTERFACE)
    choose_interface()
    assert own_address() in [one.address for one in psutil.net_if_addrs()[os.environ[INTERFACE]]]


def test_an_interface_that_the_user_names_is_kept(ray_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from shapesys.on_ray.process_group import INTERFACE, choose_interface

    monkeypatch.setenv(INTERFACE, "ib0")
    choose_interface()
    assert os.environ[INTERFACE] == "ib0"
