"""Settings of TDGN: what is seen, how many points are written, and what is trained on them."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from shapesys.config.base import Search, setting
from shapesys.families.fields.occupancy_config import EncoderConfig
from shapesys.nets.training_set import PointEmbedding, PointGenerator


class TDGNConfig(EncoderConfig):
    """The published choices are the defaults; widths and depths, which the paper leaves open, are ours."""

    points: int = setting(
        32,
        help="N, training points that are written: an even number, half of them inside",
        ge=2,
        le=1024,
        search=Search(choices=(4, 8, 16, 32, 64)),
    )
    kernel: Literal["anisotropic", "isotropic"] = setting(
        "anisotropic",
        help="Gaussian kernel with a width for each axis, or with one",
        search=Search(choices=("anisotropic", "isotropic")),
    )
    embedding: bool = setting(
        True, help="bend space as the features say before the machine is trained", search=Search(choices=(True, False))
    )
    learner: Literal["svm", "ridge"] = setting(
        "svm", help="what is trained on the points: a support vector machine, or kernel ridge regression in closed form"
    )
    box: float = setting(1.0, help="C of the support vector machine", needs="learner=svm", gt=0)
    ridge: float = setting(1e-2, help="weight of the norm in kernel ridge regression", needs="learner=ridge", gt=0)
    generator_hidden: int = setting(512, help="width of the network that writes points", ge=1)
    generator_blocks: int = setting(2, help="residual blocks of it", ge=0)
    embedding_hidden: int = setting(256, help="width of the network that bends space", needs="embedding", ge=1)
    embedding_blocks: int = setting(3, help="residual blocks of it", needs="embedding", ge=0)

    @model_validator(mode="after")
    def _halves(self) -> TDGNConfig:
        if self.points % 2:
            raise ValueError(
                f"points = {self.points} cannot be half inside and half outside; take {self.points - 1} or "
                f"{self.points + 1}"
            )
        return self

    def generator(self) -> PointGenerator:
        """Fresh weights."""
        axes = 3 if self.kernel == "anisotropic" else 1
        return PointGenerator(self.code_dim, self.points, self.generator_hidden, self.generator_blocks, axes)

    def bend(self) -> PointEmbedding | None:
        """Fresh weights, or nothing where space is not bent."""
        return PointEmbedding(self.code_dim, self.embedding_hidden, self.embedding_blocks) if self.embedding else None
