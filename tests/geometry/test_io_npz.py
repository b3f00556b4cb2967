"""Arrays out of NPZ files: only those asked for, nothing unpickled, no memory for claims."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.npz import read_npz

LIMITS = Limits()


def npz(compress: bool = False, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    line = text.encode() + b"\n"
    return b"\x93NUMPY" + version + len(line).to_bytes(2 if version[0] == 1 else 4, "little") + line


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_come_back_as_they_were(compress: bool) -> None:
    arrays = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "bits": np.packbits(np.array([1, 0, 1], bool)),
        "one": np.float64(0.5),
    }
    found = read_npz(npz(compress, unused=np.zeros(9), **arrays), list(arrays), LIMITS)  # type: ignore[arg-type]
    assert list(found) == list(arrays)
    for name, expected in arrays.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype


def test_objects_are_never_unpickled_and_those_not_asked_for_do_no_harm() -> None:
    pickled = np.array([{"a": 1}], dtype=object)
    data = npz(points=np.zeros(3), objects=pickled)
    assert len(read_npz(data, ["points"], LIMITS)["points"]) == 3
    with pytest.raises(ValueError, match="'objects' holds Python objects, which are never unpickled"):
        read_npz(data, ["objects"], LIMITS)


def test_what_is_missing_is_named_beside_what_there_is() -> None:
    with pytest.raises(ValueError, match="no array 'points' among vertices, bits"):
        read_npz(npz(vertices=np.zeros(3), bits=np.zeros(2)), ["points"], LIMITS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3), }"), "claims"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }") + bytes(24), "negative|cannot reshape"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }") + bytes(9), "claims|EOF"),
        (header("{'descr': '<f8'}"), "keys"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", b"\x09\x00"), "version"),
        (b"PLY", "magic|EOF"),
    ],
    ids=["claim", "negative", "short", "header", "version", "no npy"],
)
def test_damaged_members_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_npz(archive(points=content), ["points"], LIMITS)


def test_a_small_file_that_unpacks_to_much_is_refused_unread() -> None:
    data = npz(compress=True, points=np.zeros((300_000, 3)))
    assert len(data) < 20_000
    with pytest.raises(ShapeRejected, match="7200128 bytes, more than the limit of 1000000"):
        read_npz(data, ["points"], Limits(max_bytes=1_000_000))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", npz(points=np.zeros(99))[:200]])
def test_no_archive_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(zipfile.BadZipFile):
        read_npz(data, ["points"], LIMITS)
