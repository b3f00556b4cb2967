"""The process group of training workers, also where they run on several nodes."""

from __future__ import annotations

import os
from typing import Any

import psutil
from ray.train.torch import TorchConfig

from shapesys.on_ray.storage import own_address

INTERFACE = "GLOO_SOCKET_IFNAME"


class OwnNetworkConfig(TorchConfig):
    """Joins workers over the network by which Ray reaches their nodes.

    Left alone, Gloo takes the address that the host's name stands for: on many machines that of the loopback, by which
    no other node reaches it. A name in GLOO_SOCKET_IFNAME is left as it is; NCCL finds its networks itself.
    """

    @property
    def backend_cls(self) -> type:
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        worker_group.execute(choose_interface)
        super().on_start(worker_group, backend_config)


def choose_interface() -> None:
    """Name the interface that carries this node's address to Gloo, where one does."""
    name = _interface_of(own_address())
    if name:
        os.environ.setdefault(INTERFACE, name)


def _interface_of(address: str) -> str | None:
    found = psutil.net_if_addrs().items()
    return next((name for name, carried in found if any(one.address == address for one in carried)), None)
