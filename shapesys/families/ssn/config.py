"""Settings of SSN: network, grouping, losses, augmentation, and inference."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import Counting

CompactnessReduction = Literal["caffe_sum", "mean"]
Method = Literal["network", "pixels", "grid"]


class SSNConfig(Config):
    """Network, differentiable SLIC and losses."""

    width: int = setting(64, help="channels of every hidden convolution", ge=1, search=Search(choices=(16, 32, 64)))
    learned: int = setting(15, help="features learned beside colour and position", ge=1, search=Search(5, 30))
    initial_std: float = setting(1e-3, help="standard deviation of the convolutions' first weights", gt=0)
    superpixels: int = setting(100, help="superpixels asked for in a training patch", ge=1)
    iterations: int = setting(5, help="iterations of SLIC in training", ge=1, search=Search(1, 10))
    counting: Counting = setting(
        "associations",
        help="what iterations counts: associations = with one update fewer, as the published code; updates = updates "
        "of the centres, with one more association",
    )
    color_scale: float = setting(
        0.26, help="factor of Lab colours (L 0 to 100)", gt=0, search=Search(0.1, 0.6, log=True)
    )
    position_ratio: float = setting(
        0.40,
        help="positions are scaled by max(columns / w, rows / h) over this, so that cells of all sizes are alike",
        gt=0,
        search=Search(0.2, 1.0, log=True),
    )
    training_position_scale: float = setting(
        0.0,
        help="in training, scale positions by this instead; 0 = the same rule as at test; the published code has 0.25, "
        "about twice the rule's value for its patches",
        ge=0,
    )
    compactness_weight: float = setting(
        1e-5, help="weight of the compactness loss", ge=0, search=Search(1e-6, 1e-3, log=True)
    )
    compactness_reduction: CompactnessReduction = setting(
        "caffe_sum",
        help="caffe_sum = half the sum over a patch of squared scaled distances, as the published code; mean = mean of "
        "squared distances in pixels, smaller by patch pixels x position scale^2",
    )
    segments: int = setting(
        50,
        help="segments of a patch that the reconstruction tells apart, the largest first; others are left out",
        ge=2,
    )
    zoom_std: float = setting(0.75, help="patches are enlarged by a normal factor of mean 1 and this deviation", ge=0)
    zoom_least: float = setting(0.75, help="smallest enlargement", gt=0)
    zoom_most: float = setting(3.0, help="largest enlargement", gt=0)

    @model_validator(mode="after")
    def _zoom_is_a_range(self) -> SSNConfig:
        if self.zoom_least > self.zoom_most:
            raise ValueError(f"zoom_least {self.zoom_least:g} is above zoom_most {self.zoom_most:g}")
        return self

    def position_scale(self, grid: PixelGrid) -> float:
        """Factor of positions at test."""
        return grid.cells_per_pixel / self.position_ratio


class SSNInference(Config):
    """From an image to its superpixels."""

    superpixels: tuple[int, ...] = setting((100,), help="numbers of superpixels to ask for, each its own map")
    iterations: int = setting(10, help="iterations of SLIC", ge=1)
    method: Method = setting(
        "network",
        help="network; pixels = SLIC on colour and position alone (SSN_pix of the paper); grid = the initial cells",
    )
    connect: bool = setting(
        True,
        help="make every connected piece a superpixel of its own, but for small ones, which join a neighbour; "
        "published scores include this step, which raises the number of superpixels, on photographs by half and "
        "more at 100",
    )
    least_share: float = setting(0.06, help="connected pieces below this share of the mean size are joined", ge=0, lt=1)
    most_share: float = setting(3.0, help="connected pieces above this multiple of the mean size are cut", ge=1)

    @field_validator("superpixels")
    @classmethod
    def _some_each_once(cls, superpixels: tuple[int, ...]) -> tuple[int, ...]:
        if not superpixels or min(superpixels) < 1:
            raise ValueError("give at least one number of superpixels, each at least 1")
        return tuple(sorted(set(superpixels)))
