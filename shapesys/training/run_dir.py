"""The run directory: the one place that knows where a run keeps what.

runs/<name>/
  config.json                the resolved configuration, with its schema number
  provenance.json            commit, uncommitted patch, package versions, data digest, command line
  status.json                state (running, finished, failed, interrupted), seconds by stage, first error
  history.jsonl              one line per logged step: step, epoch, loss terms, statistics, throughput
  tracking.json              ids of the tracked run, so that evaluate attaches to the training run
  checkpoints/step_00000200/ model.safetensors, codes.safetensors, codes.json, config.json, state.pt
  evaluation/<split>/        shapes.parquet (one row per shape), summary.json, and what pictures
                             are drawn of: meshes/ and truth/ or scans/, or clouds/, or pictures/; curves/ where
                             shapes were optimised at test time
  interpolation/<a>--<b>/    surfaces between two shapes: a picture, meshes, interpolation.json
  page.html                  the offline page

runs/<sweep>/trials/<trial>/ holds a run of a sweep, runs/<set>/<category>/ one of a set of networks, with the same
layout.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, UsageError, unknown_name

TRIALS = "trials"
"""The folder of a sweep that holds its runs."""

SET = "set.json"
"""The file that makes a folder a set of networks."""

_KINDS = {"config.json": "a run", "sweep.json": "a sweep", SET: "a set of networks"}

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class EvaluationDirectory:
    """Results of one split of one run."""

    path: Path

    @property
    def rows(self) -> Path:
        return self.path / "shapes.parquet"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def settings(self) -> Path:
        """What the numbers depend on: checkpoint step, digest of the store, settings."""
        return self.path / "settings.json"

    def prediction_mesh(self, shape_id: str) -> Path:
        return self.path / "meshes" / f"{file_name(shape_id)}.glb"

    def truth_mesh(self, shape_id: str) -> Path:
        return self.path / "truth" / f"{file_name(shape_id)}.glb"

    def scan(self, shape_id: str) -> Path:
        """The points that a reconstruction was measured against, where nobody knows the true surface."""
        return self.path / "scans" / f"{file_name(shape_id)}.ply"

    def cloud(self, shape_id: str) -> Path:
        """Observed points with their predicted and their true part, where a run predicts labels."""
        return self.path / "clouds" / f"{file_name(shape_id)}.ply"

    def picture(self, shape_id: str, what: str) -> Path:
        """An image with outlines: of the superpixels at the count `what`, or of the ``truth``."""
        return self.path / "pictures" / f"{file_name(shape_id)}.{what}.png"

    def curves(self, shape_id: str) -> Path:
        """How numbers went while the shape was optimised at test time."""
        return self.path / "curves" / f"{file_name(shape_id)}.npz"

    def kept_curves(self) -> list[Path]:
        """The curves of all shapes that have any, sorted by name."""
        return sorted((self.path / "curves").glob("[!.]*.npz"))


@dataclass(frozen=True)
class RunDirectory:
    """Paths and small JSON files of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def sweep(self) -> RunDirectory | None:
        """The sweep that this run belongs to, or None; a folder of runs may be called 'trials' too."""
        above = RunDirectory(self.path.parents[1])
        return above if self.path.parent.name == TRIALS and above.definition.is_file() else None

    @property
    def definition(self) -> Path:
        """Of a sweep: its settings. A run has none."""
        return self.path / "sweep.json"

    @property
    def network_set(self) -> RunDirectory | None:
        """The set of networks, one per category, that this run belongs to, or None."""
        above = RunDirectory(self.path.parent)
        return above if above.set_file.is_file() else None

    @property
    def parent(self) -> RunDirectory | None:
        """The sweep or the set that this run belongs to, or None."""
        return self.sweep or self.network_set

    @property
    def children(self) -> list[RunDirectory]:
        """The trials of a sweep or the networks of a set, as far as they began; none of a run."""
        folder = self.path if self.set_file.is_file() else self.path / TRIALS
        runs = (RunDirectory(found) for found in sorted(folder.glob("*/")))
        return [run for run in runs if run.config.is_file() or run.tracking.is_file()]

    @property
    def set_file(self) -> Path:
        """Of a set of networks: the settings that all of them share. A run has none."""
        return self.path / SET

    @property
    def root(self) -> Path:
        """The folder of all runs: what lies in it, such as the default tracking database, trials share with runs."""
        return (self.parent or self).path.parent

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def tracking(self) -> Path:
        return self.path / "tracking.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def network(self, shape_id: str, samples: str) -> Path:
        """Weights of the network that is this shape, where a run fits one to each; by the digest of its samples."""
        return self.path / "networks" / f"{file_name(shape_id)}.{samples[:12]}.safetensors"

    @property
    def half_done(self) -> Path:
        """The state of networks that are being fitted."""
        return self.path / "half_done"

    def interpolation(self, first: str, second: str) -> Path:
        """Surfaces between two shapes, by their ids or the names of their files."""
        return self.path / "interpolation" / f"{file_name(first)}--{file_name(second)}"

    @property
    def page(self) -> Path:
        return self.path / "page.html"

    def evaluation(self, split: str) -> EvaluationDirectory:
        return EvaluationDirectory(self.path / "evaluation" / split)

    def evaluations(self) -> list[str]:
        """Names of the splits that have a summary."""
        return sorted(found.parent.name for found in self.path.glob("evaluation/*/summary.json"))

    def update_status(self, **changes: Any) -> dict[str, Any]:
        """Merge `changes` into status.json and return the whole."""
        status = (read_json(self.status) if self.status.exists() else {}) | changes
        write_json(self.status, status)
        return status


def create(root: str | os.PathLike[str], name: str) -> RunDirectory:
    """The directory of run `name` below `root`, made if missing.

    Raises:
        UsageError: the name holds anything but letters, digits, dot, dash and underscore.
        ShapesysError: the directory cannot be made.
    """
    check_name(name)
    run = RunDirectory(Path(root).resolve() / name)
    make_folder(run.path, "--runs-root or --run")
    return run


def make_folder(path: Path, flags: str) -> None:
    """Make a folder where it is missing.

    Args:
        flags: by which the user says where it lies.

    Raises:
        ShapesysError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ShapesysError(f"cannot make {path}: {error.strerror or error}; choose another {flags}") from error


def check_kind(directory: RunDirectory, own: str) -> None:
    """Refuse a folder of another kind: what is written there would take the place of what it tells of itself.

    Args:
        own: the file that makes a folder what this one is to be.

    Raises:
        UsageError: it holds a run, a sweep or a set of networks, and is to hold another of them.
    """
    for marker, kind in _KINDS.items():
        if marker != own and (directory.path / marker).is_file():
            raise UsageError(f"{directory.path} is {kind}; choose another --run")


def check_name(name: str) -> None:
    """Refuse a name that cannot be a folder everywhere.

    Raises:
        UsageError: it holds anything but letters, digits, dot, dash and underscore.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise UsageError(f"run name '{name}' is not usable as a folder; use letters, digits, '.', '-' and '_'")


def find(name_or_path: str, root: str | os.PathLike[str] = "runs") -> RunDirectory:
    """An existing run, by its path or by its name below `root`; a trial also as ``sweep/trial``.

    Raises:
        UsageError: no such run; names the nearest ones, or one of a sweep or of a set.
    """
    sweep, _, trial = name_or_path.rpartition("/")
    for path in (Path(name_or_path), Path(root) / name_or_path, Path(root) / sweep / TRIALS / trial):
        if (path / "config.json").is_file():
            return RunDirectory(path.resolve())
        if trials := sorted(path.glob(f"{TRIALS}/*/config.json")):
            first = trials[0].parent
            raise UsageError(f"'{name_or_path}' is a sweep of {len(trials)} trials; name one of them, such as {first}")
        if (path / SET).is_file():
            raise _is_a_set(name_or_path, RunDirectory(path))
    raise unknown_name("run", name_or_path, (found.parent.name for found in Path(root).glob("*/config.json")))


def _is_a_set(name: str, directory: RunDirectory) -> UsageError:
    """What to say of a set where a run is to be named."""
    networks = directory.children
    if not networks:
        way_out = "train them by the command in its provenance.json"
        return UsageError(f"'{name}' is a set whose networks have not begun; {way_out}")
    return UsageError(f"'{name}' is a set of {len(networks)} networks; name one of them, such as {networks[0].path}")


def file_name(shape_id: str) -> str:
    """A shape id as a file name: 'chair/0001' -> 'chair__0001'."""
    return shape_id.replace("/", "__")


def read_json(path: Path) -> Any:
    """Parse a JSON file; a broken one is named.

    Raises:
        ShapesysError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ShapesysError(f"{path} is missing") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ShapesysError(f"{path} is not valid JSON ({error}); delete it and run the command again") from None


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(data, indent=2, sort_keys=True, allow_nan=True) + "\n", encoding="utf-8")
    part.replace(path)
