"""The epochs at which trials are measured and may end early."""

from __future__ import annotations


def rung_epochs(epochs: int, rungs: int, reduction: int) -> tuple[int, ...]:
    """Epochs of the rungs, ascending: each `reduction` times the one before, the last at the end of training.

    Rungs at the same epoch become one, so that there may be fewer than asked for.

    Args:
        epochs: those of a whole trial.
        rungs: how many are wanted, the last included.
        reduction: the factor between rungs.
    """
    first = first_rung(epochs, rungs, reduction)
    below = [first * reduction**step for step in range(rungs - 1)]
    return (*(epoch for epoch in below if epoch < epochs), epochs)


def first_rung(epochs: int, rungs: int, reduction: int) -> int:
    """The epoch of the first rung: the grace period of successive halving."""
    return max(1, -(-epochs // reduction ** (rungs - 1)))
