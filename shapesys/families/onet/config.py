"""Settings of Occupancy Networks: how large code and networks are, and what is seen of a shape."""

from __future__ import annotations

from shapesys.config.base import Search, setting
from shapesys.families.fields.occupancy_config import EncodedInference, EncoderConfig
from shapesys.nets.conditional_decoder import ConditionalDecoder


class ONetConfig(EncoderConfig):
    """Encoder and decoder; published sizes, of clouds, are the defaults."""

    code_dim: int = setting(512, help="channels of a shape's code", ge=1, search=Search(choices=(128, 256, 512)))
    hidden: int = setting(256, help="width of the decoder", ge=1, search=Search(choices=(64, 128, 256)))
    blocks: int = setting(5, help="residual blocks of the decoder", ge=1)

    def decoder(self) -> ConditionalDecoder:
        """Fresh weights."""
        return ConditionalDecoder(self.code_dim, self.hidden, self.blocks)


class ONetInference(EncodedInference):
    """What the network sees of an unseen cloud, and where its surface is taken."""
