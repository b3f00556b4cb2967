"""Labelled clouds from every format: the same cloud each time, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.cloud_io import parse_cloud

RNG = np.random.default_rng(0)
POINTS = np.round(RNG.normal(size=(30, 3)), 4)
NORMALS = np.eye(3)[RNG.integers(0, 3, 30)]
BYTES = RNG.integers(0, 256, (30, 3))
LABELS = RNG.integers(0, 4, 30)
ALL = np.concatenate([POINTS, NORMALS, BYTES, LABELS[:, None]], axis=1)
NAMES = ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "label")


def text(rows: np.ndarray, separator: str = " ") -> bytes:
    return "".join(separator.join(f"{value:.10g}" for value in row) + "\n" for row in rows).encode()


def numpy_bytes(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    if arrays.keys() == {"only"}:
        np.save(stream, arrays["only"], allow_pickle=True)
    else:
        np.savez(stream, **arrays)
    return stream.getvalue()


def ply(label: str = "label", kind: str = "int") -> bytes:
    kinds = ["float"] * 6 + ["uchar"] * 3 + [kind]
    names = [*NAMES[:-1], label]
    lines = [f"property {kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    return ("ply\nformat ascii 1.0\nelement vertex 30\n" + "\n".join(lines) + "\nend_header\n").encode() + text(ALL)


@pytest.mark.parametrize(
    ("name", "data", "columns"),
    [
        ("a.ply", ply(), ()),
        ("a.PLY", ply("scalar_Label", "float"), ()),
        ("a.txt", text(ALL), NAMES),
        ("a.xyz", b"30\n" + text(ALL), NAMES),
        ("a.csv", ",".join(NAMES).encode() + b"\n" + text(ALL, ","), ()),
        ("a.csv", b'"X","Y","Z","normal_x","normal_y","normal_z","R","G","B","Label"\n' + text(ALL, ","), ()),
        ("a.npy", numpy_bytes(only=ALL), NAMES),
        ("a.npz", numpy_bytes(points=POINTS, normals=NORMALS, colors=BYTES, labels=LABELS), ()),
        ("a.npz", numpy_bytes(points=POINTS, normals=2 * NORMALS, colors=BYTES / 255, label=LABELS[:, None]), ()),
    ],
)
def test_every_format_gives_the_same_cloud(name: str, data: bytes, columns: Sequence[str]) -> None:
    cloud = parse_cloud(data, name, columns=columns)
    assert cloud.normals is not None
    assert cloud.colors is not None
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-7)
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-7)
    np.testing.assert_allclose(cloud.colors, BYTES / 255, atol=1e-7)
    np.testing.assert_array_equal(cloud.labels, LABELS)


def bare(cloud: Cloud) -> bool:
    return cloud.normals is None and cloud.colors is None and cloud.labels is None


def test_columns_without_names_are_no_labels_or_colours() -> None:
    four = np.column_stack([POINTS, LABELS])
    assert bare(parse_cloud(text(four), "a.txt"))
    assert bare(parse_cloud(text(ALL[:, :7]), "a.txt")), "a seventh column needs to be named"
    cloud = parse_cloud(text(four), "a.txt", columns=("x", "y", "z", "label"))
    np.testing.assert_array_equal(cloud.labels, LABELS)
    with_gap = parse_cloud(text(ALL[:, :7]), "a.txt", columns=("x", "y", "z", "_", "_", "_", "_"))
    assert bare(with_gap)


def test_points_that_are_not_finite_take_their_labels_along() -> None:
    points, labels = POINTS.copy(), LABELS.astype(np.float64)
    points[[3, 7]], labels[[3, 7]] = np.nan, np.nan
    cloud = parse_cloud(numpy_bytes(points=points, labels=labels), "a.npz")
    np.testing.assert_array_equal(cloud.points, np.delete(POINTS, [3, 7], axis=0))
    np.testing.assert_array_equal(cloud.labels, np.delete(LABELS, [3, 7]))


def test_a_property_called_label_with_other_numbers_is_none() -> None:
    data = ply("label", "float").replace(text(ALL), text(ALL + 0.5 * (np.arange(10) == 9)))
    assert parse_cloud(data, "a.ply").labels is None


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.las", b"x", r"'\.las' is not an accepted point format"),
        ("a.txt", b"", "empty"),
        ("a.txt", b"1 2\n3 4\n", "point 0 has 2 numbers"),
        ("a.txt", b"1 2 3\n4 five 6\n", "'five' is not a number"),
        ("a.txt", b"nan nan nan\n", "none of the 1 points is finite"),
        ("a.npy", numpy_bytes(only=np.array([{"a": 1}], dtype=object)), "allow_pickle"),
        ("a.npz", numpy_bytes(points=POINTS, labels=np.array([{}] * 30, dtype=object)), "allow_pickle"),
        ("a.npz", numpy_bytes(points=POINTS, labels=LABELS[:-1]), "29 values of 'label' beside 30 points"),
        ("a.npz", numpy_bytes(points=POINTS, labels=LABELS + 0.5), "is not a whole number"),
        ("a.npz", numpy_bytes(points=POINTS, colors=BYTES * 300), "expected 0 to 1 or 0 to 255"),
        ("a.npz", numpy_bytes(points=POINTS, colors=-BYTES), "expected 0 to 1 or 0 to 255"),
        ("a.npz", numpy_bytes(points=POINTS[:, :2]), r"shape \(30, 2\)"),
        ("a.npz", numpy_bytes(a=POINTS, b=POINTS), "no array 'points' among a, b"),
        ("a.pcd", b"DATA ascii\n", "malformed PCD"),
    ],
)
def test_reasons(name: str, data: bytes, words: str) -> None:
    with pytest.raises(ShapeRejected, match=words) as caught:
        parse_cloud(data, name)
    assert caught.value.stage == "read"
