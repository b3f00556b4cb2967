"""One piece of a recipe's work, which runs in one process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from shapesys.errors import in_words
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

    def was_done(self) -> bool:
        """Whether an earlier command did what takes long of it; told from the files alone, and nothing is written."""
        return False

    @abstractmethod
    def perform(self) -> list[Finding]:
        """Do what is missing, in this process; return what it found, which for a means to an end is nothing.

        Raises:
            ShapesysError: it failed, or what it needs of an earlier phase is not there; says why.
        """


Heard = Callable[[Experiment, list[Finding], str], None]
"""Called with an experiment that ended, its findings, and why it failed (empty where it did not)."""


E = TypeVar("E", bound=Experiment)


def done_before(items: Iterable[E], was_done: Callable[[E], bool]) -> set[str]:
    """Names of the experiments that an earlier command did. One whose files cannot be read is none of them: when its
    turn comes it fails with a reason, and no other with it."""
    return {item.name for item in items if _holds(item, was_done)}


def _holds(item: E, was_done: Callable[[E], bool]) -> bool:
    try:
        return was_done(item)
    except Exception:
        return False


def perform_here(experiments: Iterable[Experiment], heard: Heard) -> None:
    """Perform one after the other in this process; what fails is told, and the others go on, as on Ray."""
    for item in experiments:
        try:
            findings, why = item.perform(), ""
        except Exception as error:
            findings, why = [], in_words(error)
        heard(item, findings, why)
