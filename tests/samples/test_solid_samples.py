"""Samples of a solid that a source gives: stored as they are, in one frame, none drawn anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from given_source import Given, prepared

from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.normalise import FRAMES
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig, preset
from shapesys.samples.store import Store

CENTRE, RADIUS = np.array([3.0, -1.0, 0.5]), 2.0
FEW = {
    "inside.count": 300, "inside.chunk": 100, "inside.surface": 50, "occupancy.points": 250,
    "cloud.points": 200, "udf.count": 400, "udf.chunk": 200, "udf.neighbour": 4,
}  # fmt: skip
ALL = PrepareConfig().override({"views": ("udf", "inside", "occupancy", "cloud"), **FEW})


def ball(queries: int = 300, points: int = 400, seed: int = 0, **changes: Any) -> SampledSolid:
    """A ball far from the origin: queries in the cube about it, and its surface, labelled by halves."""
    rng = np.random.default_rng(seed)
    asked = CENTRE + 1.1 * RADIUS * rng.uniform(-1, 1, (queries, 3))
    normals = rng.normal(size=(points, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    surface = Cloud(CENTRE + RADIUS * normals, normals, labels=(normals[:, 0] > 0).astype(np.int64))
    solid = SampledSolid(asked, np.linalg.norm(asked - CENTRE, axis=1) < RADIUS, surface)
    return replace(solid, **changes)


def in_file(made: Any, points: np.ndarray) -> np.ndarray:
    return points.astype(np.float64) * made.shape["scale"] + made.shape["centre"]


def sorted_rows(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("frame", FRAMES)
def test_all_samples_lie_in_the_frame_of_the_surface_and_keep_their_bits(frame: str) -> None:
    solid = ball()
    made = prepared(solid, ALL.override({"frame": frame}))
    assert set(made.samples) == {"udf", "inside", "occupancy", "cloud"}
    queries = np.concatenate([row["points"] for row in made.samples["inside"]])
    bits = np.concatenate([row["inside"] for row in made.samples["inside"]])
    np.testing.assert_allclose(sorted_rows(in_file(made, queries)), sorted_rows(solid.points), atol=1e-5)
    np.testing.assert_array_equal(bits, np.linalg.norm(in_file(made, queries) - CENTRE, axis=1) < RADIUS)
    for name in ("inside", "udf", "cloud"):
        column = "points" if name == "cloud" else "surface"
        points = np.concatenate([row[column] for row in made.samples[name]])
        np.testing.assert_allclose(np.linalg.norm(in_file(made, points) - CENTRE, axis=1), RADIUS, rtol=1e-5)
    if frame == "unit_cube":
        expected = np.ptp(solid.surface.points, axis=0).max()
        assert made.shape["scale"] == pytest.approx(expected)


def test_chunks_hold_every_query_once_and_given_points_beside_them() -> None:
    made = prepared(ball(), ALL)
    rows = made.samples["inside"]
    assert [row["points"].shape for row in rows] == [(100, 3)] * 3
    assert len(np.unique(np.concatenate([row["points"] for row in rows]), axis=0)) == 300
    assert not any(row["near"].any() for row in rows)
    beside = np.concatenate([row["surface"] for row in rows])
    assert beside.shape == (150, 3)
    assert len(np.unique(beside, axis=0)) == 150, "of 400 given points, none is taken twice before all are"


def test_occupancy_is_a_random_part_of_the_given_queries() -> None:
    solid = ball()
    [row] = prepared(solid, ALL).samples["occupancy"]
    assert row["points"].shape == (250, 3)
    assert len(np.unique(row["points"], axis=0)) == 250
    [again] = prepared(solid, ALL).samples["occupancy"]
    np.testing.assert_array_equal(row["points"], again["points"])
    [other] = prepared(solid, ALL.override({"seed": 1})).samples["occupancy"]
    assert (row["points"] != other["points"]).any()
    [all_of_them] = prepared(solid, ALL.override({"occupancy.points": 100_000})).samples["occupancy"]
    assert all_of_them["points"].shape == (300, 3)
    assert all_of_them["inside"].sum() == solid.inside.sum()


def test_fewer_queries_than_asked_for_are_used_again() -> None:
    rows = prepared(ball(queries=120), ALL).samples["inside"]
    assert len(np.unique(np.concatenate([row["points"] for row in rows]), axis=0)) == 120


def test_clouds_are_as_of_clouds() -> None:
    solid = ball()
    settings = ALL.override({"cloud.order": "given", "cloud.points": 100})
    clean, noisy = (
        prepared(solid, settings.override({"cloud.noise": noise})).samples["cloud"][0] for noise in (0.0, 0.01)
    )
    np.testing.assert_array_equal(clean["labels"], solid.surface.labels[:100])
    np.testing.assert_allclose(clean["normals"], solid.surface.normals[:100], atol=1e-6)
    assert np.std(noisy["points"] - clean["points"]) == pytest.approx(0.01, rel=0.15)


def test_its_row_says_that_the_inside_was_given() -> None:
    shape = prepared(ball(), ALL).shape
    facts = {name: shape[name] for name in ("faces", "watertight", "sign_method", "sign_undecided", "sign_quality")}
    assert facts == {
        "faces": 0, "watertight": False, "sign_method": "given", "sign_undecided": None, "sign_quality": None
    }  # fmt: skip
    assert shape["inside_share"] == pytest.approx(ball().inside.mean())


def _broken(name: str) -> SampledSolid:
    solid = ball()
    points = solid.points.copy()
    points[3] = np.nan
    surface = solid.surface.points.copy()
    surface[:, 1:] = 0.0
    return {
        "nan": replace(solid, points=points),
        "short": replace(solid, inside=solid.inside[:-1]),
        "numbers": replace(solid, inside=solid.inside.astype(np.float32)),
        "none": replace(solid, points=solid.points[:0], inside=solid.inside[:0]),
        "flat": replace(solid, points=solid.points[:, :2]),
        "few": replace(solid, surface=solid.surface.take(np.arange(10))),
        "line": replace(solid, surface=Cloud(surface)),
    }[name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nan", "1 of 300 queries are not finite"),
        ("short", r"inside bits are bool of shape \(299,\) beside 300 queries"),
        ("numbers", r"inside bits are float32 of shape \(300,\)"),
        ("none", r"queries have shape \(0, 3\); expected \(n, 3\) with n > 0"),
        ("flat", r"queries have shape \(300, 2\)"),
        ("few", "the cloud has 10 points; at least 16 needed"),
        ("line", "all 400 points lie on one line"),
    ],
)
def test_what_cannot_be_a_solid_is_rejected(name: str, words: str) -> None:
    with pytest.raises(ShapeRejected, match=words) as caught:
        prepared(_broken(name), ALL)
    assert caught.value.stage == "validate"


@pytest.mark.parametrize("view", ["meshes", "sdf"])
def test_what_takes_a_surface_is_refused(view: str) -> None:
    words = f"view '{view}' cannot be made of samples of a solid.*choose among: udf, inside, occupancy, cloud"
    with pytest.raises(UsageError, match=words):
        PrepareConfig(views=(view, "cloud")).of_what(SampledSolid)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inside.near_share": 0.5}, r"inside\.near_share = 0\.5 cannot be had: .* queries are taken as they are"),
        ({"inside.padding": 0.2}, r"inside\.padding = 0\.2 cannot"),
        ({"occupancy.padding": 0.0}, r"occupancy\.padding = 0 cannot"),
    ],
)
def test_settings_of_queries_are_refused_where_these_are_given(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        prepare_locally(Given(ball=ball()), str(tmp_path / "store"), ALL.override(changes), isolate=False)
    assert not (tmp_path / "store").exists()


def test_where_the_view_is_not_made_its_settings_do_not_matter() -> None:
    settings = ALL.override({"views": ("cloud", "occupancy"), "inside.near_share": 0.5})
    assert settings.of_what(SampledSolid) == settings


@pytest.mark.parametrize("name", ["onet", "tiny_onet"])
def test_presets_for_solids_make_what_can_be_made(name: str, tmp_path: Path) -> None:
    settings = preset(name, SampledSolid).override(FEW)
    assert settings.views == ("inside", "occupancy", "cloud")
    source = Given(a=ball(), b=ball(seed=1, points=500))
    report = prepare_locally(source, str(tmp_path), settings, isolate=False)
    assert (report.prepared, report.rejected) == (2, 0)
    store = Store.open(str(tmp_path))
    chunk = store.read_chunk("inside", 2, ["given/a", "given/b"])
    assert {column: values.shape for column, values in chunk.items()} == {
        "points": (2, 100, 3), "inside": (2, 100), "near": (2, 100), "surface": (2, 50, 3)
    }  # fmt: skip
    distance = np.linalg.norm(chunk["surface"], axis=2)
    assert 0.45 < distance.min() <= distance.max() < 0.55, "the frame is the unit cube, and inside's points are clean"
    again = prepare_locally(source, str(tmp_path), settings, isolate=False)
    assert again.kept == 2


def test_without_named_views_the_usual_ones_are_made() -> None:
    assert PrepareConfig().of_what(SampledSolid).views == ("occupancy", "cloud")


def test_labels_without_a_name_are_rejected() -> None:
    class Named(Given):
        def part_names(self, category: str) -> tuple[str, ...]:
            return ("left",)

    with pytest.raises(ShapeRejected, match="part labels range from 0 to 1; 'given' has the labels 0 to 0"):
        prepared(ball(), ALL, Named)
    assert json.loads(prepared(ball(), ALL).shape["sampler"])["inside"]["count"] == 300
