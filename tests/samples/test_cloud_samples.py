from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from shapesys.config.base import Config
from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.fps import farthest_points
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, PrepareConfig
from shapesys.samples.shape import prepare_shape
from shapesys.samples.store import Store
from shapesys.sources.base import Census, ShapeRef, Source

RNG = np.random.default_rng(0)


def boxes(count: int = 300, **changes: Any) -> Cloud:
    """Points of a box in millimetres, labelled by height, with normals and colours."""
    points = np.random.default_rng(1).uniform((0, 0, 0), (400, 900, 500), (count, 3))
    normals = np.tile([0.0, 1.0, 0.0], (count, 1))
    columns = {"normals": normals, "colors": points / 900, "labels": (points[:, 1] > 450).astype(np.int64)}
    return Cloud(points, **columns | changes)


class Clouds(Source):
    """Gives one cloud, whatever shape is asked for."""

    name: ClassVar[str] = "clouds"
    Settings: ClassVar[type[Config]] = Config
    gives: ClassVar[Any] = Cloud

    def __init__(self, cloud: Cloud, parts: tuple[str, ...] = ("low", "high")) -> None:
        self.cloud = cloud
        self.parts = parts

    def census(self) -> Census:
        return Census.of(ShapeRef(f"box/{number}", "box", "train", self.name) for number in range(3))

    def load(self, ref: ShapeRef) -> Cloud:
        return self.cloud

    def digest(self, ref: ShapeRef) -> str:
        return "one"

    def part_names(self, category: str) -> tuple[str, ...]:
        return self.parts


def prepared(cloud: Cloud, settings: PrepareConfig | None = None, parts: tuple[str, ...] = ("low", "high")) -> Any:
    source = Clouds(cloud, parts)
    return prepare_shape(source, source.census().shapes[0], settings or PrepareConfig(cloud=CloudConfig(points=128)))


def test_any_prefix_is_a_farthest_point_sample() -> None:
    [row] = prepared(boxes()).samples["cloud"]
    assert row["points"].shape == (128, 3)
    np.testing.assert_array_equal(farthest_points(row["points"], 128), np.arange(128))
    np.testing.assert_array_equal(farthest_points(row["points"], 40), np.arange(40))


def test_columns_stay_with_their_points_in_the_unit_sphere() -> None:
    made = prepared(boxes())
    [row] = made.samples["cloud"]
    metres = row["points"] * made.shape["scale"] + made.shape["centre"]
    np.testing.assert_array_equal(row["labels"], metres[:, 1] > 450)
    np.testing.assert_allclose(row["colors"], metres / 900, atol=1e-6)
    assert np.linalg.norm(row["points"], axis=1).max() == pytest.approx(1 / 1.03, rel=1e-5)
    assert made.shape["parts"] == ["low", "high"]


def test_the_given_order_is_kept_on_demand() -> None:
    cloud = boxes()
    settings = PrepareConfig(cloud=CloudConfig(points=100, order="given"))
    made = prepared(cloud, settings)
    [row] = made.samples["cloud"]
    np.testing.assert_allclose(
        row["points"] * made.shape["scale"] + made.shape["centre"], cloud.points[:100], rtol=1e-4
    )


def test_a_cloud_smaller_than_asked_for_keeps_all_points() -> None:
    [row] = prepared(boxes(50, labels=None, normals=None, colors=None), parts=()).samples["cloud"]
    assert row["points"].shape == (50, 3)
    assert row["labels"].shape == (0,)
    assert row["normals"].shape == (0, 3)


def _with_nan() -> Cloud:
    points = boxes().points.copy()
    points[7] = np.nan
    return Cloud(points)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: boxes(10), "the cloud has 10 points; at least 16 needed"),
        (_with_nan, "1 of 300 points are not finite"),
        (lambda: Cloud(np.ones((40, 3))), "all 40 points lie in one place"),
        (lambda: boxes(labels=np.full(300, 2)), "part labels range from 2 to 2; 'box' has the labels 0 to 1"),
        (lambda: boxes(labels=np.full(300, -1)), "labels range from -1 to -1; allowed: 0 and up"),
        (lambda: boxes(normals=np.ones((299, 3))), r"normals have shape \(299, 3\) beside 300 points"),
    ],
    ids=["few", "nan", "one place", "unknown label", "negative label", "short column"],
)
def test_bad_clouds_are_rejected_with_a_reason(make: Callable[[], Cloud], reason: str) -> None:
    with pytest.raises(ShapeRejected, match=reason) as caught:
        prepared(make())
    assert caught.value.stage == "validate"


def test_a_store_of_clouds_holds_the_cloud_view_and_part_names(tmp_path: Any) -> None:
    report = prepare_locally(Clouds(boxes()), str(tmp_path), PrepareConfig(cloud=CloudConfig(points=64)), isolate=False)
    assert (report.prepared, report.rejected) == (3, 0)
    store = Store.open(str(tmp_path))
    assert store.views == ("cloud",)
    assert store.clouds_are_ordered
    arrays = store.read("cloud", ["box/0", "box/2"])
    assert {name: values.shape for name, values in arrays.items()} == {
        "points": (2, 64, 3),
        "normals": (2, 64, 3),
        "colors": (2, 64, 3),
        "labels": (2, 64),
    }
    assert store.shapes(columns=("parts",))["parts"].to_pylist() == [["low", "high"]] * 3


def test_other_part_names_prepare_a_shape_again(tmp_path: Any) -> None:
    settings = PrepareConfig(cloud=CloudConfig(points=64))
    prepare_locally(Clouds(boxes()), str(tmp_path), settings, isolate=False)
    again = prepare_locally(Clouds(boxes()), str(tmp_path), settings, isolate=False)
    renamed = prepare_locally(Clouds(boxes(), ("under", "over")), str(tmp_path), settings, isolate=False)
    assert (again.kept, renamed.prepared) == (3, 3)


def test_a_view_that_cannot_be_made_of_clouds_is_refused(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="view 'sdf' cannot be made of a point cloud.*choose among: udf, cloud"):
        prepare_locally(Clouds(boxes()), str(tmp_path), PrepareConfig(views=("sdf", "cloud")))
