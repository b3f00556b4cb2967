"""Hausdorff matrices against SciPy, on sets whose distances are known, and cut into blocks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from shapesys.metrics import point_sets
from shapesys.metrics.point_sets import assemble, blocks_of, hausdorff_block, hausdorff_matrix


def point_sets_of(count: int, k: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, k, 3))
    return (points / np.linalg.norm(points, axis=2, keepdims=True)).astype(np.float32)


def by_scipy(sets: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m, l) directed distances."""
    sets, others = sets.astype(np.float64), others.astype(np.float64)
    return np.array([[directed_hausdorff(one, other)[0] for other in others] for one in sets])


@pytest.mark.parametrize("k", [1, 2, 10, 33])
def test_equals_scipy(k: int) -> None:
    sets, others = point_sets_of(17, k), point_sets_of(9, 10, seed=1)
    there, back = by_scipy(sets, others), by_scipy(others, sets).T
    found = hausdorff_matrix(sets, others)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.maximum(there, back), abs=1e-6)
    assert hausdorff_matrix(sets, others, directed=True) == pytest.approx(there, abs=1e-6)
    among = by_scipy(sets, sets)
    assert hausdorff_matrix(sets) == pytest.approx(np.maximum(among, among.T), abs=1e-6)
    assert hausdorff_matrix(sets, directed=True) == pytest.approx(among, abs=1e-6)


def test_known_distances() -> None:
    near = np.array([[0.0, 0, 0], [1, 0, 0]])
    far = np.array([[0.0, 0, 0], [4, 0, 0]])
    assert hausdorff_matrix(np.stack([near, far])).tolist() == [[0, 3], [3, 0]]
    assert hausdorff_matrix(near[None], far[None], directed=True) == pytest.approx(1.0)
    assert hausdorff_matrix(far[None], near[None], directed=True) == pytest.approx(3.0)
    apart = np.stack([np.arange(10.0)] * 3, axis=-1)[None]
    assert hausdorff_matrix(apart, apart[:, ::-1] + [0.0, 0.25, 0.0]).item() == 0.25


def test_is_a_metric_and_does_not_ask_for_the_order_of_points() -> None:
    sets = point_sets_of(40, 10)
    found = hausdorff_matrix(sets)
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    assert (found[:, None] <= found[:, :, None] + found[None] + 1e-6).all()
    order = np.random.default_rng(1).permutation(10)
    assert np.array_equal(hausdorff_matrix(sets[:, order]), found)
    assert not hausdorff_matrix(sets, sets[:, order]).diagonal().any()


def test_small_differences_far_from_the_origin_keep_their_digits() -> None:
    sets = np.float32(64) + point_sets_of(12, 10) * np.float32(1e-3)
    there = by_scipy(sets, sets)
    assert hausdorff_matrix(sets) == pytest.approx(np.maximum(there, there.T), rel=1e-6, abs=0)


@pytest.mark.parametrize("size", [1, 7, 30, 64])
def test_blocks_cover_every_pair_once(size: int) -> None:
    seen = np.zeros((30, 30), int)
    for rows, columns in blocks_of(30, size=size):
        assert len(rows) <= size >= len(columns)
        seen[rows.start : rows.stop, columns.start : columns.stop] += 1
    upper = np.triu(np.ones((30, 30), int))
    assert (np.where(upper, seen, 1) == 1).all()
    assert (seen + seen.T)[upper == 0].min() >= 1
    whole = np.zeros((30, 11), int)
    for rows, columns in blocks_of(30, 11, size):
        whole[rows.start : rows.stop, columns.start : columns.stop] += 1
    assert (whole == 1).all()


def test_blocks_strips_and_workers_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = point_sets_of(50, 10)
    whole = hausdorff_matrix(sets)
    monkeypatch.setattr(point_sets, "CACHED", 100)
    for size, workers in ((50, 1), (13, 1), (13, 2), (1, 2)):
        blocks = blocks_of(50, size=size)
        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(lambda at: hausdorff_block(sets[list(at.rows)], sets[list(at.columns)]), blocks))
        assert np.array_equal(assemble(blocks, parts, 50), whole)
    monkeypatch.setattr(point_sets, "BLOCK", 11)
    directed = hausdorff_matrix(sets, directed=True)
    assert np.array_equal(np.maximum(directed, directed.T), whole)
    assert np.array_equal(hausdorff_matrix(sets, sets[:20]), whole[:, :20])


def test_no_sets_give_an_empty_matrix() -> None:
    assert hausdorff_matrix(np.zeros((0, 10, 3))).shape == (0, 0)
    assert hausdorff_matrix(np.zeros((4, 10, 3)), np.zeros((0, 10, 3))).shape == (4, 0)


def test_misuse_is_named() -> None:
    sets = point_sets_of(3, 4)
    with pytest.raises(ValueError, match=r"sets has shape \(4, 3\); expected \(m, k, 3\)"):
        hausdorff_matrix(sets[0])
    with pytest.raises(ValueError, match=r"others has shape \(3, 0, 3\)"):
        hausdorff_matrix(sets, sets[:, :0])
    broken = sets.copy()
    broken[1, 2, 0] = np.inf
    with pytest.raises(ValueError, match="sets holds 1 sets whose coordinates are not finite"):
        hausdorff_block(broken, sets)
    with pytest.raises(ValueError, match="size is 0"):
        blocks_of(3, size=0)
    with pytest.raises(ValueError, match=r"a part has shape \(2, 3\); its block holds 3 x 3 sets"):
        assemble(blocks_of(3), [np.zeros((2, 3), np.float32)], 3)
    with pytest.raises(ValueError, match="zip"):
        assemble(blocks_of(3), [], 3)
