"""Surface metrics against geometry whose answers are known."""

import math
import re

import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist

from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.metrics.conventions import convention
from shapesys.metrics.pair import (
    SurfacePair,
    chamfer,
    expected_floor,
    fscore,
    hausdorff,
    normal_consistency,
    pair_surfaces,
)
from shapesys.metrics.surface import SurfaceSettings, Threshold, surface_metrics

FEW = SurfaceSettings(samples=8000)


def sphere(radius: float = 1.0) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces))


def square(height: float = 0.0, flipped: bool = False) -> Mesh:
    vertices = np.array([[0, 0, height], [1, 0, height], [1, 1, height], [0, 1, height]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Mesh(vertices, faces[:, ::-1] if flipped else faces)


def pair_of(accuracy: list[float], completeness: list[float]) -> SurfacePair:
    near, far = np.array(accuracy, np.float32), np.array(completeness, np.float32)
    return SurfacePair(near, far, np.ones_like(near), np.ones_like(far))


def test_concentric_spheres_are_their_gap_apart() -> None:
    gap = 0.2
    scores = surface_metrics(sphere(1 + gap), sphere(1.0), FEW).values
    # In the unit cube of the truth, whose longest side is 2. A neighbour sits beside the foot point: mean square
    # offset 1 / (pi density) on the sphere between, so squares come out a little above the gap's.
    squared = gap**2 + (1 + gap) * 4 * math.pi / (math.pi * 8000)
    assert scores["chamfer/onet.chamfer_l1"] == pytest.approx(math.sqrt(squared) / 2, rel=3e-3)
    assert scores["chamfer/tdgn"] == pytest.approx(10 * scores["chamfer/onet.chamfer_l1"])
    assert scores["chamfer/onet.chamfer_l2"] == pytest.approx(squared / 4, rel=5e-3)
    assert scores["chamfer/deepsdf"] == pytest.approx(2 * squared, rel=5e-3)
    assert scores["normal_consistency/onet"] == pytest.approx(1.0, abs=2e-3)
    assert 1.0 < scores["hausdorff/unit_sphere"] / (gap / 1.03) < 1.15


def test_parallel_squares_and_flipped_normals() -> None:
    above, below = sample_surface(square(0.25), 6000, 1), sample_surface(square(flipped=True), 6000, 2)
    pair = pair_surfaces(above, below)
    assert chamfer(pair, convention("onet.chamfer_l1")) == pytest.approx(0.25, rel=2e-3)
    assert chamfer(pair, convention("sald.recon_to_truth"), unit=0.5) == pytest.approx(0.5, rel=2e-3)
    assert normal_consistency(pair) == pytest.approx(1.0)
    assert normal_consistency(pair, "signed") == pytest.approx(-1.0)
    assert normal_consistency(pair, "pytorch3d") == pytest.approx(0.0, abs=1e-6)
    assert fscore(pair, 0.24, strict=False).fscore == 0.0
    assert fscore(pair, 0.26, strict=False).fscore == 1.0


@pytest.mark.parametrize("flipped", [False, True])
def test_one_flip_of_all_normals_is_decided_by_the_majority(flipped: bool) -> None:
    """A quarter of the sphere faces the wrong way; the whole may be inside out beside that."""
    ball = sphere()
    wrong = (ball.triangles.mean(axis=1)[:, :2] > 0).all(axis=1) != flipped
    mixed = Mesh(ball.vertices, np.where(wrong[:, None], ball.faces[:, ::-1], ball.faces))
    settings = SurfaceSettings(samples=8000, normals=("onet", "signed", "majority"))
    found = surface_metrics(mixed, ball, settings).values
    assert found["normal_consistency/onet"] == pytest.approx(1.0, abs=2e-3)
    assert found["normal_consistency/majority"] == pytest.approx(0.5, abs=0.03)
    assert found["normal_consistency/signed"] == pytest.approx(-0.5 if flipped else 0.5, abs=0.03)
    assert found["normal_consistency/majority/floor"] == found["normal_consistency/signed/floor"] > 0.99


def test_strictness_decides_at_the_threshold_alone() -> None:
    pair = pair_of([0.01, 0.01, 0.02, 0.005], [0.01, 0.5])
    inclusive, strict = fscore(pair, 0.01, strict=False), fscore(pair, 0.01, strict=True)
    assert (inclusive.precision, inclusive.recall) == (0.75, 0.5)
    assert inclusive.fscore == pytest.approx(0.6)
    assert (strict.precision, strict.recall, strict.fscore) == (0.25, 0.0, 0.0)
    assert fscore(pair, 0.005, strict=False, unit=2.0) == inclusive


def test_hausdorff_is_the_worse_direction() -> None:
    assert hausdorff(pair_of([0.1, 0.2], [0.5, 0.1])) == pytest.approx(0.5)
    assert hausdorff(pair_of([0.7], [0.5]), unit=2.0) == pytest.approx(0.35)


def test_pair_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    one, two = (sample_surface(sphere(radius), 700, int(rng.integers(99))) for radius in (1.0, 1.1))
    distances = cdist(one.points, two.points)
    pair = pair_surfaces(one, two)
    assert pair.accuracy == pytest.approx(distances.min(axis=1), rel=1e-5)
    assert pair.completeness == pytest.approx(distances.min(axis=0), rel=1e-5)
    cosines = (one.normals * two.normals[distances.argmin(axis=1)]).sum(axis=1)
    assert pair.accuracy_cosine == pytest.approx(cosines, abs=1e-6)
    squares = (distances.min(axis=1) ** 2).mean() + (distances.min(axis=0) ** 2).mean()
    assert chamfer(pair, convention("deepsdf")) == pytest.approx(squares, rel=1e-5)


def test_order_of_the_samples_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    one, two = sample_surface(sphere(), 5000, 0), sample_surface(sphere(1.05), 5000, 1)
    order = rng.permutation(5000)
    shuffled = SurfaceSample(one.points[order], one.normals[order], one.faces[order])
    plain, mixed = pair_surfaces(one, two), pair_surfaces(shuffled, two)
    assert np.array_equal(plain.completeness, mixed.completeness)
    assert np.array_equal(plain.accuracy[order], mixed.accuracy)
    name = convention("onet.chamfer_l1")
    assert chamfer(plain, name) == pytest.approx(chamfer(mixed, name), rel=1e-9)


def test_swapping_the_surfaces_swaps_the_directions() -> None:
    one, two = sample_surface(sphere(), 3000, 0), sample_surface(square(), 3000, 1)
    there, back = pair_surfaces(one, two), pair_surfaces(two, one)
    assert np.array_equal(there.accuracy, back.completeness)
    assert hausdorff(there) == hausdorff(back)
    for name in ("onet.chamfer_l1", "deepsdf"):
        assert chamfer(there, convention(name)) == pytest.approx(chamfer(back, convention(name)), rel=1e-9)


def test_floor_is_half_the_root_of_area_per_sample() -> None:
    settings = SurfaceSettings(samples=8000, conventions=("onet.chamfer_l1", "convonet"))
    scores = surface_metrics(sphere(), sphere(), settings).values
    expected = expected_floor(math.pi, 8000)  # the area of a sphere of diameter 1
    assert scores["chamfer/onet.chamfer_l1/floor"] == pytest.approx(expected, rel=0.03)
    assert scores["chamfer/onet.chamfer_l1"] == pytest.approx(expected, rel=0.03)
    assert scores["chamfer/convonet/floor"] == pytest.approx(10 * scores["chamfer/onet.chamfer_l1/floor"])


def test_stratified_samples_have_a_lower_floor() -> None:
    settings = SurfaceSettings(samples=8000, sampling="stratified", conventions=("onet.chamfer_l1",))
    record = surface_metrics(sphere(), sphere(), settings).records[0]
    expected = expected_floor(math.pi, 8000)
    assert record.floor is not None
    assert 0.85 * expected < record.floor < 0.97 * expected
    assert record.sampling == "stratified"


def test_a_uniform_scale_changes_only_the_object_frame() -> None:
    normalisation = Normalisation((1.0, 2.0, 3.0), 4.0)
    plain = surface_metrics(sphere(1.1), sphere(), FEW).values
    known = surface_metrics(sphere(1.1), sphere(), FEW, normalisation).values
    tripled = surface_metrics(sphere(3.3), sphere(3.0), FEW).values
    assert known["chamfer/deepsdf"] == pytest.approx(16 * plain["chamfer/deepsdf"])
    assert tripled["chamfer/deepsdf"] == pytest.approx(9 * plain["chamfer/deepsdf"], rel=1e-5)
    for name in plain:
        if "deepsdf" not in name:
            assert known[name] == plain[name]
            assert tripled[name] == pytest.approx(plain[name], rel=1e-4)


def test_records_tell_how_the_number_was_made() -> None:
    settings = SurfaceSettings(samples=500, seed=9, thresholds=(Threshold(0.02, strict=True, frame="unit_sphere"),))
    records = {record.name: record for record in surface_metrics(sphere(1.1), sphere(), settings).records}
    l1, f = records["chamfer/onet.chamfer_l1"].to_json(), records["fscore/lt0.02:unit_sphere"].to_json()
    assert (l1["count_predicted"], l1["count_true"], l1["seed"], l1["frame"]) == (500, 500, 9, "unit_cube")
    assert l1["unit"] == pytest.approx(2.0, rel=1e-4)
    assert l1["definition"]["combine"] == "half_sum"
    assert l1["definition"]["squared"] is False
    assert l1["floor"] > 0
    assert f["definition"] == {"value": 0.02, "strict": True, "frame": "unit_sphere"}
    assert f["unit"] == pytest.approx(1.03, rel=1e-3)
    assert all(re.fullmatch(r"[\w.:/ -]+", name) for name in records)


def test_each_convention_takes_its_own_count() -> None:
    counts = {name: SurfaceSettings().counts(convention(name)) for name in ("deepsdf", "onet.chamfer_l1", "pytorch3d")}
    assert counts == {"deepsdf": (30_000,) * 2, "onet.chamfer_l1": (100_000,) * 2, "pytorch3d": (100_000,) * 2}
    assert SurfaceSettings(samples=7).counts(convention("deepsdf")) == (7, 7)


def test_the_seed_repeats_and_matters() -> None:
    first, again, other = (
        surface_metrics(sphere(1.1), sphere(), SurfaceSettings(samples=800, seed=seed)).values for seed in (3, 3, 4)
    )
    assert first == again
    assert first["chamfer/onet.chamfer_l1"] != other["chamfer/onet.chamfer_l1"]


@pytest.mark.parametrize("faces", [np.zeros((0, 3), int), np.array([[0, 0, 1]])])
def test_an_empty_prediction_scores_the_documented_constants(faces: np.ndarray) -> None:
    empty = Mesh(np.zeros((2, 3), np.float32), faces)
    scores = surface_metrics(empty, sphere(), FEW)
    assert scores.status == "empty"
    assert "no faces" in scores.reason or "area is 0" in scores.reason
    values = scores.values
    assert values["chamfer/onet.chamfer_l1"] == pytest.approx(math.sqrt(3))
    assert values["chamfer/onet.chamfer_l2"] == pytest.approx(3)
    assert values["normal_consistency/onet"] == -1
    assert values["fscore/le0.01:unit_cube"] == 0
    assert math.isnan(values["chamfer/deepsdf"])
    assert values["chamfer/onet.chamfer_l1/floor"] > 0
    assert scores.records[0].definition["scored_as"] == "onet"
    undefined = surface_metrics(empty, sphere(), SurfaceSettings(samples=50, empty="nan", floor=False)).values
    assert all(math.isnan(value) for value in undefined.values())


def test_misuse_is_named() -> None:
    with pytest.raises(ShapeRejected, match="no faces|no finite extent"):
        surface_metrics(sphere(), Mesh(np.zeros((3, 3)), np.zeros((0, 3), int)), FEW)
    with pytest.raises(UsageError, match=r"did you mean deepsdf"):
        surface_metrics(sphere(), sphere(), SurfaceSettings(conventions=("deepsfd",), samples=10))
    with pytest.raises(UsageError, match="did you mean onet"):
        surface_metrics(sphere(), sphere(), SurfaceSettings(normals=("onnet",), samples=10))
    with pytest.raises(UsageError, match="did you mean stratified"):
        SurfaceSettings(sampling="stratifed")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples is 0"):
        SurfaceSettings(samples=0)
