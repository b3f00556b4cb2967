"""How pictures of shapes are rendered for the view `images`: with Choy et al.'s cameras, and how far from these."""

from __future__ import annotations

from pydantic import model_validator

from shapesys.config.base import Config, setting
from shapesys.geometry.viewpoint import FOCAL_LENGTH


class ImageConfig(Config):
    """Pictures of one shape, each from a viewpoint of its own.

    3D-R2N2 (Choy et al., ECCV 2016): 24 of 137 x 137 pixels; azimuth, elevation and distance are uniform, see
    `shapesys.geometry.viewpoint`. Of a source that gives pictures, `views` is how many are taken; the rest is of
    rendered ones. Jitters are off by default; all that is drawn at random belongs to the shape and the view.
    """

    views: int = setting(24, help="pictures per shape; a training step reads one of them", ge=1, le=1000)
    size: int = setting(137, help="pixels a side", ge=16, le=1024)
    supersample: int = setting(4, help="rays per pixel side, for smooth outlines", ge=1, le=8)
    azimuth_low: float = setting(0.0, help="least azimuth in degrees", ge=-360, le=360)
    azimuth_high: float = setting(360.0, help="greatest azimuth", ge=-360, le=360)
    elevation_low: float = setting(25.0, help="least elevation in degrees above the shape's middle", ge=-85, le=85)
    elevation_high: float = setting(30.0, help="greatest elevation", ge=-85, le=85)
    distance_low: float = setting(
        0.65, help="least distance, as a share of 1.75 diagonals of the shape's box", ge=0.35, le=10
    )
    distance_high: float = setting(1.0, help="greatest distance", ge=0.35, le=10)
    focal_length: float = setting(FOCAL_LENGTH, help="of the lens, in mm before a sensor of 32 mm", ge=10, le=500)
    rotation: float = setting(0.0, help="turn the picture by up to so many degrees, either way", ge=0, le=180)
    shift: float = setting(0.0, help="move the shape by up to this share of the picture's side, any way", ge=0, le=0.5)
    light: float = setting(0.0, help="how much strengths and directions of the lights vary, 0 to 1", ge=0, le=1)
    color: float = setting(
        0.0, help="how far the colours of parts are from clay: 0 for clay alone, 1 for any colour", ge=0, le=1
    )

    @model_validator(mode="after")
    def _ordered(self) -> ImageConfig:
        for name in ("azimuth", "elevation", "distance"):
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if low > high:
                raise ValueError(f"{name}_low {low:g} is above {name}_high {high:g}; swap them")
        return self
