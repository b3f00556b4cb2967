"""Scenes, window by window: what training draws, and what covers a scene of any size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from balls import balls, trained
from torch.profiler import ProfilerActivity, profile

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation, TrainingData
from shapesys.families.convonet import FAMILY
from shapesys.families.convonet.config import ConvONetConfig, ConvONetInference, Schedule
from shapesys.families.convonet.kept import Kept
from shapesys.families.convonet.objective import MOST_IN_VAIN, ConvONetObjective, build
from shapesys.families.convonet.scene import Scene, WindowAnswers, box_about, reflected, windows_of
from shapesys.families.convonet.windows import memory_of_window, training_windows
from shapesys.fields.extraction import ExtractionSettings, extract
from shapesys.fields.windows import Asked, BlendedField, WindowLattice
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.validation import validate
from shapesys.metrics.volume import occupied

WINDOWS = {
    "side": 1.0,
    "core": 0.5,
    "blend": 0.25,
    "window_queries": 200,
    "planes": 0,
    "grid_resolution": 16,
    "input_points": 150,
}
RADIUS = 0.45
CENTRES = np.array([[-1.6, 0.0, 0.0], [0.1, 0.3, 0.0], [3.7, 0.0, 0.2]])


@cache
def network() -> ConvONetObjective:
    """It knows balls, by windows of them."""
    return trained(200, **WINDOWS)


def scene(points_each: int = 400) -> Floats:
    """Three balls in a row, longer than any shape that was trained on."""
    rng = np.random.default_rng(3)
    directions = rng.standard_normal((3, points_each, 3))
    surface = CENTRES[:, None] + RADIUS * directions / np.linalg.norm(directions, axis=2, keepdims=True)
    return surface.reshape(-1, 3).astype(np.float32)


def scene_seen(limit: int = 10_000) -> Scene:
    return Scene.of(network(), torch.from_numpy(scene()), limit, torch.Generator().manual_seed(0))


def inside(points: Floats) -> Floats:
    return np.linalg.norm(points[:, None] - CENTRES, axis=2).min(axis=1) < RADIUS


@cache
def predicted() -> FieldPrediction:
    [found] = FAMILY.infer(network(), [Observation("row", {"points": scene()})], ConvONetInference(level=0.5), 0)
    assert isinstance(found, FieldPrediction)
    return found


def test_training_windows_lie_about_their_centres() -> None:
    config = ConvONetConfig(**{**WINDOWS, "input_noise": 0.0})
    found = training_windows(balls(4, 0, 3000), config)
    assert found.clouds.shape == (4, 150, 3)
    assert found.queries.shape == (4, 200, 3)
    assert found.clouds.abs().max() <= 0.5
    assert found.queries.abs().max() <= 0.5 * 0.5 * 1.25
    assert torch.equal(found.weights, torch.ones(4))
    assert 0.05 < found.inside.float().mean() < 0.95


def test_a_training_window_depends_on_its_own_scene_and_seed() -> None:
    config = ConvONetConfig(**WINDOWS)
    batch = balls(3, 0)
    together = training_windows(batch, config)
    alone = training_windows({name: value[1:2] for name, value in batch.items()}, config)
    for column, one in zip(together, alone, strict=True):
        assert torch.equal(column[1:2], one)
    other = training_windows({**batch, "noise_seed": batch["noise_seed"] + 1}, config)
    assert not torch.equal(together.queries, other.queries)


def test_a_window_without_queries_weighs_nothing() -> None:
    config = ConvONetConfig(**WINDOWS)
    batch = balls(2, 0)
    far = {**batch, "points": batch["points"] + 50.0}
    assert torch.equal(training_windows(far, config).weights, torch.zeros(2))
    assert float(build(config, None)(far).total().detach()) == 0.0  # type: ignore[arg-type]


def test_training_without_any_query_in_a_window_is_stopped() -> None:
    objective, batch = build(ConvONetConfig(**WINDOWS), TrainingData(1)), balls(2, 0)
    far = {**batch, "points": batch["points"] + 50.0}
    for _ in range(MOST_IN_VAIN - 1):
        objective(far)
    objective(batch)
    for _ in range(MOST_IN_VAIN - 1):
        objective(far)
    with pytest.raises(ShapesysError, match=r"in 20 steps no query lay within 0\.\d+ of .*model\.core"):
        objective(far)


def test_a_scene_longer_than_any_shape_is_found() -> None:
    field = predicted().field
    low, high = np.asarray(field.traits.box.low), np.asarray(field.traits.box.high)
    points = np.random.default_rng(0).uniform(low, high, (20_000, 3)).astype(np.float32)
    found, true = occupied(field.values(points), field.traits.level, negative_inside=False), inside(points)
    assert (found & true).sum() / (found | true).sum() > 0.5
    facts = predicted().facts
    assert facts["windows"] > 20
    assert 0 < facts["windows_skipped"] < facts["windows"]


def mesh() -> Mesh:
    found = extract(predicted().field, 160, ExtractionSettings(close_at_box=True)).mesh
    assert not found.is_empty
    return found


def test_its_surface_is_closed_and_bends_no_more_at_borders_than_elsewhere() -> None:
    found = mesh()
    assert validate(found).watertight
    field = predicted().field
    assert isinstance(field, BlendedField)
    bend, where = bends(found)
    place = (where - np.asarray(field.lattice.low)) / field.lattice.core
    to_border = np.abs(place - np.round(place)).min(axis=1) * field.lattice.core
    at_border = to_border < 0.02
    assert at_border.sum() > 200
    assert np.quantile(bend[at_border], 0.99) < 1.5 * np.quantile(bend[~at_border], 0.99)


def bends(found: Mesh) -> tuple[Floats, Floats]:
    """Angle (e,) in degrees between triangles that share an edge, slivers left out, and where the edges are (e, 3)."""
    edges = np.sort(np.concatenate([found.faces[:, [0, 1]], found.faces[:, [1, 2]], found.faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(len(found.faces)), 3)
    order = np.lexsort(edges.T)
    pairs, edges = owner[order].reshape(-1, 2), edges[order][::2]
    kept = found.face_areas[pairs].min(axis=1) > 0.2 * np.median(found.face_areas)
    normals = found.face_normals[pairs[kept]]
    cosine = np.einsum("ij,ij->i", normals[:, 0], normals[:, 1])
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1))), found.vertices[edges[kept]].mean(axis=1)


def answers(scene: Scene, limit: float) -> WindowAnswers:
    """With so many bytes for features."""
    return WindowAnswers(network(), scene, Kept(torch.device("cpu"), limit=limit))


def test_fewer_features_in_memory_change_nothing_but_the_time() -> None:
    made = scene_seen()
    asked = [
        Asked(window, np.random.default_rng(0).uniform(-0.3, 0.3, (50, 3)).astype(np.float32)) for window in made.seeing
    ]
    one_less = (len(asked) - 1) * memory_of_window(network().config).features
    plenty, some, none = (answers(made, limit) for limit in (1e12, one_less, 0.0))
    for _ in range(3):
        for expected, *others in zip(plenty(asked), some(asked), none(asked), strict=True):
            for other in others:
                np.testing.assert_array_equal(expected, other)
    assert plenty.features.made == len(asked)
    assert some.features.made == len(asked) + 2, "of one too many, that one alone is made anew"
    assert none.features.made == 3 * len(asked)


def test_the_answers_can_move_to_another_device() -> None:
    made = answers(scene_seen(), 1e12)
    asked = [Asked(made.scene.seeing[0], np.zeros((3, 3), np.float32))]
    np.testing.assert_array_equal(made(asked)[0], made.to(torch.device("cpu"))(asked)[0])


def test_a_window_sees_no_more_points_than_it_may() -> None:
    plenty, few = scene_seen(), scene_seen(limit=30)
    counts = [len(plenty.points.in_cube(window, 1.0)) for window in plenty.seeing]
    assert max(counts) > 300
    for window, count in zip(plenty.seeing, counts, strict=True):
        assert len(plenty.seen_in(window, 1.0)) == count
        assert torch.equal(few.seen_in(window, 1.0), plenty.seen_in(window, 1.0)[:30])
    [usual] = FAMILY.infer(network(), [Observation("row", {"points": scene(3000)})], ConvONetInference(), 0)
    [told] = FAMILY.infer(network(), [Observation("row", {"points": scene(3000)})], ConvONetInference(points=150), 0)
    [dense] = FAMILY.infer(network(), [Observation("row", {"points": scene(3000)})], ConvONetInference(points=900), 0)
    points = np.random.default_rng(0).uniform((-1.6, 0, 0), (0.1, 0.3, 0.2), (200, 3)).astype(np.float32)
    values = [one.field.values(points) for one in (usual, told, dense) if isinstance(one, FieldPrediction)]
    np.testing.assert_array_equal(values[0], values[1], "as many as in training")
    assert not np.allclose(values[0], values[2])


def test_what_is_reflected_stays_in_the_cube() -> None:
    points = torch.tensor([0.0, 0.4, -0.5, 0.6, -0.7, 1.2, 1.7, -1.6], dtype=torch.float64)
    expected = torch.tensor([0.0, 0.4, -0.5, 0.4, -0.3, -0.2, -0.3, 0.4], dtype=torch.float64)
    torch.testing.assert_close(reflected(points, 1.0), expected)


def test_no_more_points_of_a_window_are_asked_about_than_the_schedule_says() -> None:
    made = scene_seen()

    def asked_about(points: int) -> int:
        schedule = Schedule(points=points, batches=1, surface=2000, off_surface=10)
        [one] = windows_of(network(), made, schedule, torch.Generator().manual_seed(0))()
        return len(set(map(tuple, one.queries[0, :2000].tolist())))

    assert asked_about(20) <= 20 < asked_about(10_000)


def test_processes_share_the_memory_for_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapesys.families.convonet.kept.available_bytes", lambda: 4e9)
    shared = WindowAnswers.by(network(), scene_seen()).shared_by(4)
    for moved in (shared, shared.to(torch.device("cpu"))):
        moved([Asked(moved.scene.seeing[0], np.zeros((3, 3), np.float32))])
        assert moved.features.limit == 2.5e8


def test_windows_take_turns_in_an_optimisation() -> None:
    settings = ConvONetInference(schedule="tiny", batches=3, surface=20, off_surface=30)
    schedule = settings.planned()
    assert schedule is not None
    made = scene_seen(limit=30)
    steps = windows_of(network(), made, schedule, torch.Generator().manual_seed(0))
    asked = [one for _ in range(4) for one in steps()]
    assert len(asked) == 12
    assert all(one.queries.shape == (1, 50, 3) for one in asked)
    # Few points are seen, and queries are of all in the window's core.
    assert all(one.points.shape[1] <= 30 for one in asked)
    assert (
        max(
            len(set(map(tuple, one.queries[0, :20].tolist())) - set(map(tuple, one.points[0].tolist())))
            for one in asked
        )
        > 5
    )
    assert all(float(one.queries[0, :20].abs().max()) <= 0.25 + 1e-6 for one in asked)
    # Off it, they do not leave what the window answers for.
    beyond_the_core = torch.cat([one.queries[0, 20:].abs().amax(dim=1) for one in asked]).sub(0.25)
    assert 0.03 < float(beyond_the_core.max()) <= 0.0625 + 1e-6
    assert len({tuple(one.points[0, 0].tolist()) for one in asked}) > 9


def test_a_scene_is_optimised_as_a_whole() -> None:
    settings = ConvONetInference(schedule="tiny", iterations=15, batches=2, surface=100, off_surface=100)
    [found] = FAMILY.infer(network(), [Observation("row", {"points": scene()})], settings, 0)
    assert isinstance(found, FieldPrediction)
    assert found.curves["loss"].shape == (15,)
    assert found.facts["iterations"] == 15
    assert not extract(found.field, 64).mesh.is_empty


@pytest.mark.parametrize("blend", [0.0, 0.5, 1.0])
def test_no_window_blends_with_nothing_about_the_points(blend: float) -> None:
    config = network().config.model_copy(update={"blend": blend})
    points = scene()
    box = box_about(points, config)
    lattice = WindowLattice.over(box, config.core, blend * config.core)
    shares = lattice.shares(points)
    told = np.bincount(shares.query, shares.share, minlength=len(points))
    np.testing.assert_allclose(told, 1.0, atol=1e-9)
    assert np.subtract(box.high, points.max(axis=0)).min() >= 0.1 * config.core


def test_a_scene_without_points_is_refused() -> None:
    with pytest.raises(ShapesysError, match="'none' has no points"):
        FAMILY.infer(network(), [Observation("none", {"points": scene()[:0]})], ConvONetInference(), 0)


def test_memory_of_a_window_is_predicted() -> None:
    config = ConvONetConfig(planes=0, grid_resolution=32, grid_levels=3, core=0.3, side=0.8)
    made = build(config, None).eval()  # type: ignore[arg-type]
    cloud = torch.rand(1, 3000, 3) - 0.5
    expected = memory_of_window(config)
    with torch.no_grad():
        table = made.encoder(cloud)
        encoding = _peak(lambda: made.encoder(cloud))
    assert expected.features == table.numel() * 4
    assert expected.encoding / 2 < encoding < 2 * expected.encoding
    optimising = _peak(lambda: made.encoder(cloud).sum().backward())
    assert expected.optimising / 2 < optimising < 2 * expected.optimising


def _peak(work: object) -> float:
    """Bytes that torch holds at most during some work, beyond what it held before."""
    assert callable(work)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held = most = 0.0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda one: one.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most
