"""Where the gradient of a field is compared with the true one, and how."""

from __future__ import annotations

from dataclasses import dataclass

from shapesys.errors import UsageError, unknown_name

GRADIENT_CONVENTIONS: dict[str, str] = {
    "sald": "min(|g - n|_1, |g + n|_1)",
    "angle": "degrees between g and n or -n",
}
"""How a gradient g and a direction n are compared: ``sald`` is the term of SALD's loss, ``angle`` from 0 to 90."""


@dataclass(frozen=True)
class GradientSettings:
    """Where gradients are compared, and how.

    Attributes:
        points: points drawn; 0 for no gradient error at all.
        std: standard deviation, per coordinate, of their Gaussian displacement from the surface.
        step: of the central differences. Points closer to the surface are left out: a difference across it would mix
            both sides of a field that has no sign, and the direction from the closest point is rounding error there.
        conventions: see `GRADIENT_CONVENTIONS`.
        seed: draws the points.

    ``std`` and ``step`` are lengths in the coordinates that are evaluated: shapes of a store fill the unit sphere.

    Raises:
        UsageError: an unknown convention, or a step that leaves out most points.
    """

    points: int = 2048
    std: float = 0.05
    step: float = 1e-3
    conventions: tuple[str, ...] = ("sald", "angle")
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.conventions:
            if name not in GRADIENT_CONVENTIONS:
                raise unknown_name("gradient error convention", name, GRADIENT_CONVENTIONS)
        if self.points and not 0.0 < self.step <= self.std:
            raise UsageError(
                f"the step of gradients must be positive and at most the standard deviation of their points; got step "
                f"{self.step:g}, standard deviation {self.std:g}"
            )
