"""Saliency maps of the shapes that a run trains on or evaluates: which file, whether it fits, and its maps.

Whoever needs maps carries the path alone, which is cheap to send to workers; each process reads the file once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Family, SaliencyUse
from shapesys.samples.saliency_maps import SaliencyMaps, read_saliency_maps
from shapesys.samples.store import Store
from shapesys.training.config import TrainJob


def use_of(job: TrainJob, family: Family) -> SaliencyUse:
    """What a job's model does with saliency maps."""
    return SaliencyUse() if family.saliency_use is None else family.saliency_use(job.model)


def maps_to_train_on(job: TrainJob, family: Family) -> str:
    """The job's file of maps; empty where its model uses none.

    Raises:
        UsageError: a file that nothing uses, or none where the model uses maps.
    """
    path, used = job.data.saliency, use_of(job, family).training
    if path and family.saliency_use is None:
        raise UsageError(f"--saliency {path} changes nothing: family '{family.name}' takes no maps; leave it out")
    if path and not used:
        raise UsageError(
            f"--saliency {path} changes nothing: no setting of the model uses maps; leave it out, or set one that does "
            f"(shapesys train {family.name} --help)"
        )
    if used and not path:
        raise UsageError("the model's settings use a saliency map of every shape; name their file with --saliency FILE")
    return path


def open_maps(path: str) -> SaliencyMaps:
    """The maps in a file, which this process reads once, and again when the file has changed.

    Raises:
        ShapesysError: missing, damaged, or not a file of saliency maps.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return read_saliency_maps(path)
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2)
def _read(path: str, modified: int, size: int) -> SaliencyMaps:
    return read_saliency_maps(path)


def check_maps(path: str, store: Store, shape_ids: Sequence[str]) -> None:
    """Refuse a file that has not a map of every shape.

    Raises:
        ShapesysError: it was made for other clouds, or lacks shapes; says how many.
    """
    maps = open_maps(path)
    maps.check_store(store.digest())
    missing = [shape_id for shape_id in shape_ids if shape_id not in maps.values]
    if missing:
        raise ShapesysError(
            f"{path} holds no saliency map of {len(missing)} of {len(shape_ids)} shapes, such as '{missing[0]}'; make "
            "maps of every split and category that is used, or use fewer"
        )
