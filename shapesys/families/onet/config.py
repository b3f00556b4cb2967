"""Settings of Occupancy Networks: how large code and networks are, and what is seen of a shape."""

from __future__ import annotations

from shapesys.config.base import Config, Search, setting
from shapesys.families.fields.occupancy_config import LEVEL, EncoderConfig
from shapesys.nets.conditional_decoder import ConditionalDecoder


class ONetConfig(EncoderConfig):
    """Encoder and decoder; published sizes, of clouds, are the defaults."""

    code_dim: int = setting(512, help="channels of a shape's code", ge=1, search=Search(choices=(128, 256, 512)))
    hidden: int = setting(256, help="width of the decoder", ge=1, search=Search(choices=(64, 128, 256)))
    blocks: int = setting(5, help="residual blocks of the decoder", ge=1)

    def decoder(self) -> ConditionalDecoder:
        """Fresh weights."""
        return ConditionalDecoder(self.code_dim, self.hidden, self.blocks)


class ONetInference(Config):
    """What the network sees of an unseen cloud, and where its surface is taken."""

    points: int = setting(300, help="points of the cloud that the network sees, or all of fewer", ge=1)
    level: float = setting(
        LEVEL,
        help="probability of being inside at which the surface is",
        gt=0,
        lt=1,
        search=Search(0.1, 0.6),
    )
