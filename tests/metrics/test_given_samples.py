"""Surfaces that are known by samples alone."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.metrics.surface import SurfaceSettings, surface_metrics

SETTINGS = SurfaceSettings(conventions=("onet.chamfer_l1", "deepsdf"), samples=3000)
BALL, SMALLER = (extract(Sphere(radius=radius), 48).mesh for radius in (0.5, 0.45))


def test_samples_of_a_surface_measure_as_the_surface_does() -> None:
    given = sample_surface(BALL, 20_000, 5, stratified=False)
    from_samples, from_mesh = (surface_metrics(SMALLER, truth, SETTINGS).values for truth in (given, BALL))
    assert from_samples.keys() == from_mesh.keys()
    for name, value in from_mesh.items():
        assert from_samples[name] == pytest.approx(value, rel=0.1, abs=0.03), name


def test_there_are_no_more_samples_than_were_given() -> None:
    given = sample_surface(BALL, 1000, 5)
    records = surface_metrics(SMALLER, given, SETTINGS).records
    assert {(record.count_predicted, record.count_true) for record in records} == {(3000, 1000)}
    # A second sampling would hold points of the first, at distance 0.
    assert all(record.floor is None for record in records)
    assert all(record.definition["truth"] == "given samples" for record in records)


def test_a_floor_takes_samples_of_its_own() -> None:
    few = SurfaceSettings(conventions=("onet.chamfer_l1",), samples=400)
    given = sample_surface(BALL, 1000, 5, stratified=False)
    [floor] = [r.floor for r in surface_metrics(BALL, given, few).records if r.name == "chamfer/onet.chamfer_l1"]
    assert floor is not None
    assert floor > 0.0
    same = SurfaceSample(given.points[::-1].copy(), given.normals[::-1].copy(), given.faces)
    assert surface_metrics(BALL, given, few).values == pytest.approx(
        surface_metrics(BALL, same, few).values, rel=0.2, abs=0.05
    )
    assert np.isfinite(floor)
