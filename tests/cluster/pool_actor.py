"""An actor that misbehaves as its items say; importable by name, so that Ray's workers find it too."""

from __future__ import annotations

import os
import time
from pathlib import Path

from shapesys.errors import ShapesysError


class Trickster:
    """Answers 'double N' and obeys 'crash', 'hang', 'raise', 'sleep S', 'once FILE' (crash) and 'straggle FILE'.

    Commands joined by '+' are obeyed one after the other.
    """

    def ping(self) -> bool:
        return True

    def run(self, item: str) -> int:
        if "+" in item:
            return sum(self.run(command) for command in item.split("+"))
        word, _, rest = item.partition(" ")
        if word == "hang" or (word == "straggle" and not self._again(rest)):
            time.sleep(600)
        if word == "sleep":
            time.sleep(float(rest))
        if word == "raise":
            raise ValueError(f"cannot do {rest}\nand a second line")
        if word == "crash" or (word == "once" and not self._again(rest)):
            os._exit(1)
        return 2 * len(rest)

    @staticmethod
    def _again(mark: str) -> bool:
        """Whether this command was run before."""
        before = Path(mark).exists()
        Path(mark).touch()
        return before


class Stillborn(Trickster):
    """Dies in its first `times` constructions, which it counts by files in a folder."""

    def __init__(self, folder: str, times: int) -> None:
        before = len(list(Path(folder).iterdir()))
        if before < times:
            Path(folder, str(before)).touch()
            os._exit(1)


class Refusing(Trickster):
    """Does not start, and says why."""

    def __init__(self) -> None:
        raise ShapesysError("this node does not see the store")
