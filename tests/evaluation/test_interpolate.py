"""Surfaces between two shapes: of a trained run, and of codes whose surfaces are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from untrained import run_of_a_ball

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.interpolate import interpolate
from shapesys.evaluation.interpolation_files import SIZE, strip, write
from shapesys.families import registry
from shapesys.families.base import FieldPrediction, LatentSpace, TrainingData
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.extraction import extract
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.write import write_mesh
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training import run_dir
from shapesys.training.checkpoint import chosen_of, save
from shapesys.training.config import claim, resolve
from shapesys.training.loop import make_optimiser
from shapesys.training.run_dir import RunDirectory, read_json

SETTINGS = EvaluateConfig(resolution=32, observed_queries=512, inference={"iterations": 10})
Knows = Callable[..., None]


@pytest.fixture(scope="module")
def mugs(store: Path) -> dict[str, list[str]]:
    opened = Store.open(str(store))
    return {split: opened.shape_ids(split) for split in ("train", "test")}


@pytest.fixture
def knows_balls(monkeypatch: pytest.MonkeyPatch) -> Knows:
    """Replaces a family's latent space by one number per shape: the radius of a ball, or of none where it is not
    positive. Training shapes have the given radii, and unseen ones the last."""

    def know(name: str, *radii: float, attribute: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        codes = np.array(radii, np.float32)[:, None]

        def decoded(objective: Any, asked: np.ndarray, names: Sequence[str]) -> list[FieldPrediction]:
            balls = [Sphere(float(code[0])) for code in asked]
            shown = balls if attribute is None else [WithAttribute(ball, "saliency", attribute) for ball in balls]
            return [FieldPrediction(name, ball) for name, ball in zip(names, shown, strict=True)]

        latent = LatentSpace(lambda *_: codes[-1:], decoded, lambda objective, rows: codes[list(rows)])
        family = replace(registry.load(name), latent=latent)
        monkeypatch.setattr("shapesys.evaluation.given_shapes.registry.load", lambda asked: family)

    return know


def test_both_ends_are_the_shapes_own_reconstructions(trained: RunDirectory, mugs: dict[str, list[str]]) -> None:
    """Of a trained code, and of one that is found."""
    names = mugs["train"][1], mugs["test"][0]
    found = interpolate(trained, *names, steps=1, settings=SETTINGS)
    assert (found.first.origin, found.second.origin) == ("trained", "found")
    checkpoint = chosen_of(trained)
    evaluator = Evaluator.open(checkpoint, checkpoint.job().data.store, SETTINGS, None)
    for name, step in zip(names, (found.steps[0], found.steps[-1]), strict=True):
        [own] = evaluator.predict([name])
        assert isinstance(own, FieldPrediction)
        expected = extract(own.field, SETTINGS.resolution).mesh
        assert len(expected.faces) > 50
        np.testing.assert_array_equal(step.mesh.vertices, expected.vertices)
        np.testing.assert_array_equal(step.mesh.faces, expected.faces)
        assert step.code_norm == pytest.approx(own.facts["code_norm"], rel=1e-6)


def test_codes_lie_evenly_between_those_of_the_checkpoint(trained: RunDirectory, mugs: dict[str, list[str]]) -> None:
    checkpoint = chosen_of(trained)
    rows = {name: row for row, name in enumerate(checkpoint.shape_ids())}
    stored = load_file(checkpoint.path / "codes.safetensors")["codes.weight"].numpy()
    first, second = mugs["train"][:2]
    found = interpolate(trained, first, second, steps=3, settings=SETTINGS)
    assert [step.fraction for step in found.steps] == [0.0, 0.25, 0.5, 0.75, 1.0]
    for step in found.steps:
        expected = (1 - step.fraction) * stored[rows[first]] + step.fraction * stored[rows[second]]
        np.testing.assert_allclose(step.code, expected, atol=1e-6)
    distances = np.array(found.distances, float)
    assert (distances > 0).all()
    assert (found.mean_distance, found.largest_distance) == (pytest.approx(distances.mean()), distances.max())


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_between_a_shape_and_itself_there_is_only_it(
    trained: RunDirectory, mugs: dict[str, list[str]], path: Any
) -> None:
    shape = mugs["train"][0]
    found = interpolate(trained, shape, shape, steps=2, path=path, settings=SETTINGS)
    for step in found.steps[1:]:
        np.testing.assert_array_equal(step.mesh.vertices, found.steps[0].mesh.vertices)
        np.testing.assert_array_equal(step.mesh.faces, found.steps[0].mesh.faces)
    np.testing.assert_allclose(np.array(found.distances, float), 0.0, atol=1e-6)


def test_a_file_can_stand_for_a_shape(
    trained: RunDirectory, mugs: dict[str, list[str]], store: Path, tmp_path: Path
) -> None:
    mug = Store.open(str(store)).mesh(mugs["train"][0])
    path = write_mesh(Mesh(mug.vertices * 30.0 + 5.0, mug.faces), tmp_path / "mug.ply")
    found = interpolate(trained, str(path), mugs["train"][0], steps=1, settings=SETTINGS)
    assert (found.first.label, found.first.origin) == ("mug", "found")
    # In the normalised frame, not in the file's.
    assert np.abs(found.steps[0].mesh.vertices).max() <= 1.0


def cloud(path: Path, centre: Sequence[float], radius: float) -> str:
    directions = np.random.default_rng(0).normal(size=(400, 3))
    np.savetxt(path, np.asarray(centre) + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True))
    return str(path)


def test_two_files_need_no_store(tmp_path: Path) -> None:
    run = run_of_a_ball(tmp_path, radius=0.8, store=str(tmp_path / "absent"))
    files = cloud(tmp_path / "a.xyz", (5, 0, 0), 2.0), cloud(tmp_path / "b.xyz", (0, 0, 0), 0.1)
    found = interpolate(run, *files, steps=1, settings=SETTINGS)
    assert not any(step.empty for step in found.steps)
    with pytest.raises(ShapesysError, match="absent"):
        interpolate(run, files[0], "ball/unseen", settings=SETTINGS)


def test_shapes_that_lie_anywhere_are_looked_for_about_both(tmp_path: Path, knows_balls: Knows) -> None:
    """In metres about the mean of their points, where the unit box would cut both."""
    knows_balls("sal", 1.4)
    run = run_of_a_ball(tmp_path, radius=0.8, frame="mean")
    small, large = cloud(tmp_path / "a.xyz", (5, 0, 0), 0.3), cloud(tmp_path / "b.xyz", (9, 9, 0), 1.5)
    found = interpolate(run, small, large, steps=1, settings=SETTINGS.override({"resolution": 64}))
    for step in found.steps:
        assert step.cut is None
        assert step.area == pytest.approx(4 * np.pi * 1.4**2, rel=0.01)


def test_numbers_are_those_of_balls_and_an_empty_step_is_told(
    trained: RunDirectory, mugs: dict[str, list[str]], knows_balls: Knows
) -> None:
    knows_balls("issn", -0.45, 0.75, *[0.5] * 10)
    first, second = chosen_of(trained).shape_ids()[:2]
    found = interpolate(trained, first, second, steps=3, settings=SETTINGS.override({"resolution": 64}))
    radii = [-0.45, -0.15, 0.15, 0.45, 0.75]
    for step, radius in zip(found.steps, radii, strict=True):
        assert bool(step.empty) == (radius <= 0)
        assert step.code_norm == pytest.approx(abs(radius), abs=1e-6)
        assert step.area == pytest.approx(4 * np.pi * max(radius, 0) ** 2, rel=0.02)
        assert step.volume == pytest.approx(4 / 3 * np.pi * max(radius, 0) ** 3, rel=0.03)
    assert found.distances[:2] == (None, None)
    np.testing.assert_allclose(np.array(found.distances[2:], float), 0.3, rtol=0.02)
    assert found.mean_distance == pytest.approx(0.3, rel=0.02)
    rows = found.rows()
    assert [row["empty"] for row in rows] == [True] * 2 + [False] * 3
    assert "never cross the level" in rows[1]["reason"]
    assert rows[-1]["chamfer_to_next"] is None


def test_a_surface_that_the_box_cuts_open_has_no_volume(
    trained: RunDirectory, mugs: dict[str, list[str]], knows_balls: Knows
) -> None:
    knows_balls("issn", *[1.2] * 12)
    first, second = mugs["train"][:2]
    opened = interpolate(trained, first, second, steps=1, settings=SETTINGS)
    assert [step.volume for step in opened.steps] == [None] * 3
    assert opened.steps[0].cut
    capped = interpolate(trained, first, second, steps=1, settings=SETTINGS.override({"close_at_box": True}))
    # Of the ball, the box cuts six caps off, each 0.2 high.
    cap = np.pi * 0.2**2 * (3 * 1.2 - 0.2) / 3
    assert capped.steps[0].volume == pytest.approx(4 / 3 * np.pi * 1.2**3 - 6 * cap, rel=0.03)


def test_no_surface_at_all_is_refused_with_the_reason(
    trained: RunDirectory, mugs: dict[str, list[str]], knows_balls: Knows
) -> None:
    knows_balls("issn", *[-0.5] * 12)
    first, second = mugs["train"][:2]
    with pytest.raises(ShapesysError, match=r"no surface from mug/.* to mug/.*: no surface: the field's values run"):
        interpolate(trained, first, second, settings=SETTINGS)


def test_what_is_written_is_one_scale_one_camera_and_no_surface_of_before(
    trained: RunDirectory, knows_balls: Knows, tmp_path: Path
) -> None:
    """Balls whose saliency is their own radius: the smaller is the darker."""
    knows_balls("issn", -0.2, 0.8, *[0.5] * 10, attribute=lambda points: np.linalg.norm(points, axis=1))
    first, second = chosen_of(trained).shape_ids()[:2]
    found = interpolate(trained, first, second, steps=3, settings=SETTINGS)
    picture = strip(found)
    assert picture.shape == (SIZE[0], 5 * SIZE[1], 3)
    cells = [picture[30:, place * SIZE[1] : (place + 1) * SIZE[1]] for place in range(5)]
    assert (cells[0] == 255).all()
    covered = [int((cell != 255).any(axis=2).sum()) for cell in cells]
    assert 0 < covered[2] < covered[3] < covered[4]
    # From viridis' dark blue to its yellow.
    middle = [cell[SIZE[0] // 2 - 30, SIZE[1] // 2].astype(int) for cell in cells[2:]]
    assert middle[0][2] > middle[0][0]
    assert middle[2][0] > middle[2][2]
    told = write(found, tmp_path / "out", {"run": "mugs"})
    assert [row["mesh"] is None for row in told["steps"]] == [True, False, False, False, False]
    assert (tmp_path / "out" / "strip.png").stat().st_size > 1000
    assert read_json(tmp_path / "out" / "interpolation.json") == told
    largest = read_mesh(tmp_path / "out" / "step_04.glb")
    np.testing.assert_allclose(largest.attributes["saliency"], 0.8, atol=0.01)
    (tmp_path / "out" / "step_99.glb").write_bytes(b"somebody's own")
    write(interpolate(trained, first, second, steps=1, settings=SETTINGS), tmp_path / "out", {})
    left = sorted(path.name for path in (tmp_path / "out").glob("*.glb"))
    assert left == ["step_01.glb", "step_02.glb", "step_99.glb"]


def test_a_shape_that_is_not_there_is_named(trained: RunDirectory, mugs: dict[str, list[str]]) -> None:
    known = mugs["train"][0]
    with pytest.raises(UsageError, match=f"unknown shape '{known[:-1]}'; did you mean .*{known[:-1]}"):
        interpolate(trained, known[:-1], known, settings=SETTINGS)
    with pytest.raises(UsageError, match=r"there is no file gone\.ply; give a mesh"):
        interpolate(trained, known, "gone.ply", settings=SETTINGS)
    with pytest.raises(UsageError, match="iteration.*did you mean iterations"):
        interpolate(trained, known, known, settings=SETTINGS.override({"inference": {"iteration": 3}}))


@pytest.mark.parametrize(
    ("family", "preset", "complaint"),
    [
        ("sal", "single", "fits one network to each shape.*family .*issn.*sald"),
        ("pointnet", "tiny", "predicts labels, no surfaces"),
        ("ssn", "tiny", "predicts superpixels, no surfaces"),
    ],
)
def test_a_run_without_codes_is_refused(tmp_path: Path, family: str, preset: str, complaint: str) -> None:
    job = resolve(family, preset, {"data.store": "unused"})
    torch.manual_seed(0)
    vocabulary = Vocabulary(("chair", "mug"))
    objective = registry.load(family).build(job.model, TrainingData(1, vocabulary))
    run = run_dir.create(tmp_path, "plain")
    claim(run, job)
    save(run.checkpoints, 1, job, objective, ["mug/1"], make_optimiser(objective, job.train), vocabulary)
    with pytest.raises(UsageError, match=f"run 'plain' {complaint}"):
        interpolate(run, "mug/1", "mug/2")
