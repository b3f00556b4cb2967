"""What can be fitted: several functions at once, with their spatial gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Functions(nn.Module, ABC):
    """S functions R^d -> R, each with parameters of its own, which stand at its place along their first axis."""

    @abstractmethod
    def forward(self, points: Tensor) -> Tensor:
        """(S, N, d) points, or (N, d) that are the same for all -> (S, N) values."""

    @abstractmethod
    def with_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points as above -> (S, N) values and (S, N, d) spatial gradients; both can be differentiated once more."""
