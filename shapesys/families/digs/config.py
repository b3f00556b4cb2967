"""Settings of DiGS: the network, how it starts, and the weights of its loss while training goes on."""

from __future__ import annotations

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.nets.implicit_decoder import ImplicitDecoder
from shapesys.nets.sine_start import PERIODS, STARTS, Start, read_out_of, start_sines


class DiGSConfig(Config):
    """The network and its loss."""

    latent_dim: int = setting(
        256,
        help="dimensions of a latent code; 0 for networks that are one shape each",
        ge=0,
        search=Search(16, 64, log=True),
    )
    hidden: int = setting(256, help="width of the trunk", ge=8, search=Search(choices=(128, 256)))
    layers: int = setting(9, help="hidden layers, of sines", ge=3, le=32)
    start: Start = setting(
        "multi_frequency",
        help="first weights: multi_frequency and geometric start as a sphere, negative inside, the former with sines "
        "of many periods for detail; siren starts as no shape",
        search=Search(choices=STARTS),
    )
    periods: float = setting(
        PERIODS,
        help="of the sines that multi_frequency starts with for detail; many of them need many points, or the surface "
        "gets ghosts between these",
        needs="start=multi_frequency",
        gt=0,
        search=Search(4.0, 60.0, log=True),
    )
    code_std: float = setting(
        0.0,
        help="standard deviation of initial codes; large ones deform the first sphere",
        needs="latent_dim",
        ge=0,
    )
    code_weight: float = setting(
        1.0, help="of the prior |z|^2", needs="latent_dim", ge=0, search=Search(1e-2, 1e1, log=True)
    )
    surface_weight: float = setting(3e3, help="of |f| on the surface", gt=0)
    off_surface_weight: float = setting(
        1e2, help="of exp(-100 |f|) off the surface", ge=0, search=Search(1e1, 1e3, log=True)
    )
    normal_weight: float = setting(0.0, help="of the angle between gradients and normals; 0 needs no normals", ge=0)
    oriented_normals: bool = setting(
        False,
        help="normals point outwards, as SIREN takes them; else they are right up to their sign",
        needs="normal_weight",
    )
    eikonal_weight: float = setting(
        5e1, help="of ||grad f| - 1|, on and off the surface", ge=0, search=Search(1e1, 1e2, log=True)
    )
    divergence_weight: float = setting(
        1e2, help="of |div grad f| off the surface, at first", ge=0, search=Search(1e1, 1e3, log=True)
    )
    divergence_until: float = setting(
        0.2,
        help="share of training until which that weight is held",
        needs="divergence_weight",
        ge=0,
        le=1,
        search=Search(0.0, 0.4),
    )
    divergence_gone: float = setting(
        0.4,
        help="share of training from which it is 0; linear in between",
        needs="divergence_weight",
        ge=0,
        le=1,
        search=Search(0.4, 0.8),
    )
    box: float = setting(1.1, help="points off the surface are uniform in [-box, box]^3", gt=0)

    @model_validator(mode="after")
    def _falls_after_it_was_held(self) -> DiGSConfig:
        if self.divergence_gone < self.divergence_until:
            raise ValueError(
                f"divergence_gone ({self.divergence_gone:g}) must not be below divergence_until "
                f"({self.divergence_until:g})"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the view ``udf`` beside surface points."""
        return ("normals",) if self.normal_weight else ()

    def divergence_factor(self, done: float) -> float:
        """What is left of the divergence's weight when a share of training is done, both from 0 to 1."""
        if done < self.divergence_until:
            return 1.0
        if done >= self.divergence_gone:
            return 0.0
        return (self.divergence_gone - done) / (self.divergence_gone - self.divergence_until)

    def decoder(self) -> ImplicitDecoder:
        """Fresh weights."""
        decoder = ImplicitDecoder(
            self.latent_dim,
            hidden=self.hidden,
            layers=self.layers,
            skip_at=None,
            outputs=1,
            dropout=0.0,
            weight_norm=False,
            read_out=read_out_of(self.start),
            activation="sine30",
        )
        start_sines(decoder, self.start, self.periods)
        return decoder


def warnings(config: DiGSConfig) -> list[str]:
    """Settings that leave to chance which side is inside."""
    told = config.normal_weight > 0 and config.oriented_normals
    if config.start != "siren" or told:
        return []
    return [
        "start siren is no sphere, so chance decides on which side of the surface the field is negative, and it may "
        "differ from place to place; choose another start, or oriented normals"
    ]
