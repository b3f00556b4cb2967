"""PCD in its three encodings against arrays, LZF against a plain compressor, and what hostile files are told."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.lzf import decompress
from shapesys.geometry.formats.pcd import read_pcd

RNG = np.random.default_rng(3)
FIELDS = np.dtype([
    ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("normal_x", "<f4"), ("normal_y", "<f4"),
    ("normal_z", "<f4"), ("histogram", "<f4", 3), ("label", "<i4"),
])  # fmt: skip


def table(count: int = 40) -> np.ndarray:
    rows = np.zeros(count, FIELDS)
    for name in ("x", "y", "z", "normal_x", "normal_y", "normal_z"):
        rows[name] = np.round(RNG.normal(size=count), 3)
    rows["histogram"] = 7.0
    rows["rgb"] = RNG.integers(0, 1 << 24, count)
    rows["label"] = np.arange(count) % 5
    return rows


def header(rows: np.ndarray, encoding: str, **changes: str) -> bytes:
    counts = [int(np.prod(FIELDS[name].shape)) for name in FIELDS.names]
    lines = {
        "VERSION": "0.7",
        "FIELDS": " ".join(FIELDS.names),
        "SIZE": " ".join("4" for _ in counts),
        "TYPE": "F F F U F F F F I",
        "COUNT": " ".join(map(str, counts)),
        "WIDTH": str(len(rows)),
        "HEIGHT": "1",
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(len(rows)),
        "DATA": encoding,
    } | changes
    return b"# .PCD v0.7\n" + b"".join(f"{key} {value}\n".encode() for key, value in lines.items())


def literals(data: bytes) -> bytes:
    """LZF without any reference back."""
    runs = [data[at : at + 32] for at in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def compressed(data: bytes) -> bytes:
    """LZF, greedy, by looking for each triple's last occurrence."""
    out, waiting, at = bytearray(), bytearray(), 0
    while at < len(data):
        start = data.rfind(data[at : at + 3], max(0, at - 8192), at + 2) if at + 3 <= len(data) else -1
        if start < 0:
            waiting += data[at : at + 1]
            at += 1
            continue
        length = 3
        while at + length < len(data) and length < 264 and data[start + length] == data[at + length]:
            length += 1
        out += literals(bytes(waiting))
        waiting.clear()
        distance = at - start - 1
        short = min(length - 2, 7)
        out += bytes([short << 5 | distance >> 8])
        out += bytes([length - 2 - 7]) if short == 7 else b""
        out += bytes([distance & 255])
        at += length
    return bytes(out + literals(bytes(waiting)))


def as_text(rows: np.ndarray) -> bytes:
    return "".join(
        " ".join(f"{value:.9g}" for name in FIELDS.names for value in np.atleast_1d(row[name])) + "\n" for row in rows
    ).encode()


def packed(rows: np.ndarray) -> bytes:
    plain = b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in FIELDS.names)
    small = compressed(plain)
    assert len(small) < len(plain)
    return struct.pack("<II", len(small), len(plain)) + small


def check(found: Geometry, rows: np.ndarray) -> None:
    np.testing.assert_allclose(found.vertices, np.stack([rows[name] for name in "xyz"], axis=1), rtol=1e-6)
    assert found.normals is not None
    np.testing.assert_allclose(found.normals[:, 2], rows["normal_z"], rtol=1e-6)
    assert found.attributes.keys() == {"red", "green", "blue", "label"}
    np.testing.assert_array_equal(found.attributes["red"], rows["rgb"] >> 16)
    np.testing.assert_array_equal(found.attributes["green"], rows["rgb"] >> 8 & 255)
    np.testing.assert_array_equal(found.attributes["blue"], rows["rgb"] & 255)
    np.testing.assert_array_equal(found.attributes["label"], rows["label"])


def test_three_encodings_of_one_table() -> None:
    rows = table()
    for encoding, body in (("ascii", as_text(rows)), ("binary", rows.tobytes()), ("binary_compressed", packed(rows))):
        check(read_pcd(header(rows, encoding) + body, Limits()), rows)
    check(read_pcd(header(rows, "ascii").replace(b"\n", b"\r\n") + as_text(rows), Limits()), rows)


def test_colours_packed_into_what_calls_itself_a_float() -> None:
    rows = table()
    data = header(rows, "binary", TYPE="F F F F F F F F I") + rows.tobytes()
    check(read_pcd(data, Limits()), rows)


def test_organised_clouds_without_points_line_or_counts() -> None:
    grid = RNG.normal(size=(12, 3)).astype("<f4")
    grid[5] = np.nan
    text = b"VERSION 0.5\nCOLUMNS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 4\nHEIGHT 3\nDATA binary\n"
    found = read_pcd(text + grid.tobytes(), Limits())
    np.testing.assert_array_equal(found.vertices, grid.astype(np.float64))
    assert found.normals is None
    assert found.attributes == {}


@pytest.mark.parametrize("data", [b"", b"a", b"abcabcabcabcabcabc" * 40, bytes(3000), RNG.bytes(5000), b"ab" * 5000])
def test_lzf_undoes_a_plain_compressor(data: bytes) -> None:
    assert decompress(compressed(data), len(data)) == data
    assert decompress(literals(data), len(data)) == data


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (b"\x20", 3, "ends inside a reference"),
        (b"\x20\x05", 3, "refers 6 bytes back after 0 bytes"),
        (b"\x04abc", 5, "3 bytes or more, not for the 5"),
        (b"\x00a" + b"\xe0\xff\x00" * 1000, 500, "not for the 500"),
    ],
)
def test_broken_lzf(data: bytes, size: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decompress(data, size)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DATA": "gzip"}, "DATA is 'gzip'; known: ascii"),
        ({"SIZE": "4 4 4"}, "must be as many"),
        ({"TYPE": "F F F X F F F F I"}, "type 'X'"),
        ({"COUNT": "1 1 1 1 1 1 1 999999999 1"}, "count '999999999'"),
        ({"POINTS": "-1"}, "number of points is '-1'"),
        ({"POINTS": "41"}, "file ends after"),
        ({"FIELDS": "x y w rgb normal_x normal_y normal_z histogram label"}, "no fields x, y and z"),
    ],
)
def test_broken_headers(changes: dict[str, str], words: str) -> None:
    rows = table()
    with pytest.raises(ValueError, match=words):
        read_pcd(header(rows, "binary", **changes) + rows.tobytes(), Limits())


def test_promises_are_checked_before_memory_is_spent() -> None:
    rows = table()
    with pytest.raises(ShapeRejected, match="more than the limit"):
        read_pcd(header(rows, "binary", POINTS="99999999999") + rows.tobytes(), Limits())
    lie = struct.pack("<II", 3, 4_000_000_000) + b"\x00ab"
    with pytest.raises(ValueError, match="4000000000 bytes compressed, but 40 points need"):
        read_pcd(header(rows, "binary_compressed") + lie, Limits())
    with pytest.raises(ValueError, match="no DATA line"):
        read_pcd(b"VERSION 0.7\n" + bytes(200_000), Limits())


def test_real_room_scans_equal_their_published_arrays(shared_data: Path) -> None:
    for name in ("room_scan1", "room_scan2"):
        found = read_pcd((shared_data / "scans" / "rooms" / f"{name}.pcd").read_bytes(), Limits())
        with np.load(shared_data / "scans" / "rooms" / f"{name}.npz") as arrays:
            np.testing.assert_array_equal(found.vertices.astype(np.float32), arrays["points"])
