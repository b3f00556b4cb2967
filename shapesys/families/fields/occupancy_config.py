"""Settings that all families have which classify space by what is seen of a shape: a noisy cloud, or a picture."""

from __future__ import annotations

from typing import Literal

from shapesys.config.base import Config, Search, setting
from shapesys.nets.global_pointnet import GlobalPointNet
from shapesys.nets.resnet18 import ResNet18

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
    input_points: int = setting(3000, help="surface points seen in a training step, of those beside its queries", ge=1)
    input_noise: float = setting(
        0.005, help="standard deviation of noise that is added to them in each step, a length of the frame", ge=0
    )


class EncodedInference(Config):
    """What is seen of an unseen cloud, and where the surface of what its code stands for is taken."""

    points: int = setting(300, help="points of a cloud that the network sees, or all of fewer", ge=1)
    level: float = setting(
        LEVEL,
        help="probability of being inside at which the surface is",
        gt=0,
        lt=1,
        search=Search(0.1, 0.6),
    )


class EncoderConfig(CloudConfig):
    """Where all that is known of a shape passes through one code."""

    encoder: Literal["cloud", "image"] = setting(
        "cloud", help="what is seen of a shape: a cloud of points, or one picture"
    )
    input_points: int = setting(
        300,
        help="surface points seen in a training step, of those beside its queries",
        needs="encoder=cloud",
        ge=1,
    )
    input_noise: float = setting(
        0.005,
        help="standard deviation of noise that is added to them in each step, a length of the frame",
        needs="encoder=cloud",
        ge=0,
    )
    code_dim: int = setting(256, help="features of what is seen", ge=1, search=Search(choices=(128, 256, 512)))
    encoder_hidden: int = setting(512, help="width of the network that sees points", needs="encoder=cloud", ge=1)
    encoder_blocks: int = setting(
        5, help="residual blocks of the network that sees points", needs="encoder=cloud", ge=1
    )
    image_size: int = setting(224, help="pixels a side of the picture", needs="encoder=image", ge=32, le=1024)
    image_width: int = setting(
        64, help="channels of ResNet18's first stage; twice as many in each further one", needs="encoder=image", ge=4
    )

    @property
    def picture(self) -> int:
        """Pixels a side of the picture that is seen; 0 where a cloud is."""
        return self.image_size if self.encoder == "image" else 0

    def encoder_network(self) -> GlobalPointNet | ResNet18:
        """Fresh weights of what reads a code (B, code_dim) off what is seen."""
        if self.encoder == "cloud":
            return GlobalPointNet(self.code_dim, self.encoder_hidden, self.encoder_blocks)
        width = self.image_width
        return ResNet18(self.code_dim, (width, 2 * width, 4 * width, 8 * width))
