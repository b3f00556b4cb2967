"""NPZ: named arrays in a zip archive, as NumPy writes them. Nothing is unpickled, and claims are checked before memory
is spent on them."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Limits

Arrays = dict[str, NDArray[Any]]

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MOST_NAMES = 8
"""Names that a message lists."""


def read_npz(data: bytes, names: Sequence[str], limits: Limits) -> Arrays:
    """The arrays of these names; no other is looked at.

    Raises:
        ValueError: one is missing, holds Python objects, or claims more than its bytes.
        zipfile.BadZipFile: no zip archive, or a damaged one.
        ShapeRejected: together they are over the limit of bytes.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        for name in names:
            if name not in held:
                raise ValueError(f"no array '{name}' among {', '.join(list(held)[:_MOST_NAMES]) or 'none'}")
        limits.check("bytes", sum(held[name].file_size for name in names))
        return {name: _array(archive, held[name], name) for name in names}


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    with archive.open(entry) as stream:
        shape, kind = _header(stream, name)
    if kind.hasobject:
        raise ValueError(f"array '{name}' holds Python objects, which are never unpickled")
    if math.prod(shape) * kind.itemsize > entry.file_size:
        raise ValueError(f"array '{name}' claims {shape} numbers of type {kind} in {entry.file_size} bytes")
    with archive.open(entry) as stream:
        found: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(
            f"array '{name}' is of version {version} of NumPy's format; known: {', '.join(map(str, _HEADERS))}"
        )
    shape, _, kind = _HEADERS[version](stream)
    return shape, kind
