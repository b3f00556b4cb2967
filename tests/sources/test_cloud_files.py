"""Tables of numbers in text, lists, and notes on counts."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.sources.base import ShapeRef
from shapesys.sources.cloud_files import count_notes, folder_of, listed, locate, number_table


def test_tables_are_split_at_spaces_commas_and_control_characters() -> None:
    expected = np.arange(6.0).reshape(2, 3)
    for data in (b"0 1 2\n3 4 5\n", b"0,1,2\n3,4,5", b"0\t1 2\r\n\r\n3 4\x105 \n", b"  0,\t1,2\r3,4,5\r"):
        np.testing.assert_array_equal(number_table(data, 3, Limits()), expected)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"0 1 2\n3 4\n", "row 2 has 2 numbers, expected 3"),
        (b"0 1 2 3\n", "row 1 has 4 numbers, expected 3"),
        (b"0 1 two\n", "'two' is not a number"),
        (b"\n \n", "no points"),
        (b"0 1 2\n" * 9, "9 vertices, more than the limit of 8"),
    ],
)
def test_other_text_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ShapeRejected, match=words) as caught:
        number_table(data, 3, Limits(max_vertices=8))
    assert caught.value.stage == "read"


def test_lists_and_places() -> None:
    assert listed(b"\xef\xbb\xbfa\r\n\n b \n") == ["a", "b"]
    paths = ["x/deep/list.txt", "x/list.txt", "y/list.txt", "other.txt"]
    assert locate(paths, "list.txt") == "x/list.txt"
    assert locate(paths, "absent.txt") is None
    assert [folder_of(path) for path in ("x/list.txt", "list.txt")] == ["x/", ""]


def test_counts_of_a_whole_release_need_no_note() -> None:
    shapes = [ShapeRef(f"a/{n}", "a", split, "s") for n, split in enumerate(("train", "train", "val", "test"))]
    assert count_notes(shapes, {"train": 3, "test": 1}, "it") == []
    assert count_notes(shapes, {"train": 2, "val": 1, "test": 1}, "it") == []
    (note,) = count_notes(shapes, {"train": 9, "val": 1, "test": 1}, "the release")
    assert note == "clouds found: 2 train, 1 val, 1 test; the release has 9 train, 1 val, 1 test"
