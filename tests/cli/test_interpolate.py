"""`shapesys interpolate` on balls: what codes stand for is replaced, all else is real."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_support import TINY, invoke

from shapesys.families import registry
from shapesys.families.base import FieldPrediction, LatentSpace
from shapesys.fields.analytic import Sphere
from shapesys.geometry.io import read_mesh
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.run_dir import RunDirectory

RADII = np.array([[-0.3], [0.9], [0.5], [0.5]], np.float32)
"""Of the four training shapes; the first is none."""


def decoded(objective: Any, codes: np.ndarray, names: Sequence[str]) -> list[FieldPrediction]:
    return [FieldPrediction(name, Sphere(float(code[0]))) for name, code in zip(names, codes, strict=True)]


@pytest.fixture
def known_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    latent = LatentSpace(lambda *_: np.array([[0.6]], np.float32), decoded, lambda objective, rows: RADII[list(rows)])
    family = replace(registry.load("issn"), latent=latent)
    monkeypatch.setattr("shapesys.evaluation.given_shapes.registry.load", lambda name: family)


@pytest.fixture
def ids(trained: Path) -> list[str]:
    return chosen_of(RunDirectory(trained)).shape_ids()


def data_of(*words: object) -> dict[str, Any]:
    result = invoke("interpolate", *words, "--resolution", 32, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("known_surfaces")
def test_picture_meshes_and_numbers_lie_in_the_run_or_where_one_asks(
    trained: Path, ids: list[str], tmp_path: Path
) -> None:
    found = data_of(trained, ids[1], ids[2], "--steps", 3)
    names = [name.replace("/", "__") for name in ids[1:3]]
    folder = trained / "interpolation" / "--".join(names)
    assert (found["folder"], found["picture"]) == (str(folder), str(folder / "strip.png"))
    assert found["first"] == {"shape": ids[1], "code": "trained"}
    assert [row["fraction"] for row in found["steps"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    for row, radius in zip(found["steps"], (0.9, 0.8, 0.7, 0.6, 0.5), strict=True):
        vertices = read_mesh(Path(row["mesh"])).vertices
        assert np.linalg.norm(vertices, axis=1).mean() == pytest.approx(radius, rel=0.01)
        assert row["code_norm"] == pytest.approx(radius)
    elsewhere = data_of(trained, ids[1], ids[2], "--steps", 1, "--out", tmp_path / "mine")
    assert len(list((tmp_path / "mine").glob("step_*.glb"))) == 3
    assert Path(elsewhere["picture"]).parent == tmp_path / "mine"


@pytest.mark.usefixtures("known_surfaces")
def test_a_person_reads_of_empty_surfaces_and_of_the_distances(trained: Path, ids: list[str], tmp_path: Path) -> None:
    words = ["interpolate", trained, ids[0], ids[1], "--steps", 2, "--resolution", 32, "--out", tmp_path / "mine"]
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert f"linear path from {ids[0]} (trained code) to {ids[1]} (trained code)" in result.stdout
    # Radii are -0.3, 0.1, 0.5 and 0.9.
    assert "note: at 0: no surface: the field's values run from" in result.stdout
    told = re.search(r"from surface to surface: (\S+) on average, at most (\S+) \(", result.stdout)
    assert told is not None
    assert [float(value) for value in told.groups()] == pytest.approx([0.4, 0.4], rel=0.02)
    assert not (tmp_path / "mine" / "step_00.glb").exists()


@pytest.mark.usefixtures("known_surfaces")
def test_shapes_that_were_not_trained_on_get_their_code_by_a_search(
    trained: Path, store: Path, ids: list[str], tmp_path: Path
) -> None:
    unseen = Store.open(str(store)).shape_ids("test")[0]
    found = data_of(trained, ids[1], unseen, "--steps", 1, "--out", tmp_path, "--path", "spherical")
    assert found["second"] == {"shape": unseen, "code": "found"}
    assert [row["code_norm"] for row in found["steps"]] == pytest.approx([0.9, 0.75, 0.6])


def test_misspelt_shapes_runs_and_numbers_name_the_way_out(trained: Path, ids: list[str]) -> None:
    for words, complaint in (
        ([trained, ids[0], ids[1][:-1]], f"unknown shape '{ids[1][:-1]}'; did you mean"),
        ([trained, ids[0], "absent.obj"], "there is no file absent.obj"),
        (["smal", ids[0], ids[1], "--runs-root", trained.parent], "unknown run 'smal'; did you mean small?"),
        ([trained, ids[0], ids[1], "--steps", 0], "0 is not in the range x>=1"),
        ([trained, ids[0], ids[1], "--path", "spherica"], "'spherica' is not one of 'linear', 'spherical'"),
    ):
        result = invoke("interpolate", *words)
        assert result.exit_code == 2, result.output
        assert complaint in result.stderr
        assert not result.stdout


def test_a_run_without_codes_is_refused(store: Path, tmp_path: Path) -> None:
    words = ["train", "pointnet", "--preset", "tiny", "--store", store, "--run", "labels", "--runs-root", tmp_path]
    small = ["--model.width", 0.1, "--train.points-per-shape", 64, "--train.epochs", 1, *TINY[-3:]]
    assert (made := invoke(*words, *small)).exit_code == 0, made.output
    result = invoke("interpolate", tmp_path / "labels", "bottle/1", "bottle/2")
    assert result.exit_code == 2
    assert "run 'labels' predicts labels, no surfaces" in result.stderr
    assert "family digs, igr, issn" in result.stderr
