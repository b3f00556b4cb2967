"""A family that learns nothing, at the command line: no idle flag, no Ray, and every later verb as usual."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_support import invoke
from click.testing import Result

from shapesys.families.poisson import library
from shapesys.families.poisson.config import PoissonConfig
from shapesys.families.poisson.library import Solution
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Floats

BALL = extract(Sphere(0.8), 24).mesh


@pytest.fixture(autouse=True)
def ball(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the cloud, the solver finds a ball."""

    def solve(points: Floats, normals: Floats, config: PoissonConfig) -> Solution:
        return Solution(BALL, np.ones(len(BALL.vertices), np.float32))

    monkeypatch.setattr(library, "screened_poisson", solve)


def train(store: str, folder: Path, *words: object) -> Result:
    placed = ["--store", store, "--runs-root", folder, "--tracker", "none"]
    return invoke("train", "poisson", *placed, *words)


def test_its_help_has_no_setting_of_training() -> None:
    shown = invoke("train", "poisson", "--help").output
    assert all(flag in shown for flag in ("--model.depth", "--inference.trim", "--store", "--categories"))
    idle = ("--train.", "--scale.", "--seed", "--split", "--interest", "--saliency", "--data.validation-split")
    assert not [flag for flag in idle if flag in shown]
    assert "--train.epochs" in invoke("train", "sal", "--help").output


def test_a_setting_of_training_is_refused(saliency_store: str, tmp_path: Path) -> None:
    refused = train(saliency_store, tmp_path, "--train.epochs", 3)
    assert refused.exit_code == 2
    assert "--train.epochs" in refused.output


def test_the_dry_run_says_that_nothing_is_trained(saliency_store: str, tmp_path: Path) -> None:
    told = json.loads(train(saliency_store, tmp_path, "--dry-run", "--json").output)
    assert told["data"] == {
        "store": saliency_store, "view": "cloud", "columns": ["points", "normals"], "shapes": 12, "steps": 0,
    }  # fmt: skip
    assert told["parameters"] == {"network": 0, "codes": 0}
    assert "its run is made at once" in train(saliency_store, tmp_path, "--dry-run").output
    assert not list(tmp_path.iterdir())


def test_it_is_trained_without_ray_and_every_verb_takes_its_run(saliency_store: str, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    made = json.loads(train(saliency_store, tmp_path, "--run", "given", "--json").output)
    assert not ray.is_initialized()
    assert (made["steps"], made["resumed"]) == (0, False)
    again = json.loads(train(saliency_store, tmp_path, "--run", "given", "--json").output)
    assert (again["resumed"], again["checkpoint"]) == (True, made["checkpoint"])
    train(saliency_store, tmp_path, "--run", "deep", "--model.depth", 9)
    for run in ("given", "deep"):
        quick = ["--resolution", 24, "--samples", 1000, "--local", "--tracker", "none"]
        measured = invoke("evaluate", tmp_path / run, *quick)
        assert measured.exit_code == 0, measured.output
        assert "4 ok, 0 empty, 0 failed, 0 missing" in measured.output
        assert (tmp_path / run / "page.html").stat().st_size > 10_000
    compared = invoke("compare", tmp_path / "given", tmp_path / "deep")
    assert compared.exit_code == 0, compared.output
    assert "depth" in compared.output
    refused = invoke("interpolate", tmp_path / "given", "chair/a", "chair/b")
    assert refused.exit_code == 2
    assert train(saliency_store, tmp_path, "--each-category").exit_code == 2


def test_a_cloud_of_one_s_own_becomes_the_mesh_itself_in_its_own_frame(saliency_store: str, tmp_path: Path) -> None:
    train(saliency_store, tmp_path, "--run", "given")
    normals = np.random.default_rng(0).standard_normal((200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savetxt(tmp_path / "scan.xyz", np.concatenate([5.0 + 2.0 * normals, normals], axis=1))
    np.savetxt(tmp_path / "bare.xyz", 5.0 + 2.0 * normals)
    done = invoke("reconstruct", tmp_path / "given", tmp_path / "scan.xyz", "-o", tmp_path / "scan.ply")
    assert done.exit_code == 0, done.output
    mesh = read_mesh(tmp_path / "scan.ply")
    assert len(mesh.vertices) == len(BALL.vertices)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - 5.0, axis=1), 1.6, rtol=0.1)
    bare = invoke("reconstruct", tmp_path / "given", tmp_path / "bare.xyz", "-o", tmp_path / "bare.ply")
    assert bare.exit_code == 1
    assert "without normals" in bare.output
