"""Settings that all families have which classify space by noisy clouds."""

from __future__ import annotations

from shapesys.config.base import Config, setting

LEVEL = 0.2
"""Probability of being inside at which released settings take the surface, and measure the IoU of held-out shapes."""


class CloudConfig(Config):
    """Where shapes lie, and the clouds that are seen of them in training."""

    side: float = setting(
        1.1,
        help="side of the cube about the origin that the network covers: 1.1 for shapes in the frame unit_cube, 2.2 "
        "for the unit sphere",
        gt=0,
    )
    input_points: int = setting(
        3000, help="surface points seen in a training step, or all that are beside its queries", ge=1
    )
    input_noise: float = setting(
        0.005, help="standard deviation of noise that is added to them in each step, a length of the frame", ge=0
    )
