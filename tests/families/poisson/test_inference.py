"""From clouds to surfaces, with a solver that gives a known answer in place of the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from poisson_clouds import ball, seen

from shapesys.errors import MissingExtra, ShapesysError
from shapesys.families.base import TrainingData
from shapesys.families.poisson import FAMILY, library
from shapesys.families.poisson.config import PoissonConfig, PoissonInference
from shapesys.families.poisson.inference import check_points, infer, some_of, trimmed, turned_outward
from shapesys.families.poisson.library import Solution
from shapesys.families.poisson.method import PoissonMethod
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.fields.mesh_field import MeshField
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.training.config import resolve

SURFACE = extract(Sphere(0.7), 24).mesh
ESTIMATED = PoissonConfig(normals="estimated", neighbours=12, orientation_neighbours=7)


def solution() -> Solution:
    """A sphere with more points the higher."""
    return Solution(SURFACE, SURFACE.vertices[:, 2].copy())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the solver and the estimate of normals are asked; the estimate has all normals inward."""
    found: dict[str, Any] = {}

    def solve(points: Floats, normals: Floats, config: PoissonConfig) -> Solution:
        found.update(points=points, normals=normals, config=config)
        return solution()

    def estimate(points: Floats, neighbours: int, orientation_neighbours: int) -> Floats:
        found["neighbours"] = (neighbours, orientation_neighbours)
        return -np.asarray(points, np.float64)

    monkeypatch.setattr(library, "screened_poisson", solve)
    monkeypatch.setattr(library, "estimated_normals", estimate)
    return found


def test_given_normals_go_to_the_solver_as_they_are(asked: dict[str, Any]) -> None:
    points, normals = ball(60)
    config = PoissonConfig(depth=6)
    [prediction] = infer(PoissonMethod(config), [seen(points, -normals)], PoissonInference(), 0)
    np.testing.assert_array_equal(asked["points"], points)
    np.testing.assert_array_equal(asked["normals"], -normals)
    assert asked["config"] == config
    assert "neighbours" not in asked
    assert prediction.shape_id == "ball/1"
    assert prediction.facts == {"points": 60.0}
    assert isinstance(prediction.field, MeshField)
    assert extract(prediction.field, 8).mesh is SURFACE


def test_estimated_normals_are_turned_outward(asked: dict[str, Any]) -> None:
    points, _ = ball(60)
    infer(PoissonMethod(ESTIMATED), [seen(points)], PoissonInference(), 0)
    assert asked["neighbours"] == (12, 7)
    np.testing.assert_allclose(asked["normals"], points)


def test_normals_of_which_few_are_wrong_stay_and_mostly_wrong_ones_turn() -> None:
    points, normals = ball(500)
    few = np.where(points[:, :1] > 0.4, -normals, normals)
    np.testing.assert_array_equal(turned_outward(points, few), few)
    np.testing.assert_array_equal(turned_outward(points, -few), few)


def test_the_same_points_are_chosen_again_and_each_shape_has_its_own(asked: dict[str, Any]) -> None:
    points, normals = ball(500)
    few = PoissonInference(points=100)

    def chosen(name: str, seed: int) -> Floats:
        infer(PoissonMethod(PoissonConfig()), [seen(points, normals, name)], few, seed)
        np.testing.assert_allclose(asked["points"], 0.7 * asked["normals"], rtol=1e-6)
        return np.asarray(asked["points"])

    first = chosen("ball/1", 0)
    assert first.shape == (100, 3)
    assert len(np.unique(first, axis=0)) == 100
    np.testing.assert_array_equal(chosen("ball/1", 0), first)
    assert not np.array_equal(chosen("ball/2", 0), first)
    assert not np.array_equal(chosen("ball/1", 1), first)


def test_fewer_points_than_asked_for_are_all_there_are() -> None:
    np.testing.assert_array_equal(some_of(5, 9, 0), np.arange(5))
    np.testing.assert_array_equal(some_of(5, None, 0), np.arange(5))


def test_trimming_cuts_away_the_share_of_vertices_with_the_least_density() -> None:
    assert trimmed(solution(), 0.0) is SURFACE
    cut = trimmed(solution(), 0.25)
    height = np.quantile(SURFACE.vertices[:, 2], 0.25)
    assert cut.vertices[:, 2].min() == pytest.approx(height, abs=1e-6)
    inner = cut.vertices[:, 2] > height + 1e-6
    assert inner.sum() == (SURFACE.vertices[:, 2] > height).sum()
    assert cut.attributes == {}
    share = cut.face_areas.sum() / SURFACE.face_areas.sum()
    assert share == pytest.approx((0.7 - height) / 1.4, rel=0.02)


def test_a_solver_that_finds_nothing_gives_an_empty_surface(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Solution(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)), np.zeros(0, np.float32))
    monkeypatch.setattr(library, "screened_poisson", lambda *given: nothing)
    [prediction] = infer(PoissonMethod(PoissonConfig()), [seen(*ball(60))], PoissonInference(trim=0.1), 0)
    assert "no face" in str(extract(prediction.field, 8).report.empty)


@pytest.mark.parametrize(
    ("model", "count", "words"),
    [
        (PoissonConfig(), 0, r"'ball/1': 0 points are too few .* takes 10 or more with normals = given"),
        (PoissonConfig(), 9, "9 points are too few"),
        (ESTIMATED, 12, "12 points are too few .* takes 13 or more with normals = estimated"),
    ],
)
def test_too_few_points_are_refused(asked: dict[str, Any], model: PoissonConfig, count: int, words: str) -> None:
    with pytest.raises(ShapesysError, match=words):
        infer(PoissonMethod(model), [seen(*ball(count))], PoissonInference(), 0)
    assert asked == {}


def test_points_at_one_place_are_refused() -> None:
    with pytest.raises(ShapesysError, match=r"all 50 points are at one place, \[0.5, 0.5, 0.5\]"):
        check_points(np.full((50, 3), 0.5, np.float32), PoissonConfig())


def test_a_cloud_without_normals_names_the_way_out(asked: dict[str, Any]) -> None:
    with pytest.raises(ShapesysError, match=r"'ball/1': the cloud has no normals.*--model.normals estimated"):
        infer(PoissonMethod(PoissonConfig()), [seen(ball(50)[0])], PoissonInference(), 0)


def test_a_missing_library_is_no_fault_of_a_shape(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: object) -> Solution:
        raise MissingExtra("no library")

    monkeypatch.setattr(library, "screened_poisson", missing)
    with pytest.raises(MissingExtra, match="^no library$"):
        infer(PoissonMethod(PoissonConfig()), [seen(*ball(50))], PoissonInference(), 0)


def test_columns_follow_from_where_normals_come_from() -> None:
    assert FAMILY.observed(PoissonConfig()).columns == ("points", "normals")
    assert FAMILY.observed(ESTIMATED).columns == ("points",)
    assert FAMILY.observed(ESTIMATED).view == "cloud"
    points, normals = ball(20)
    assert FAMILY.observe_cloud is not None
    assert FAMILY.observe_points is not None
    assert set(FAMILY.observe_cloud(points, normals, PoissonInference(), 0)) == {"points", "normals"}
    assert set(FAMILY.observe_points(points, PoissonInference(), 0)) == {"points"}


def test_presets_say_where_normals_come_from() -> None:
    models = {name: resolve("poisson", name, {"data.store": "unused"}).model for name in FAMILY.presets}
    assert {name: model.normals for name, model in models.items()} == {  # type: ignore[attr-defined]
        "tiny": "given", "paper": "given", "estimated": "estimated",
    }  # fmt: skip


def test_settings_of_estimates_do_nothing_where_normals_are_given() -> None:
    with pytest.raises(ShapesysError, match="'model.neighbours' does nothing where 'model.normals' is 'given'"):
        resolve("poisson", "paper", {"data.store": "unused", "model.neighbours": 10})


def test_it_has_no_loss() -> None:
    method = FAMILY.build(PoissonConfig(), TrainingData(0))
    assert list(method.parameters()) == []
    with pytest.raises(TypeError, match="has no parameters"):
        method({})
