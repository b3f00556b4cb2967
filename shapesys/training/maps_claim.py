"""Which saliency maps a run is trained by: settings name their file, whose content may change between two commands."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shapesys.errors import ShapesysError
from shapesys.training.run_dir import RunDirectory, read_json, write_json

_CLAIMED = "maps.json"


def digest_of(path: str) -> str:
    """SHA-256 of a file of maps."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def claim_maps(run: RunDirectory, maps: str) -> None:
    """Note the content of the maps that a run is about to be trained by, or see that it is what it was.

    Maps may change until the first checkpoint, as settings may.

    Raises:
        ShapesysError: the run was trained by other maps.
    """
    if any(run.checkpoints.glob("step_*")):
        check_claimed(run, maps)
    elif _is_there(maps):
        write_json(run.path / _CLAIMED, {"digest": digest_of(maps)})


def check_claimed(run: RunDirectory, maps: str) -> None:
    """Refuse to go on by other maps than those that were claimed.

    Raises:
        ShapesysError: the file has changed.
    """
    claimed = run.path / _CLAIMED
    if _is_there(maps) and claimed.is_file() and read_json(claimed)["digest"] != digest_of(maps):
        raise ShapesysError(
            f"{maps} has changed since run '{run.name}' was trained by it; choose another --run, or --folder of "
            f"a reproduction, or remove {run.path} to do it anew"
        )


def _is_there(maps: str) -> bool:
    """A file that is missing is refused with the data."""
    return bool(maps) and Path(maps).is_file()
