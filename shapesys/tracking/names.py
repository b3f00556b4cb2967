"""How metrics are called in a tracker.

Trackers draw one section of charts for everything before a name's last slash, so there is one slash for each section
a person would want to open: ``loss/sdf``, ``speed/samples_per_second``, ``test/chamfer.onet.chamfer_l1``.
"""

from __future__ import annotations

_OF_SPEED = {"samples_per_second": "samples_per_second", "seconds": "seconds_between_logs", "wait_share": "wait_share"}


def history_name(name: str) -> str:
    """A history record's scalar as a tracker's metric; losses, statistics and learning rates have their sections."""
    return f"speed/{_OF_SPEED[name]}" if name in _OF_SPEED else name


def measured_name(split: str, metric: str, category: str = "") -> str:
    """An evaluation's metric: ``test/chamfer.deepsdf``, or ``test/mug/chamfer.deepsdf`` over one category."""
    return "/".join(part for part in (split, category, metric.replace("/", ".").replace("@", ".")) if part)


def optimised_name(split: str, curve: str) -> str:
    """How a number went while an evaluation optimised shapes, by iteration: ``test/optimisation/loss``."""
    return measured_name(split, curve, "optimisation")
