from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.families.base import SampleRequest
from shapesys.families.points.blocks import blocks_of
from shapesys.families.points.config import Augmentation, Blocks, PointConfig
from shapesys.families.points.sampling import sample
from shapesys.families.points.transforms import Points, rotation, turn
from shapesys.geometry.fps import farthest_points


class Sampling(PointConfig):
    """A network that samples 32 points."""

    @property
    def samples_needed(self) -> int:
        return 32


def stored(count: int = 200, seed: int = 0, **columns: Any) -> dict[str, np.ndarray]:
    """A cloud in the order of farthest point sampling, on a bumpy sphere whose normals are its directions."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((count, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = directions * (1 + 0.2 * directions[:, :1])
    order = farthest_points(points, count)
    labels = (points[order, 1] > 0).astype(np.int32)
    return {
        "points": points[order],
        "normals": directions[order],
        "colors": np.empty((0, 3)),
        "labels": labels,
    } | columns


def request(count: int = 100, seed: int = 5, training: bool = True, **more: Any) -> SampleRequest:
    return SampleRequest("sphere/0", count, seed, training, **more)


def config(**changes: Any) -> PointConfig:
    return Sampling(**changes)


def test_without_augmentation_it_is_the_stored_prefix() -> None:
    cloud = stored()
    row = sample(config(augment=Augmentation(rotation="up", jitter=0.1)), cloud, request(training=False))
    np.testing.assert_array_equal(row["points"], cloud["points"][:100])
    np.testing.assert_array_equal(row["order"], np.arange(32))
    assert set(row) == {"points", "order"}


@pytest.mark.parametrize(
    "augment",
    [
        Augmentation(),
        Augmentation(rotation="up", tilt=0.06, scale_low=0.8, scale_high=1.25, shift=0.1),
        Augmentation(rotation="any"),
        Augmentation(scale_low=2 / 3, scale_high=1.5, scale_by_axis=True),
        Augmentation(subset="random"),
        Augmentation(dropped=0.8),
    ],
    ids=["plain", "similarity", "any rotation", "by axis", "random subset", "dropped"],
)
def test_the_order_is_always_that_of_farthest_point_sampling(augment: Augmentation) -> None:
    row = sample(config(augment=augment), stored(), request())
    chosen = row["points"][row["order"]].astype(np.float64)
    for step in range(1, 32):
        gaps = np.linalg.norm(row["points"][:, None] - chosen[None, :step], axis=2).min(axis=1)
        taken = np.linalg.norm(chosen[step] - chosen[:step], axis=1).min()
        assert taken == pytest.approx(gaps.max(), rel=1e-4)


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    moving = config(augment=Augmentation(rotation="any", jitter=0.01, shift=0.1), task="parts")
    first, again, other = (sample(moving, stored(), request(seed=seed)) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["points"], other["points"])


def test_labels_and_normals_stay_with_their_points() -> None:
    cloud = stored()
    row = sample(config(task="parts", normals=True, augment=Augmentation()), cloud, request())
    place = {tuple(point): row for row, point in enumerate(cloud["points"].tolist())}
    rows = [place[tuple(point)] for point in row["points"].tolist()]
    np.testing.assert_array_equal(row["labels"], cloud["labels"][rows])
    np.testing.assert_allclose(row["features"], cloud["normals"][rows], atol=1e-6)
    assert sorted(rows) == list(range(100))


def test_too_few_points_are_repeated() -> None:
    row = sample(config(task="parts"), stored(60), request(count=100))
    assert row["points"].shape == (100, 3)
    assert len(np.unique(row["points"], axis=0)) == 60


def test_the_mean_sphere_is_the_released_normalisation() -> None:
    points = sample(config(frame="mean_sphere"), stored(), request(training=False))["points"]
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=1e-6)
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"colors": True}, "no colors"), ({"task": "parts"}, "no labels"), ({"normals": True}, "no normals")],
)
def test_what_a_cloud_lacks_is_named_with_a_way_out(changes: dict[str, Any], missing: str) -> None:
    bare = stored(normals=np.empty((0, 3)), labels=np.empty(0))
    with pytest.raises(ShapesysError, match=f"{missing}; prepare a source that has them"):
        sample(config(**changes), bare, request())


def test_a_network_that_samples_more_points_than_there_are_is_refused() -> None:
    with pytest.raises(ShapesysError, match="20 points are too few for a network that samples 32"):
        sample(config(), stored(), request(count=20))


def test_normals_stay_normal_under_scales_by_axis() -> None:
    angle = np.linspace(0, 2 * np.pi, 50, dtype=np.float32)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    made = Points(ring, normals=ring).scaled(np.array([2.0, 0.5, 1.0], np.float32))
    assert made.normals is not None
    tangent = np.stack([-2.0 * np.sin(angle), 0.5 * np.cos(angle), 0 * angle], axis=1)
    np.testing.assert_allclose((made.normals * tangent).sum(axis=1), 0.0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(made.normals, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("up", ["y", "z"])
def test_a_turn_about_the_up_axis_leaves_heights_alone(up: str) -> None:
    matrix = rotation("up", up, 0.0, 0.0, np.random.default_rng(1))
    axis = "xyz".index(up)
    np.testing.assert_allclose(matrix[axis], np.eye(3)[axis], atol=1e-7)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-5)


def test_random_rotations_are_rotations_and_even() -> None:
    rng = np.random.default_rng(0)
    matrices = np.stack([rotation("any", "y", 0.0, 0.0, rng) for _ in range(4000)])
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (4000, 3, 3)), atol=1e-5
    )
    np.testing.assert_allclose(matrices.mean(axis=0), 0.0, atol=0.04)
    np.testing.assert_allclose(turn(2, np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def room(seed: int = 0) -> dict[str, np.ndarray]:
    """4 m x 3 m of floor, 2 m high, in a frame whose unit is 2.5 m."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform((0, 0, 0), (4, 2, 3), (4000, 3)).astype(np.float32)
    labels = (metres[:, 1] > 1).astype(np.int32)
    return {"points": (metres - (2, 1, 1.5)).astype(np.float32) / 2.5, "normals": np.empty((0, 3)), "labels": labels}


def test_a_block_has_its_side_in_metres_and_stands_on_the_floor() -> None:
    scenes = config(task="scenes", blocks=Blocks(side=1.0), augment=Augmentation(shuffle=False))
    row = sample(scenes, room(), request(count=256, scale=2.5))
    assert row["features"].shape == (256, 3)
    assert np.abs(row["points"][:, [0, 2]]).max() <= 0.5 + 1e-4
    assert 0 <= row["points"][:, 1].min() < 0.1
    assert 1.8 < row["points"][:, 1].max() <= 2.0001
    np.testing.assert_array_equal(row["labels"], row["points"][:, 1] > 1)


def test_overlapping_blocks_cover_every_point() -> None:
    scenes = config(task="scenes", blocks=Blocks(side=1.0, stride=0.5))
    cloud = Points.of(scenes, room())
    covered = np.zeros(4000, int)
    for rows, block in blocks_of(scenes, cloud, 2.5):
        covered[rows] += 1
        assert block.place is not None
        assert block.place.min() >= 0
        assert block.place.max() <= 1
    assert covered.min() >= 1
    assert covered.max() == 4
    assert covered.mean() == pytest.approx((2 * 3 / 4 + 1 / 4) * (2 * 2 / 3 + 1 / 3), rel=0.05)


def test_of_a_sparse_room_the_fullest_block_is_taken() -> None:
    sparse = {name: values[:40] for name, values in room().items()}
    row = sample(config(task="scenes"), sparse, request(scale=2.5))
    assert row["points"].shape == (100, 3)
    counts = [len(rows) for rows, _ in blocks_of(config(task="scenes"), Points.of(config(task="scenes"), sparse), 2.5)]
    assert np.median(counts) <= len(np.unique(row["points"], axis=0)) < 64


def test_a_room_in_millimetres_is_refused_instead_of_cut_for_ever() -> None:
    scenes = config(task="scenes")
    with pytest.raises(ShapesysError, match="bring its file to metres"):
        blocks_of(scenes, Points.of(scenes, room()), 2500.0)


def test_blocks_leave_no_gaps() -> None:
    with pytest.raises(ValueError, match="stride 2 exceeds side 1, so that points lie in no block"):
        Blocks(side=1.0, stride=2.0)
