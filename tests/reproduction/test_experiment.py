"""Experiments one after the other in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shapesys.errors import ShapesysError
from shapesys.reproduction.experiment import Experiment, done_before, perform_here
from shapesys.reproduction.finding import Finding


@dataclass(frozen=True)
class Fails(Experiment):
    """Raises, where there is anything to raise."""

    error: BaseException | None = None

    def describe(self) -> dict[str, str]:
        return {}

    def perform(self) -> list[Finding]:
        if self.error:
            raise self.error
        return [Finding("method", 0, self.name, {})]


def told(*items: Experiment) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    perform_here(items, lambda item, findings, why: found.append((item.name, len(findings), why)))
    return found


def test_whatever_fails_is_told_and_the_others_go_on() -> None:
    items = Fails("a", ShapesysError("the disk is full")), Fails("b", ValueError("k is 20")), Fails("c")
    assert told(*items) == [("a", 0, "the disk is full"), ("b", 0, "ValueError: k is 20"), ("c", 1, "")]


def test_who_interrupts_means_all_of_them() -> None:
    with pytest.raises(KeyboardInterrupt):
        told(Fails("a", KeyboardInterrupt()), Fails("b"))


def test_what_cannot_be_looked_at_was_not_done() -> None:
    items = [Fails("a"), Fails("b"), Fails("c")]

    def was_done(item: Fails) -> bool:
        if item.name == "b":
            raise PermissionError(13, "Permission denied")
        return item.name == "c"

    assert done_before(items, was_done) == {"c"}
    assert not Fails("a").was_done()
