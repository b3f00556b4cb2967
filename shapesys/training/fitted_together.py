"""Networks of one shape each that take their steps together: one as it is, or many as one with an axis more.

Legend: S networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from shapesys.families.base import Batch, Objective


def networks_of(objectives: Sequence[Objective], device: torch.device) -> Networks:
    """These objectives on a device, in training mode."""
    return _Alone(objectives[0], device) if len(objectives) == 1 else _Together(objectives, device)


class Networks(ABC):
    """Networks of S shapes that take the same step.

    Attributes:
        template: an objective of their kind.
    """

    template: Objective

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """What is optimised."""

    @abstractmethod
    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Totals (S,) with gradients, and every scalar (S,)."""

    @abstractmethod
    def norms(self) -> Tensor:
        """(S,) of each network's gradient."""

    @abstractmethod
    def scale_gradients(self, factors: Tensor) -> None:
        """Each network's gradient times its factor (S,)."""

    @abstractmethod
    def unstacked(self) -> list[Objective]:
        """The networks one by one."""


class _Alone(Networks):
    """One network, as training has it."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        self.template = objective.to(device).train()

    def parameters(self) -> list[Tensor]:
        return list(self.template.parameters())

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.template(batch)
        scalars = {name: value.unsqueeze(0) for name, value in terms.scalars().items()}
        return terms.total().unsqueeze(0), scalars

    def norms(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.template.parameters() if parameter.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).unsqueeze(0)

    def scale_gradients(self, factors: Tensor) -> None:
        for parameter in self.template.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factors[0])

    def unstacked(self) -> list[Objective]:
        return [self.template]


class _Together(Networks):
    """Many networks as one whose parameters have an axis more."""

    def __init__(self, objectives: Sequence[Objective], device: torch.device) -> None:
        self._all = [objective.to(device).train() for objective in objectives]
        self.template = self._all[0]
        parameters, self._buffers = stack_module_state(list(self._all))
        self._parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}

    def parameters(self) -> list[Tensor]:
        return list(self._parameters.values())

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        def of_one(parameters: Batch, buffers: Batch, row: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            one = {name: value.unsqueeze(0) for name, value in row.items()}
            terms = functional_call(self.template, (dict(parameters), dict(buffers)), (one,))
            return terms.total(), terms.scalars()

        total, scalars = vmap(of_one)(self._parameters, self._buffers, batch)
        return total, scalars

    def norms(self) -> Tensor:
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in self._gradients()]
        return torch.stack(squares).sum(dim=0).sqrt()

    def scale_gradients(self, factors: Tensor) -> None:
        for gradient in self._gradients():
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]

    def unstacked(self) -> list[Objective]:
        for row, objective in enumerate(self._all):
            nn.Module.load_state_dict(
                objective, {name: value[row].detach() for name, value in (self._parameters | self._buffers).items()}
            )
        return self._all
