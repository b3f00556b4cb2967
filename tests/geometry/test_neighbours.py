"""Every neighbour search gives brute force's answer."""

import numpy as np
import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.geometry.neighbours import k_nearest, nearest, nearest_lowest, nearest_other

PACKAGES = {"scipy": "scipy", "pykdtree": "pykdtree", "grid": "warp"}


@pytest.fixture(params=list(PACKAGES))
def search(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(PACKAGES[request.param])
    return request.param


def brute_force(points: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squared = ((queries[:, None].astype(np.float64) - points[None]) ** 2).sum(axis=2)
    return np.sqrt(squared.min(axis=1)), squared.argmin(axis=1)


def clouds() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(3000, 3)).astype(np.float32)
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    volume = rng.random((1500, 3)).astype(np.float32)
    line = np.outer(rng.random(1000), [1, 0, 0]).astype(np.float32)
    outlier = np.concatenate([volume * 1e-3, [[500.0, 0, 0]]]).astype(np.float32)
    return {
        "sphere to itself, shifted": (sphere, sphere + np.float32(0.01)),
        "far apart": (sphere, sphere * np.float32(0.1) + np.float32(7)),
        "inside to shell": (sphere, 0.05 * volume),
        "volume, queries outside": (volume, 3 * volume - 1),
        "a line": (line, volume),
        "an outlier": (outlier, volume * np.float32(1e-3)),
        "one place": (np.ones((50, 3), np.float32), volume),
        "one point": (np.zeros((1, 3), np.float32), volume),
        "far from the origin": (sphere + np.float32(64), sphere[::-1] + np.float32(64.03)),
    }


@pytest.mark.parametrize("case", list(clouds()))
def test_matches_brute_force(case: str, search: str) -> None:
    points, queries = clouds()[case]
    found = nearest(points, queries, search)
    distances, indices = brute_force(points, queries)
    assert found.distances == pytest.approx(distances, rel=2e-6, abs=1e-7)
    chosen = np.linalg.norm(queries.astype(np.float64) - points[found.indices], axis=1)
    assert chosen == pytest.approx(distances, rel=2e-6, abs=1e-7)
    if case == "sphere to itself, shifted":
        assert np.array_equal(found.indices, indices)
    assert found.distances.dtype == np.float32
    assert found.indices.dtype == np.int64


def test_grid_breaks_ties_to_the_lowest_index() -> None:
    pytest.importorskip("warp")
    lattice = np.stack(np.meshgrid(*[np.arange(12.0)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
    points = np.concatenate([lattice, lattice])[np.random.default_rng(0).permutation(2 * len(lattice))]
    queries = lattice + np.float32(0.5)
    assert np.array_equal(nearest(points, queries, "grid").indices, brute_force(points, queries)[1])


@pytest.mark.parametrize("k", [1, 5, 40])
def test_k_nearest_matches_sorted_brute_force(k: int, search: str) -> None:
    rng = np.random.default_rng(1)
    points, queries = rng.random((40, 3)), rng.random((30, 3))
    found = k_nearest(points, queries, k, search)
    squared = ((queries[:, None] - points[None]) ** 2).sum(axis=2)
    assert found.indices.shape == (30, k)
    assert found.distances == pytest.approx(np.sqrt(np.sort(squared, axis=1)[:, :k]), rel=1e-5)


def tied_clouds() -> dict[str, np.ndarray]:
    """Clouds whose ties are settled by the first candidates, by more of them, and by brute force."""
    rng = np.random.default_rng(2)
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    return {
        "none": rng.random((300, 3)),
        "pairs": np.repeat(rng.random((100, 3)), 2, axis=0)[rng.permutation(200)],
        "lattice": lattice[rng.permutation(len(lattice))],
        "crowds and a lattice": np.concatenate([np.repeat(lattice[:2], 30, axis=0), lattice[2:]]),
        "one place": np.ones((40, 3)),
        "two points": rng.random((2, 3)),
        "three in one place": np.ones((3, 3)),
    }


@pytest.mark.parametrize("case", list(tied_clouds()))
def test_the_lowest_of_the_nearest(case: str) -> None:
    points = tied_clouds()[case].astype(np.float32).astype(np.float64)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    assert np.array_equal(nearest_lowest(points, points).indices, squared.argmin(axis=1))
    np.fill_diagonal(squared, np.inf)
    assert np.array_equal(nearest_other(points), squared.argmin(axis=1))


def test_no_queries_give_no_neighbours(search: str) -> None:
    found = nearest(np.ones((5, 3)), np.zeros((0, 3)), search)
    assert found.distances.shape == found.indices.shape == (0,)
    assert nearest_lowest(np.ones((5, 3)), np.zeros((0, 3))).indices.shape == (0,)


def test_misuse_is_named() -> None:
    good = np.zeros((4, 3))
    with pytest.raises(ValueError, match="points holds 0 points"):
        nearest(np.zeros((0, 3)), good)
    with pytest.raises(ValueError, match="queries holds 1 points that are not finite"):
        nearest(good, np.array([[np.nan, 0, 0]]))
    with pytest.raises(ValueError, match=r"queries has shape \(4, 2\)"):
        nearest(good, np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"k is 5; it must be within 1\.\.4"):
        k_nearest(good, good, 5)
    with pytest.raises(UsageError, match="did you mean scipy"):
        nearest(good, good, "scypy")  # type: ignore[arg-type]


def test_auto_takes_the_portable_tree_where_nothing_else_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    points, queries = rng.random((5000, 3)), rng.random((5000, 3))
    usual = nearest(points, queries)
    monkeypatch.setattr("shapesys.geometry.neighbours.installed", lambda package: False)
    bare = nearest(points, queries)
    assert np.array_equal(usual.indices, bare.indices)
    assert usual.distances == pytest.approx(bare.distances, rel=1e-6)
    with pytest.raises(ShapesysError, match=r"pip install 'shapesys\[sampling\]'"):
        nearest(points, queries, "grid")
    with pytest.raises(ValueError, match="optional package pykdtree"):
        nearest(points, queries, "pykdtree")
