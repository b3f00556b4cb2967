"""`shapesys fit`: a network per scan, measured; what is there is not done again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import trimesh
from cli_support import invoke
from safetensors.torch import load_file

SMALL = ["--model.hidden", 32, "--model.layers", 3, "--train.points-per-shape", 128, "--train.epochs", 400]
QUICK = ["--resolution", 24, "--samples", 1000, "--tracker", "none", "--no-page"]

PREPARE = ["prepare", "--source", "procedural_scans", "--categories", "sofa", "--preset", "tiny", "--local"]
PREPARE += ["--udf.count", 4096, "--udf.chunk", 2048, "--cloud.points", 1024, "--occupancy.points", 500]
PREPARE += ["--views", "udf,meshes,cloud,occupancy"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fits") / "scans"
    result = invoke(*PREPARE, "--count", 4, "--test-fraction", 0.5, "--store", folder)
    assert result.exit_code == 0, result.output
    return folder


def fit(scans: Path, *words: object, run: str = "fits") -> Any:
    placed = ["--store", scans, "--run", run, "--runs-root", scans.parent / "runs", "--local"]
    return invoke("fit", "sal", *placed, *SMALL, *QUICK, *words)


def rows_of(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(run / "evaluation/test/shapes.parquet").to_pylist()
    return found


@pytest.fixture(scope="module")
def fitted(scans: Path) -> Path:
    result = fit(scans)
    assert result.exit_code == 0, result.output
    assert "2 ok, 0 empty, 0 failed" in result.output
    return scans.parent / "runs" / "fits"


def test_every_scan_has_a_row_a_mesh_and_a_network(fitted: Path) -> None:
    rows = rows_of(fitted)
    assert [row["status"] for row in rows] == ["ok", "ok"]
    for row in rows:
        name = row["shape_id"].replace("/", "__")
        assert len(list((fitted / "networks").glob(f"{name}.*.safetensors"))) == 1
        assert (fitted / "evaluation/test/meshes" / f"{name}.glb").is_file()
        assert 0 < row["fact/loss"] < 0.1
        assert row["fact/fit_seconds"] > 0
        assert row["iou/uniform_box"] > 0.5
    assert json.loads((fitted / "status.json").read_text())["state"] == "finished"


def test_the_same_command_again_does_nothing(scans: Path, fitted: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (fitted / "networks").iterdir()}
    assert fit(scans).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (fitted / "networks").iterdir()} == before


def test_measured_anew_the_networks_are_those_that_are_there_and_a_lost_one_is_fitted(fitted: Path) -> None:
    first = {row["shape_id"]: row["iou/uniform_box"] for row in rows_of(fitted)}
    lost, kept = sorted((fitted / "networks").iterdir())
    before, weights = kept.stat().st_mtime_ns, load_file(lost)
    lost.unlink()
    words = ["--resolution", 32, "--samples", 1000, "--tracker", "none", "--no-page", "--local"]
    result = invoke("evaluate", fitted, *words)
    assert result.exit_code == 0, result.output
    assert kept.stat().st_mtime_ns == before
    again = load_file(lost)
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    for row in rows_of(fitted):
        assert row["iou/uniform_box"] == pytest.approx(first[row["shape_id"]], abs=0.05)


def test_a_shape_that_joins_the_store_costs_the_others_nothing(scans: Path, fitted: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "runs" / "fits", tmp_path / "scans"
    shutil.copytree(fitted, run)
    shutil.copytree(scans, store)
    before = {path.name: path.read_bytes() for path in (run / "networks").iterdir()}
    assert invoke(*PREPARE, "--count", 5, "--test-fraction", 0.5, "--store", store).exit_code == 0
    result = invoke("evaluate", run, "--store", store, *QUICK, "--local")
    assert result.exit_code == 0, result.output
    after = {path.name: path.read_bytes() for path in (run / "networks").iterdir()}
    assert len(after) == len(before) + 1
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("flag", ["--codes", "--observed-queries", "--inference"])
def test_what_is_asked_of_codes_is_refused_of_fits(fitted: Path, flag: str) -> None:
    value = {"--codes": "trained", "--observed-queries": "500", "--inference": '{"iterations": 3}'}[flag]
    result = invoke("evaluate", fitted, flag, value, "--local")
    assert result.exit_code == 2
    assert f"{flag} is for networks that are told each shape by a code" in " ".join(result.output.split())
    refused = invoke("reconstruct", fitted, fitted / "config.json", "--iterations", 5)
    assert "leave out iterations" in " ".join(refused.output.split())


def test_other_settings_need_another_run(scans: Path, fitted: Path) -> None:
    result = fit(scans, "--model.radius", 0.7)
    assert result.exit_code == 1
    assert "model.radius: 0.5 there, 0.7 now" in result.output


def test_a_scan_of_ones_own_is_fitted_by_the_same_settings(fitted: Path, tmp_path: Path) -> None:
    normals = np.random.default_rng(0).standard_normal((2000, 3))
    points = 5.0 + 2.0 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    np.save(tmp_path / "ball.npy", points)
    words = ["--resolution", 32, "--out", tmp_path / "ball.ply"]
    result = invoke("reconstruct", fitted, tmp_path / "ball.npy", *words)
    assert result.exit_code == 0, result.output
    mesh = trimesh.load(tmp_path / "ball.ply")
    radii = np.linalg.norm(mesh.vertices - 5.0, axis=1)
    assert abs(np.median(radii) - 2.0) < 0.15


def test_a_dry_run_says_what_would_be_fitted(scans: Path) -> None:
    result = fit(scans, "--dry-run", "--json", run="never")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["shapes"], found["iterations of each"], found["parameters of each network"]) == (
        2,
        400,
        160 + 2 * 1088 + 33,
    )
    assert not (scans.parent / "runs" / "never").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "sal", "--store", "x", "--preset", "tiny"], "trains one network of many shapes"),
        (["fit", "issn", "--store", "x"], "'issn' has no network of one shape; fit one of: "),
        (["fit", "sal", "--store", "x", "--preset", "singel"], "did you mean single"),
        (["fit", "sla", "--store", "x"], "did you mean sal"),
        (["fit", "sal", "--store", "/nowhere/at/all"], "/nowhere/at/all"),
        (["fit", "sal", "--store", "x", "--codes", "trained"], "--codes"),
    ],
)
def test_what_cannot_be_fitted_is_refused(words: list[str], said: str) -> None:
    result = invoke(*words, "--local")
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())


def test_training_refuses_networks_of_one_shape(scans: Path) -> None:
    result = invoke(
        "train", "sal", "--store", scans, "--preset", "single", "--local", "--runs-root", scans.parent / "r"
    )
    assert result.exit_code != 0
    assert "shapesys fit sal --preset single" in " ".join(result.output.split())
