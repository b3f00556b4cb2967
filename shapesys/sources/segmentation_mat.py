"""The ground-truth files of BSDS500: MATLAB 5 files with one segmentation per annotator.

`scipy.io.loadmat` turns MATLAB 5 data into arrays and holds function handles and objects as plain data: nothing of the
file is run. What it would inflate is counted first, since a few kilobytes of compressed data can hold gigabytes.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.sources.image_files import MAX_LABELS

_HEADER = 128
_COMPRESSED = 15
_HDF5 = b"\x89HDF"
_VARIABLE = "groundTruth"


def read_segmentations(data: bytes, height: int, width: int, max_bytes: int) -> NDArray[np.int32]:
    """The maps (a, h, w), labels from 0 (the files count from 1).

    Args:
        height, width: of the image that they belong to.
        max_bytes: refuse files that would inflate to more.

    Raises:
        ShapeRejected: stage "read": no such file, damaged, too large, or not of this image.
    """
    _check_header(data)
    _check_inflated(data, max_bytes)
    cells = _cells(data)
    if not cells:
        raise _malformed(f"variable '{_VARIABLE}' holds no segmentation")
    return np.stack([_labels(cell, number, height, width) for number, cell in enumerate(cells)])


def _check_header(data: bytes) -> None:
    if data[:4] == _HDF5 or data[_HEADER - 4 : _HEADER] == b"\x00\x02IM":
        raise _malformed("it is a MATLAB 7.3 (HDF5) file; BSDS500 has MATLAB 5 files: save it with '-v7' or '-v6'")
    if len(data) < _HEADER or data[_HEADER - 2 : _HEADER] not in (b"IM", b"MI"):
        raise _malformed("it does not begin like a MATLAB 5 file")


def _check_inflated(data: bytes, max_bytes: int) -> None:
    """Refuse elements that inflate to more than `max_bytes` together."""
    order = "<" if data[_HEADER - 2 : _HEADER] == b"IM" else ">"
    at, left = _HEADER, max_bytes
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind == _COMPRESSED:
            left -= _inflated_size(data[at + 8 : at + 8 + size], left)
        if left < 0:
            raise _malformed(f"it inflates to more than the limit of {max_bytes} bytes")
        at += 8 + size


def _inflated_size(data: bytes, limit: int) -> int:
    """Size of a zlib stream's content, counted up to just above the limit."""
    stream, size, piece = zlib.decompressobj(), 0, data
    while piece and size <= limit:
        try:
            size += len(stream.decompress(piece, 1 << 20))
        except zlib.error as error:
            raise _malformed(str(error)) from None
        piece = stream.unconsumed_tail
    return size


def _cells(data: bytes) -> list[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = scipy.io.loadmat(io.BytesIO(data), variable_names=[_VARIABLE])
    except Exception as error:
        raise _malformed(str(error)) from None
    if not isinstance(found.get(_VARIABLE), np.ndarray) or found[_VARIABLE].dtype != object:
        raise _malformed(f"it has no cell array '{_VARIABLE}'")
    return list(found[_VARIABLE].ravel())


def _labels(cell: Any, number: int, height: int, width: int) -> NDArray[np.int32]:
    """Field ``Segmentation`` of one annotator's struct, (h, w)."""
    try:
        values = np.asarray(cell["Segmentation"][0, 0])
    except (IndexError, KeyError, ValueError, TypeError):
        raise _malformed(f"annotation {number} has no field 'Segmentation'") from None
    if values.shape != (height, width):
        raise _malformed(f"annotation {number} has shape {values.shape}; the image has {height} rows, {width} columns")
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values != np.floor(values)).any():
        raise _malformed(f"annotation {number} holds {values.dtype} values that are no whole numbers")
    if values.min() < 1 or values.max() > MAX_LABELS:
        raise _malformed(
            f"annotation {number} has labels {values.min():g} to {values.max():g}; expected 1 to {MAX_LABELS}"
        )
    return values.astype(np.int32) - np.int32(1)


def _malformed(why: str) -> ShapeRejected:
    return ShapeRejected("read", f"cannot use the ground truth: {why}")
