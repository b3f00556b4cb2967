"""The sweep directory: a run directory whose trials are run directories of their own.

runs/<name>/
  sweep.json         the resolved sweep: space, base job, search and evaluation settings
  trials.jsonl       the ledger: one line per trial begun, rung measured and trial ended
  trials.parquet     the trials as a table, written when a call ends
  status.json, provenance.json, tracking.json, page.html     as those of a run
  trials/<id>/       the run directory of one trial: point number and seed, e.g. 003-s1; besides the files of a run:
    rungs.json         what it reported, rung by rung
    tracked_step.json  the step up to which its curves were passed on to the tracker
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from shapesys.errors import unknown_name
from shapesys.training import run_dir
from shapesys.training.run_dir import RunDirectory


@dataclass(frozen=True)
class SweepDirectory(RunDirectory):
    """Paths of one sweep."""

    @property
    def ledger(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    def trial(self, trial_id: str) -> RunDirectory:
        return RunDirectory(self.trials / trial_id)


def create_sweep(root: str | os.PathLike[str], name: str) -> SweepDirectory:
    """The directory of sweep `name` below `root`, made if missing.

    Raises:
        ShapesysError: the name is not usable as a folder.
    """
    return SweepDirectory(run_dir.create(root, name).path)


def is_sweep(path: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (path / "sweep.json").is_file()


def find_sweep(name_or_path: str, root: str | os.PathLike[str] = "runs") -> SweepDirectory:
    """An existing sweep, by its path or by its name below `root`.

    Raises:
        UsageError: no such sweep; names the nearest ones.
    """
    for path in (Path(name_or_path), Path(root) / name_or_path):
        if is_sweep(path):
            return SweepDirectory(path.resolve())
    raise unknown_name("sweep", name_or_path, (found.parent.name for found in Path(root).glob("*/sweep.json")))
