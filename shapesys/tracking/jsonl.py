"""A tracker without a server: every event of the run becomes one line of ``tracking.jsonl``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shapesys.tracking.tracker import RunDescription, require_outcome
from shapesys.training.run_dir import RunDirectory


class JsonLinesTracker:
    """Appends events to ``<run>/tracking.jsonl``; artifacts are named, not copied, since they lie beside it."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self.path = run.path / "tracking.jsonl"

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        run_id = resume or self._run.name
        facts = {"name": description.name, "experiment": description.experiment, "parent": description.parent}
        about = {"note": description.note, "data": asdict(description.data) if description.data else None}
        said = {"params": dict(description.params), "tags": dict(description.tags)}
        self._append("start", run_id=run_id, **said, **facts, **about)
        return run_id

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._append("metrics", step=step, values={name: float(value) for name, value in values.items()})

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None:
        self._append("artifacts", paths=[self._relative(path) for path in paths], folder=folder)

    def table(self, rows: Path, name: str) -> None:
        self._append("table", path=self._relative(rows), name=name)

    def tags(self, values: Mapping[str, str]) -> None:
        self._append("tags", tags=dict(values))

    def finish(self, status: str) -> None:
        require_outcome(status)
        self._append("finish", status=status)

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self._run.path)

    def _append(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "time": round(time.time(), 3), **facts}, default=str)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
