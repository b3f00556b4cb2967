"""The run's history: one JSON line per logged step, written by rank 0 and followed by whoever shows progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class History:
    """Appends records; starts again from a step when a run resumes from an earlier checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rewind(self, step: int) -> None:
        """Drop records after `step`: they will be written again."""
        kept = [record for record in read(self._path) if record["step"] <= step]
        part = self._path.with_suffix(".part")
        part.write_text("".join(_line(record) for record in kept), encoding="utf-8")
        part.replace(self._path)

    def append(self, record: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(record))


class Follower:
    """Reads the records that appeared since the last look, across rewinds; half-written lines wait."""

    def __init__(self, path: Path, after_step: int = 0) -> None:
        self._path = path
        self._step = after_step

    def fresh(self) -> list[Record]:
        """Records with steps not yet seen, in order."""
        found = [record for record in read(self._path) if record["step"] > self._step]
        if found:
            self._step = found[-1]["step"]
        return found


def read(path: Path) -> list[Record]:
    """All complete records of a history file; empty where there is none."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True) + "\n"
