"""Keep what a tracking server could not take, in order, until it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Operation = dict[str, Any]


class Spool:
    """Operations waiting in a JSON-lines file, oldest first; the file is gone when nothing waits."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return self.path.exists()

    def append(self, operation: Operation) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(operation, default=str) + "\n")

    def replay(self, apply: Callable[[Operation], bool]) -> bool:
        """Hand the waiting operations to `apply` in order until it returns False; True when none is left.

        What was applied leaves the file when the replay ends, so that the next one repeats nothing.
        """
        waiting = self._read()
        taken = 0
        for operation in waiting:
            if not apply(operation):
                break
            taken += 1
        self._keep(waiting[taken:])
        return taken == len(waiting)

    def _read(self) -> list[Operation]:
        if not self.path.exists():
            return []
        return [parsed for line in self.path.read_text(encoding="utf-8").splitlines() if (parsed := _parse(line))]

    def _keep(self, operations: list[Operation]) -> None:
        if not operations:
            self.path.unlink(missing_ok=True)
            return
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text("".join(json.dumps(operation) + "\n" for operation in operations), encoding="utf-8")
        part.replace(self.path)


def _parse(line: str) -> Operation | None:
    """A process killed while writing leaves half a line; it is skipped."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
