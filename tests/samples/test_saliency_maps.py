from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shapesys.errors import ShapesysError
from shapesys.samples.saliency_maps import SaliencyMaps, merged, read_saliency_maps


def maps(**values: list[float]) -> SaliencyMaps:
    arrays = {f"chair/{name}": np.array(found, np.float32) for name, found in values.items()}
    return SaliencyMaps("pca", "digest", arrays, {"neighbours": 20})


def test_maps_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    made = maps(b=[0.1, 0.2, 0.3], a=[1.0, 0.0])
    made.write(tmp_path / "new" / "pca.parquet")
    found = read_saliency_maps(tmp_path / "new" / "pca.parquet")
    assert (found.method, found.store_digest, found.facts) == ("pca", "digest", {"neighbours": 20})
    assert list(found.values) == ["chair/a", "chair/b"]
    for name, values in made.values.items():
        np.testing.assert_array_equal(found.of(name), values)
        assert found.of(name).dtype == np.float32


def test_no_maps_at_all_are_a_file_too(tmp_path: Path) -> None:
    maps().write(tmp_path / "none.parquet")
    assert read_saliency_maps(tmp_path / "none.parquet").values == {}


def test_why_a_shape_has_no_map_is_kept_and_told(tmp_path: Path) -> None:
    made = replace(maps(a=[1.0, 0.0]), failed={"chair/b": "its mesh is open"})
    made.write(tmp_path / "pca.parquet")
    found = read_saliency_maps(tmp_path / "pca.parquet")
    assert found.failed == {"chair/b": "its mesh is open"}
    with pytest.raises(ShapesysError, match="no saliency map of 'chair/b' by pca; its mesh is open"):
        found.of("chair/b")
    assert merged([found, maps(c=[1.0])]).failed == found.failed
    assert merged([found, maps(b=[1.0])]).failed == {}


def test_a_prefix_of_a_map_belongs_to_a_prefix_of_the_cloud() -> None:
    np.testing.assert_array_equal(maps(a=[3, 1, 2]).of("chair/a", 2), [3, 1])


@pytest.mark.parametrize(
    ("shape_id", "points", "message"),
    [
        ("chair/b", None, r"no saliency map of 'chair/b' by pca"),
        ("chair/a", 4, r"covers 3 points, but 4 are used"),
    ],
)
def test_what_is_missing_is_named(shape_id: str, points: int | None, message: str) -> None:
    with pytest.raises(ShapesysError, match=message):
        maps(a=[3, 1, 2]).of(shape_id, points)


@pytest.mark.parametrize("bad", [[np.nan, 1.0], [np.inf], []])
def test_values_that_rank_nothing_are_refused(bad: list[float]) -> None:
    with pytest.raises(ShapesysError, match="'chair/a' by pca"):
        maps(a=bad)


def test_maps_of_another_store_are_refused() -> None:
    maps(a=[1]).check_store("digest")
    with pytest.raises(ShapesysError, match="made for another store"):
        maps(a=[1]).check_store("other")


def test_files_that_hold_no_maps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="there is no file of saliency maps"):
        read_saliency_maps(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    pq.write_table(pa.table({"shape_id": ["a"]}), tmp_path / "other.parquet")
    for name in ("text.parquet", "other.parquet"):
        with pytest.raises(ShapesysError, match=f"{name} is damaged or holds no saliency maps"):
            read_saliency_maps(tmp_path / name)
