"""What a file of maps holds after several commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from shapesys.saliency.map_file import add_to_file
from shapesys.samples.saliency_maps import SaliencyMaps, read_saliency_maps


def made(value: float, *categories: str, digest: str = "store") -> SaliencyMaps:
    """Two maps of each category, whose facts tell their value."""
    values = {f"{name}/{row}": np.full(3, value, np.float32) for name in categories for row in "ab"}
    return SaliencyMaps("PCA", digest, values, {"kind": "geometry", "made_of": dict.fromkeys(categories, value)})


def held(path: Path) -> dict[str, float]:
    return {name: float(values[0]) for name, values in read_saliency_maps(path).values.items()}


def test_new_maps_replace_those_of_their_categories_and_leave_the_others(tmp_path: Path) -> None:
    path = tmp_path / "maps" / "pca.parquet"
    assert add_to_file(path, made(1, "chair", "mug")) == {}
    assert add_to_file(path, made(2, "mug")) == {"chair": 1}
    assert held(path) == {"chair/a": 1, "chair/b": 1, "mug/a": 2, "mug/b": 2}
    assert read_saliency_maps(path).facts == {"kind": "geometry", "made_of": {"chair": 1, "mug": 2}}


def test_a_shape_that_fails_now_keeps_no_earlier_map(tmp_path: Path) -> None:
    add_to_file(tmp_path / "pca.parquet", made(1, "chair", "mug"))
    later = made(2, "mug")
    fewer = {name: values for name, values in later.values.items() if name != "mug/b"}
    add_to_file(tmp_path / "pca.parquet", replace(later, values=fewer, failed={"mug/b": "too small"}))
    assert sorted(held(tmp_path / "pca.parquet")) == ["chair/a", "chair/b", "mug/a"]
    add_to_file(tmp_path / "pca.parquet", made(3, "chair"))
    assert read_saliency_maps(tmp_path / "pca.parquet").failed == {"mug/b": "too small"}


def test_where_nothing_was_made_the_file_stays_or_is_not_there(tmp_path: Path) -> None:
    assert add_to_file(tmp_path / "pca.parquet", made(1)) == {}
    assert not (tmp_path / "pca.parquet").exists()
    add_to_file(tmp_path / "pca.parquet", made(1, "mug"))
    assert add_to_file(tmp_path / "pca.parquet", made(2)) == {"mug": 1}
    assert held(tmp_path / "pca.parquet") == {"mug/a": 1, "mug/b": 1}


def test_maps_of_another_store_or_that_cannot_be_read_make_room(tmp_path: Path) -> None:
    path = tmp_path / "pca.parquet"
    add_to_file(path, made(1, "chair", digest="before"))
    assert add_to_file(path, made(2, "mug")) == {}
    assert sorted(held(path)) == ["mug/a", "mug/b"]
    path.write_bytes(b"half a file")
    assert add_to_file(path, made(3, "mug")) == {}
    assert held(path) == {"mug/a": 3, "mug/b": 3}
