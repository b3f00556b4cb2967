"""Pictures of ShapeNetCore v1 by Choy et al. (3D-R2N2, ECCV 2016): their own layout, and that of Occupancy Networks.

Theirs: ``<synset>/<model>/rendering/{00..23}.png``, whose order is in ``renderings.txt``, and a line for each in
``rendering_metadata.txt``: azimuth, elevation, rotation in the image plane, distance as a share of 1.75, field of view.
Occupancy Networks': ``<synset>/<model>/img_choy2016/{000..023}.jpg``, and two matrices for each in ``cameras.npz``.

Files are read by their names, never listed, since there are a million of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.npz import read_npz
from shapesys.sources.base import Split
from shapesys.sources.cloud_files import listed, number_table
from shapesys.sources.shape_image import ShapeImage
from shapesys.sources.splits import hash_split

Read = Callable[[str], bytes]
"""Path relative to the root -> bytes; raises `ShapeRejected` where there is no such file."""
Key = tuple[str, str]
"""(synset, model)."""

ORDER, METADATA, CAMERAS = "renderings.txt", "rendering_metadata.txt", "cameras.npz"
TRAIN_SHARE = 0.8
OF_OCCNET = "img_choy2016/"

_FOLDER = re.compile(r"^((?:.*/)?(\d{8})/([^/]+)/rendering/)[^/]*$")
_NAME = re.compile(r"[A-Za-z0-9_-]+\.(png|jpe?g)", re.IGNORECASE)
_LIMITS = Limits(max_bytes=64 << 20)


def rendered_models(paths: Iterable[str]) -> dict[Key, str]:
    """(synset, model) -> the folder of its renderings, of the files below a root."""
    matches = (_FOLDER.match(path) for path in paths)
    return {(match[2], match[3]): match[1] for match in matches if match is not None}


def choy_split(models: Iterable[Key], val_fraction: float = 0.0, seed: int = 0) -> dict[Key, Split]:
    """Of each synset's models, sorted by name, the first 80 % (rounded down) to train on, the rest to test on.

    Args:
        val_fraction: share of those to train on that a hash of the name holds out; the published split has none.
    """
    by_synset: defaultdict[str, list[str]] = defaultdict(list)
    for synset, model in models:
        by_synset[synset].append(model)
    found: dict[Key, Split] = {}
    for synset, names in by_synset.items():
        trained = int(TRAIN_SHARE * len(names))
        for rank, model in enumerate(sorted(names)):
            found[synset, model] = hash_split(model, val_fraction, 0.0, seed) if rank < trained else "test"
    return found


def choy_images(read: Read, folder: str, count: int) -> list[ShapeImage]:
    """The first `count` pictures of a folder ``rendering/`` in its order, with their five numbers.

    Raises:
        ShapeRejected: stage "read": a file is missing, there are fewer pictures, or not a line of numbers for each.
    """
    names = listed(read(folder + ORDER))
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise ShapeRejected("read", f"'{folder}{ORDER}' lists {odd[0]!r}, which is no name of a picture beside it")
    if len(names) < count:
        raise ShapeRejected("read", f"'{folder}{ORDER}' lists {len(names)} pictures; images.views asks for {count}")
    cameras = _metadata(read, folder + METADATA, len(names))
    return [
        ShapeImage(name, _picture(read, folder + name, count), cameras[row]) for row, name in enumerate(names[:count])
    ]


def occnet_images(read: Read, folder: str, count: int) -> list[ShapeImage]:
    """The first `count` pictures of a folder ``img_choy2016/``, with their two matrices as they are.

    Raises:
        ShapeRejected: stage "read": a file is missing, or a matrix is missing or malformed.
    """
    matrices = _matrices(read, folder + CAMERAS, count)
    return [
        ShapeImage(
            name := f"{number:03d}.jpg",
            _picture(read, folder + name, count),
            world=matrices[f"world_mat_{number}"],
            intrinsics=matrices[f"camera_mat_{number}"],
        )
        for number in range(count)
    ]


def _picture(read: Read, path: str, count: int) -> bytes:
    try:
        return read(path)
    except ShapeRejected as problem:
        raise ShapeRejected(problem.stage, f"{problem.reason}; images.views asks for {count} pictures") from None


def _metadata(read: Read, path: str, count: int) -> NDArray[np.floating]:
    """(count, 5)."""
    try:
        rows = number_table(read(path), 5, _LIMITS)
    except ShapeRejected as problem:
        reason = problem.reason if path in problem.reason else f"'{path}': {problem.reason}"
        raise ShapeRejected(problem.stage, reason) from None
    if len(rows) != count:
        raise ShapeRejected("read", f"'{path}' has {len(rows)} lines beside {count} pictures")
    if not np.isfinite(rows).all():
        raise ShapeRejected("read", f"'{path}' has numbers that are not finite")
    return rows


def _matrices(read: Read, path: str, count: int) -> Mapping[str, NDArray[Any]]:
    shapes = {f"world_mat_{number}": (3, 4) for number in range(count)}
    shapes |= {f"camera_mat_{number}": (3, 3) for number in range(count)}
    data = read(path)
    try:
        found = read_npz(data, tuple(shapes), _LIMITS)
    except ShapeRejected:
        raise
    except Exception as error:
        # Damaged archives end in errors of many kinds.
        raise ShapeRejected("read", f"malformed NPZ '{path}': {error}") from None
    for name, shape in shapes.items():
        matrix = found[name]
        if matrix.shape != shape or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
            raise ShapeRejected(
                "read",
                f"'{path}': {name} of type {matrix.dtype} and shape {matrix.shape}; expected finite numbers {shape}",
            )
    return found
