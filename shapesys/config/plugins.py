"""Things that users name, and where they live: nothing is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from shapesys.errors import unknown_name


@dataclass(frozen=True)
class Plugins:
    """Names -> ``module:attribute``, our own and those that installed packages announce.

    Attributes:
        kind: what a name stands for, in messages.
        group: entry point group by which other packages add theirs.
        built_in: our own; they win over others of the same name.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """All names, sorted; imports none of what they stand for."""
        return sorted(self._places())

    def load(self, name: str) -> Any:
        """Import what a name stands for.

        Raises:
            UsageError: no such name; the message lists the nearest ones.
        """
        places = self._places()
        if name not in places:
            raise unknown_name(self.kind, name, places)
        module, _, attribute = places[name].partition(":")
        return getattr(import_module(module), attribute)

    def _places(self) -> dict[str, str]:
        announced = {point.name: point.value for point in entry_points(group=self.group)}
        return announced | dict(self.built_in)
