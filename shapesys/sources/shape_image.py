"""A picture of a shape, with what is known of the camera that took it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]
_UNKNOWN = np.empty(0)


@dataclass(frozen=True)
class ShapeImage:
    """One picture. What is not known of its camera is empty.

    Attributes:
        name: its file, or another name for messages.
        data: a PNG or JPEG file; where it has an alpha channel, alpha is the share of a pixel that the shape covers.
        camera: (5,) azimuth, elevation and rotation in the image plane in degrees, distance as a share of 1.75, field
            of view in degrees.
        world: (3, 4) from coordinates of the shape to those of the camera.
        intrinsics: (3, 3) from coordinates of the camera to those of the image.
    """

    name: str
    data: bytes
    camera: Numbers = field(default_factory=_UNKNOWN.copy)
    world: Numbers = field(default_factory=_UNKNOWN.copy)
    intrinsics: Numbers = field(default_factory=_UNKNOWN.copy)
