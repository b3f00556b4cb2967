"""One piece of a recipe's work, which runs in one process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from shapesys.reproduction.finding import Finding


@dataclass(frozen=True)
class Experiment(ABC):
    """Trains, computes or measures. Picklable, and done again it does only what is missing.

    Attributes:
        name: different from all others of the recipe.
    """

    name: str

    @abstractmethod
    def describe(self) -> Mapping[str, str]:
        """What it is, as title of a column -> text, for the list of a dry run."""

    @abstractmethod
    def perform(self) -> list[Finding]:
        """Do what is missing, in this process; return what it found, which for a means to an end is nothing.

        Raises:
            ShapesysError: it failed, or what it needs of an earlier phase is not there; says why.
        """
