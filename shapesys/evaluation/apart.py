"""Batches in which one shape must not take the others with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from shapesys.errors import ShapesysError, in_words

Found = TypeVar("Found")

SHAPE_FAILURES = (ShapesysError, ValueError, ArithmeticError, MemoryError, RuntimeError)
"""What one shape's data can cause, memory of the device included; a full disk, say, is everybody's problem."""
DEVICE_BROKEN = torch.AcceleratorError
"""A fault that the device then answers to every shape of the process, whichever was to blame for it."""


def together_or_apart(
    shape_ids: Sequence[str], make: Callable[[Sequence[str]], Sequence[Found]]
) -> tuple[list[Found], dict[str, str]]:
    """What `make` finds of a batch, or of each shape by itself where the batch fails: only the shape to blame is lost.

    Returns:
        What was found, and shape id -> why for the shapes that failed.

    Raises:
        torch.AcceleratorError: the device broke; this process can do nothing any more.
    """
    try:
        return list(make(shape_ids)), {}
    except DEVICE_BROKEN:
        raise
    except SHAPE_FAILURES as error:
        if len(shape_ids) == 1:
            return [], {shape_ids[0]: in_words(error)}
    found: list[Found] = []
    failed: dict[str, str] = {}
    for shape_id in shape_ids:
        own, why = together_or_apart([shape_id], make)
        found += own
        failed |= why
    return found, failed
