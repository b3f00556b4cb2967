"""An actor that misbehaves as its items say; importable by name, so that Ray's workers find it too."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Trickster:
    """Answers 'double N' and obeys 'crash', 'hang', 'raise' and 'crash once FILE'."""

    def ping(self) -> bool:
        return True

    def run(self, item: str) -> int:
        word, _, rest = item.partition(" ")
        if word == "hang":
            time.sleep(600)
        if word == "raise":
            raise ValueError(f"cannot do {rest}\nand a second line")
        if word == "crash" or (word == "once" and not Path(rest).exists()):
            if word == "once":
                Path(rest).touch()
            os._exit(1)
        return 2 * len(rest)


class Stillborn(Trickster):
    """Dies in its first `times` constructions, which it counts by files in a folder."""

    def __init__(self, folder: str, times: int) -> None:
        before = len(list(Path(folder).iterdir()))
        if before < times:
            Path(folder, str(before)).touch()
            os._exit(1)
