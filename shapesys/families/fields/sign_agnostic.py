"""What families that start as a sphere share: the decoder, and where the codes of SAL and SALD come from.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import model_validator
from torch import Tensor

from shapesys.config.base import Config, Search, setting
from shapesys.families.base import Batch, Observation, Term
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.fields.field import FieldTraits
from shapesys.nets.activations import Activation
from shapesys.nets.dropout import shape_noise
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder, check_shape
from shapesys.nets.point_encoder import PointEncoder
from shapesys.nets.read_out import ReadOut


class SphereConfig(Config):
    """The network, where it starts, and the prior of its codes."""

    latent_dim: int = setting(
        256,
        help="dimensions of a latent code; 0 for networks that are one shape each",
        ge=0,
        search=Search(16, 64, log=True),
    )
    hidden: int = setting(512, help="width of the trunk", ge=8, search=Search(choices=(128, 256, 512)))
    layers: int = setting(8, help="hidden layers", ge=2, le=32)
    skip_at: int | None = setting(4, help="layer that sees code and point again; none for no such layer", ge=1)
    weight_norm: bool = setting(True, help="weight norm on hidden layers")
    weight_norm_head: bool = setting(False, help="weight norm on the last layer too, as SALD's released code has it")
    activation: Activation = setting("relu", help="of hidden layers: relu, or softplus100, softplus with beta 100")
    radius: float = setting(
        1.0,
        help="the field starts as a sphere of this radius, negative inside",
        gt=0,
        le=2,
        search=Search(0.25, 1.0),
    )
    rescaled_start: bool = setting(
        True,
        help="start as the distance to that sphere, however narrow the network; no: as released, |x| / radius - 1 for "
        "infinitely wide ones",
    )
    code_std: float = setting(
        0.0,
        help="standard deviation of initial codes; large ones deform the first sphere",
        needs="latent_dim",
        ge=0,
    )
    code_weight: float = setting(
        4e-6, help="of the prior |z|^2", needs="latent_dim", ge=0, search=Search(1e-6, 1e-2, log=True)
    )

    @property
    def outputs(self) -> int:
        """Heads of the decoder."""
        return 1

    @property
    def read_out(self) -> ReadOut:
        """What becomes of the first head."""
        return "plain"

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> SphereConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, self.outputs, 0.0, self.activation)
        if self.activation == "sine30":
            raise ValueError("activation sine30 has no start that is a sphere; choose softplus100 or relu")
        return self

    def decoder(self) -> ImplicitDecoder:
        """Fresh weights, for which the first output is about |x| - radius."""
        decoder = ImplicitDecoder(
            self.latent_dim,
            hidden=self.hidden,
            layers=self.layers,
            skip_at=self.skip_at,
            outputs=self.outputs,
            dropout=0.0,
            weight_norm=self.weight_norm,
            weight_norm_head=self.weight_norm_head,
            read_out=self.read_out,
            activation=self.activation,
            skip_scale=SKIP_SCALE,
        )
        start_as_sphere(decoder, self.radius, self.rescaled_start)
        return decoder


class EncoderConfig(SphereConfig):
    """The same, with codes that are trained one by one or read off surface points."""

    encoder: bool = setting(
        False, help="read codes off surface points (a variational autoencoder) instead of training one per shape"
    )
    encoder_width: int = setting(512, help="width of the encoder; twice the code as released", needs="encoder", ge=8)
    encoder_points: int = setting(
        16_384,
        help="surface points that the encoder sees, or all of a step's where they are fewer",
        needs="encoder",
        ge=1,
    )
    posterior_weight: float = setting(
        1e-3,
        help="of the encoder's mean |mu| + mean |log sigma + 1|, which stands for the code's prior",
        needs="encoder",
        ge=0,
    )

    @model_validator(mode="after")
    def _encodes_something(self) -> EncoderConfig:
        if self.encoder and not self.latent_dim:
            raise ValueError("an encoder gives codes, and latent_dim = 0 leaves none; choose one of the two")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the view ``udf`` beside those that every configuration needs."""
        return ("surface",) if self.encoder else ()


class SignAgnostic(Autodecoder):
    """A decoder that starts as a sphere, with codes trained or encoded, for errors that cannot tell f from -f."""

    encoder: PointEncoder

    def __init__(self, config: EncoderConfig, shapes: int) -> None:
        decoder = config.decoder()
        shapes = 0 if config.encoder else shapes
        super().__init__(decoder, shapes, config.code_std, config.code_weight, FieldTraits())
        self.sphere = config
        if config.encoder:
            self.encoder = PointEncoder(config.latent_dim, config.encoder_width)

    def codes_of(self, batch: Batch) -> tuple[Tensor, dict[str, Term]]:
        """The shapes' codes (B, D), and the losses that keep them small.

        Args:
            batch: shape_index (B,); with an encoder surface (B, N, 3) and, while training, noise_seed (B,).
        """
        if not self.sphere.encoder:
            return super().codes_of(batch)
        posterior = self.encoder(batch["surface"][:, : self.sphere.encoder_points])
        losses = {"posterior": Term(posterior.size(), self.sphere.posterior_weight)}
        if not self.training:
            return posterior.mean, losses
        return posterior.draw(_standard_normal(posterior.mean, batch["noise_seed"])), losses

    def encoded(self, observations: Sequence[Observation]) -> Tensor | None:
        """(S, D) the posteriors' means; None without an encoder."""
        if not self.sphere.encoder:
            return None
        device = self.decoder.head.weight.device
        clouds = [torch.as_tensor(item.columns["surface"][: self.sphere.encoder_points]) for item in observations]
        with torch.no_grad():
            return torch.cat([self.encoder(cloud.to(device).unsqueeze(0)).mean for cloud in clouds])


def _standard_normal(like: Tensor, seeds: Tensor) -> Tensor:
    """(B, D): every shape's by its own seed, whatever shapes are beside it."""
    noise = shape_noise(seeds, like.device)
    drawn = [torch.randn(like.shape[1], device=like.device, dtype=like.dtype, generator=one) for one in noise]
    return torch.stack(drawn)


def share_inside(field: Tensor) -> Tensor:
    """The statistic `inside`: share of queries with a negative value (B, N), 0 for a field that became unsigned."""
    return (field.detach() < 0).float().mean()
