"""How busy the machine is, read when metrics are logged: no thread, no dependency beyond psutil."""

from __future__ import annotations

import sys
import time

_MEGABYTE = 1e6


class SystemMetrics:
    """A reading at most every `interval` seconds; empty where psutil is not installed.

    Names are MLflow's own (``system/...``), so that its interface shows them on the system page.
    """

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._next = 0.0

    def read(self) -> dict[str, float]:
        """Name -> value; nothing when the last reading is recent."""
        now = time.monotonic()
        if now < self._next:
            return {}
        self._next = now + self._interval
        return _processor() | _accelerators()


def _processor() -> dict[str, float]:
    try:
        import psutil
    except ImportError:
        return {}
    memory = psutil.virtual_memory()
    return {
        "system/cpu_utilization_percentage": float(psutil.cpu_percent()),
        "system/system_memory_usage_megabytes": memory.used / _MEGABYTE,
        "system/system_memory_usage_percentage": float(memory.percent),
        "system/process_memory_usage_megabytes": psutil.Process().memory_info().rss / _MEGABYTE,
    }


def _accelerators() -> dict[str, float]:
    """Memory of the GPUs this process already uses; looking must not initialise CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found: dict[str, float] = {}
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found[f"system/gpu_{index}_memory_usage_megabytes"] = (total - free) / _MEGABYTE
        found[f"system/gpu_{index}_memory_usage_percentage"] = 100.0 * (total - free) / total
    return found
