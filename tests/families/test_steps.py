"""Steps of an inference reach whoever waits for them, and nobody else."""

from __future__ import annotations

from shapesys.families.steps import heard_by, tell


def test_steps_are_heard_while_somebody_listens() -> None:
    heard: list[tuple[int, int]] = []
    inner: list[tuple[int, int]] = []
    tell(0, 3)
    with heard_by(lambda done, total: heard.append((done, total))):
        tell(1, 3)
        with heard_by(lambda done, total: inner.append((done, total))):
            tell(2, 3)
        with heard_by(None):
            tell(9, 9)
        tell(3, 3)
    tell(4, 3)
    assert heard == [(1, 3), (3, 3)]
    assert inner == [(2, 3)]
