"""Shares, spread, domain and determinism of the query sampler."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from damage import blob

from shapesys.errors import ShapeRejected
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.query_sampling import Domain, NearSurface, QuerySampling, sample_queries


def test_defaults_are_the_published_numbers() -> None:
    sampling = QuerySampling()
    assert sampling.count == 250_000
    assert [part.std**2 for part in sampling.near] == pytest.approx([0.005, 0.0005])
    assert sum(part.share for part in sampling.near) == pytest.approx(47 / 50)
    assert sampling.domain is Domain.BALL


def test_settings_survive_json() -> None:
    stored = json.loads(json.dumps(QuerySampling(count=10, domain=Domain.CUBE).as_metadata()))
    assert stored["count"] == 10
    assert stored["domain"] == "cube"
    assert stored["near"][1] == {"std": math.sqrt(0.0005), "share": 0.47}


@pytest.mark.parametrize("domain", list(Domain))
def test_every_query_lies_in_the_domain(domain: Domain) -> None:
    points = sample_queries(blob(3), QuerySampling(count=20_000, domain=domain), seed=1)
    assert points.shape == (20_000, 3)
    assert points.dtype == np.float32
    reach = np.linalg.norm(points, axis=1) if domain is Domain.BALL else np.abs(points).max(axis=1)
    assert reach.max() <= 1.0 + 1e-6
    assert reach.max() > 0.97


def test_shares_and_spread_are_as_asked() -> None:
    """Noise of std s about a nearly flat surface has normal distance |N(0, s)|: median 0.674 s."""
    mesh = blob(3).with_vertices(blob(3).vertices * 0.5)
    sampling = QuerySampling(count=40_000, near=(NearSurface(0.01, 0.5), NearSurface(0.0, 0.25)))
    distance = MeshDistance(mesh).closest(sample_queries(mesh, sampling, seed=0)).distance
    on_surface = distance < 1e-6
    assert on_surface.mean() == pytest.approx(0.25, abs=0.005)
    near = distance[(distance < 0.04) & ~on_surface]
    assert np.median(near) == pytest.approx(0.00674, rel=0.15)
    assert (distance > 0.05).mean() == pytest.approx(0.25, abs=0.06)


def test_uniform_points_fill_the_ball_evenly() -> None:
    points = sample_queries(blob(2), QuerySampling(count=50_000, near=()), seed=0)
    radius = np.linalg.norm(points, axis=1)
    assert np.mean(radius**3) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=0.01)


def test_each_prefix_is_a_fair_sample() -> None:
    mesh = blob(3)
    points = sample_queries(mesh, QuerySampling(count=20_000), seed=0)
    distance = MeshDistance(mesh).closest(points).distance
    assert distance[:4000].mean() == pytest.approx(distance.mean(), rel=0.08)


def test_seeds_decide_everything() -> None:
    mesh, sampling = blob(2), QuerySampling(count=1000)
    np.testing.assert_array_equal(sample_queries(mesh, sampling, 3), sample_queries(mesh, sampling, 3))
    assert not np.array_equal(sample_queries(mesh, sampling, 3), sample_queries(mesh, sampling, 4))


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_small_counts_are_met_exactly(count: int) -> None:
    assert sample_queries(blob(1), QuerySampling(count=count), 0).shape == (count, 3)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"count": -1}, "count is -1"),
        ({"near": (NearSurface(-0.1, 0.5),)}, "std=-0.1"),
        ({"near": (NearSurface(0.1, 0.6), NearSurface(0.1, 0.6))}, "more than 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        QuerySampling(**settings)


def test_a_mesh_beyond_the_domain_is_rejected() -> None:
    far = blob(1).with_vertices(blob(1).vertices + 10.0)
    with pytest.raises(ShapeRejected, match="normalise"):
        sample_queries(far, QuerySampling(count=100), 0)


def test_an_empty_mesh_is_rejected() -> None:
    with pytest.raises(ShapeRejected, match="no faces"):
        sample_queries(Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=int)), QuerySampling(count=100), 0)
