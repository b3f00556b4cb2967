"""The option by which a verb changes a run's inference settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from shapesys.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def inference_option(example: str) -> Callable[[F], F]:
    """``--inference NAME=VALUE``, any number of times."""
    return click.option(
        "--inference",
        multiple=True,
        metavar="NAME=VALUE",
        help=f"A change to the run's inference settings, such as {example}; may be given again.",
    )


def inference_changes(given: Sequence[str], example: str) -> dict[str, Any]:
    """What was typed, by name; values are JSON where they can be, else text.

    Raises:
        UsageError: something without a value.
    """
    changes: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--inference '{text}' has no value; write NAME=VALUE, e.g. {example}")
        try:
            changes[name.strip().replace("-", "_")] = json.loads(value)
        except ValueError:
            changes[name.strip().replace("-", "_")] = value
    return changes
