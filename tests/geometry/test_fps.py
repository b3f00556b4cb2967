"""Farthest point sampling: every path equals the naive greedy loop."""

import numpy as np
import pytest
import torch

from shapesys.errors import UsageError
from shapesys.geometry.fps import farthest_points
from shapesys.geometry.morton import morton_order

PATHS = ["numpy", "warp", "torch"]


def sample(path: str, points: np.ndarray, count: int, start: int | np.ndarray = 0) -> np.ndarray:
    if path == "torch":
        return farthest_points(torch.from_numpy(points), count, torch.as_tensor(start)).numpy()
    if path == "warp":
        pytest.importorskip("warp")
    return farthest_points(points, count, start, path)  # type: ignore[arg-type]


def naive(points: np.ndarray, count: int, at: int) -> list[int]:
    """The definition, with a taken point barred from being taken again."""
    chosen: list[int] = []
    nearest = np.full(len(points), np.inf, np.float32)
    for _ in range(count):
        chosen.append(at)
        x, y, z = (points - points[at]).T
        nearest = np.minimum(nearest, (x * x + y * y) + z * z)
        nearest[chosen] = -1
        at = int(np.flatnonzero(nearest == nearest.max())[0])
    return chosen


def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(5000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    lattice = np.stack(np.meshgrid(*[np.arange(9.0)] * 3), axis=-1).reshape(-1, 3)
    return {
        "sphere": sphere.astype(np.float32),
        "lattice full of ties": rng.permutation(lattice).astype(np.float32),
        "clusters": (rng.normal(size=(900, 3)) * 10.0 ** rng.integers(-4, 2, (900, 1))).astype(np.float32),
        "few distinct places": rng.integers(0, 4, (2000, 3)).astype(np.float32),
        "one place": np.full((400, 3), 0.25, np.float32),
        "one point": np.zeros((1, 3), np.float32),
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", list(clouds()))
def test_equals_the_naive_loop(case: str, path: str) -> None:
    points = clouds()[case]
    count, start = min(len(points), 300), len(points) // 2
    assert sample(path, points, count, start).tolist() == naive(points, count, start)


@pytest.mark.parametrize("path", PATHS)
def test_duplicates_come_last_and_no_index_comes_twice(path: str) -> None:
    points = clouds()["few distinct places"]
    distinct = len(np.unique(points, axis=0))
    indices = sample(path, points, len(points), 7)
    assert len(np.unique(points[indices[:distinct]], axis=0)) == distinct
    assert np.array_equal(np.sort(indices), np.arange(len(points)))


@pytest.mark.parametrize("path", PATHS)
def test_fewer_samples_are_a_prefix_of_more(path: str) -> None:
    points = clouds()["sphere"]
    assert np.array_equal(sample(path, points, 400, 3)[:100], sample(path, points, 100, 3))


@pytest.mark.parametrize("path", PATHS)
def test_a_batch_is_its_clouds_one_by_one(path: str) -> None:
    batch = clouds()["sphere"].reshape(4, 1250, 3)
    starts = np.array([0, 5, 1249, 8])
    together = sample(path, batch, 64, starts)
    assert together.shape == (4, 64)
    for cloud, start, row in zip(batch, starts, together, strict=True):
        assert np.array_equal(row, sample(path, cloud, 64, int(start)))


@pytest.mark.parametrize("path", PATHS)
def test_covering_radius_shrinks_as_on_a_sphere(path: str) -> None:
    points = clouds()["sphere"]
    chosen = points[sample(path, points, 256)]
    cover = np.sqrt(((points[:, None] - chosen[None]) ** 2).sum(axis=2).min(axis=1).max())
    # 256 caps of this radius have an area of at least the sphere's, and greedy is within twice the optimum.
    assert np.sqrt(4 / 256) * 0.9 < cover < 2 * np.sqrt(2 * 4 / 256)


def test_the_default_backend_compiles_large_requests_without_changing_them() -> None:
    pytest.importorskip("warp")
    points = np.random.default_rng(2).random((20_000, 3)).astype(np.float32)
    assert np.array_equal(farthest_points(points, 60), farthest_points(points, 60, 0, "numpy"))


def test_morton_order_is_a_permutation_with_short_steps() -> None:
    points = clouds()["sphere"]
    order = morton_order(points)
    assert np.array_equal(np.sort(order), np.arange(len(points)))
    step = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
    assert step < 0.1 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()


@pytest.mark.parametrize("path", PATHS)
def test_misuse_is_named(path: str) -> None:
    points = np.random.default_rng(0).random((10, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=r"count is 11; a cloud of 10 points gives 0\.\.10"):
        sample(path, points, 11)
    with pytest.raises(ValueError, match="start is"):
        sample(path, points, 3, 10)
    with pytest.raises(ValueError, match="not finite"):
        sample(path, points * np.float32(np.nan), 3)
    with pytest.raises(ValueError, match="points has shape"):
        sample(path, points[:, :2], 3)
    assert sample(path, points, 0).shape == (0,)


def test_unknown_backend() -> None:
    with pytest.raises(UsageError, match="did you mean numpy"):
        farthest_points(np.zeros((2, 3)), 1, 0, "numpi")  # type: ignore[call-overload]
