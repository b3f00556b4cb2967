"""`shapesys predict` with formulas for networks; reading, writing and the answer are real."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from cli_support import invoke
from predictor_support import Answering, classes, halves, image_predictor, predictor

from shapesys.evaluation.predict import Predictor
from shapesys.geometry.cloud_io import parse_cloud
from shapesys.training.run_dir import RunDirectory, write_json


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    made = RunDirectory(tmp_path / "own")
    write_json(made.config, {"family": "any"})
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    np.save(tmp_path / "scan.npy", points)
    return tmp_path / "scan.npy"


def use(monkeypatch: pytest.MonkeyPatch, made: Predictor) -> None:
    def opened(run: RunDirectory, changes: dict[str, Any], seed: int) -> Predictor:
        return Predictor(made.run, made.family, made.objective, made.inference.override(changes), made.vocabulary, seed)

    monkeypatch.setattr(Predictor, "open", opened)


def data_of(*words: object) -> dict[str, Any]:
    result = invoke("predict", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_class_is_told_with_its_rivals(run: RunDirectory, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, predictor(classes, run))
    [found] = data_of(run.path, scan)["files"]
    told = [(one["category"], one["probability"]) for one in found["classes"]]
    assert told == [("mug", pytest.approx(0.8)), ("chair", pytest.approx(0.2))]
    assert (found["observed"], found["points"]) == ("cloud", 300)
    shown = invoke("predict", run.path, scan).stdout
    assert str(scan) in shown
    assert "mug" in shown
    wrong = invoke("predict", run.path, scan, "-o", "a.ply")
    assert wrong.exit_code == 2
    assert "predicts classes, of which nothing is written; leave out -o" in wrong.stderr


def test_parts_are_a_coloured_cloud_with_a_legend(
    run: RunDirectory, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, predictor(halves, run))
    [found] = data_of(run.path, scan, "--category", "chair", "-o", tmp_path / "parts.ply")["files"]
    assert (found["category"], found["written"]) == ("chair", str(tmp_path / "parts.ply"))
    cloud = parse_cloud((tmp_path / "parts.ply").read_bytes(), "parts.ply")
    np.testing.assert_array_equal(cloud.points, np.load(scan))
    assert cloud.labels is not None
    assert cloud.colors is not None
    assert [(part["label"], part["part"], part["points"]) for part in found["parts"]] == [
        (0, "chair: low", int((cloud.labels == 0).sum())), (1, "chair: high", int((cloud.labels == 1).sum())),
    ]  # fmt: skip
    for part in found["parts"]:
        [colour] = np.unique(np.rint(255 * cloud.colors[cloud.labels == part["label"]]), axis=0)
        assert part["colour"] == "#" + "".join(f"{int(channel):02x}" for channel in colour)


def test_files_go_beside_each_other_and_a_bad_one_takes_no_other_with_it(
    run: RunDirectory, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, predictor(halves, run))
    (tmp_path / "few.xyz").write_text("0 0 0\n")
    result = invoke("predict", run.path, scan, tmp_path / "few.xyz", "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["files"]
    assert Path(good["written"]) == tmp_path / "out" / "scan.ply"
    assert "at least 16 needed" in bad["failed"]
    alone = invoke("predict", run.path, tmp_path / "few.xyz")
    assert alone.exit_code == 1
    assert f"{tmp_path / 'few.xyz'}: validate: the cloud has 1 points" in alone.stderr


def test_files_of_one_name_keep_apart_by_their_folders(
    run: RunDirectory, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, predictor(halves, run))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(scan, tmp_path / folder / "00.npy")
    found = data_of(run.path, tmp_path / "a" / "00.npy", tmp_path / "b" / "00.npy", "-o", tmp_path / "out")["files"]
    assert [Path(one["written"]).name for one in found] == ["a-00.ply", "b-00.ply"]
    (tmp_path / "a" / "00.xyz").write_text("".join(f"{at} 0 0\n" for at in range(20)))
    found = data_of(run.path, tmp_path / "a" / "00.npy", tmp_path / "a" / "00.xyz")["files"]
    assert [Path(one["written"]).name for one in found] == ["own-a-00.ply", "own-a-00-2.ply"]


def test_the_file_itself_is_never_written_over(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, image_predictor(run, Answering()))
    Image.new("RGB", (32, 20), (90, 90, 90)).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    for out in (tmp_path, tmp_path / "photo.png"):
        result = invoke("predict", run.path, tmp_path / "photo.png", "-o", out)
        assert result.exit_code == 2
        assert "would take the place of" in result.stderr
    assert (tmp_path / "photo.png").read_bytes() == before


def test_a_place_that_cannot_be_written_to_is_named(
    run: RunDirectory, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, predictor(halves, run))
    result = invoke("predict", run.path, scan, "-o", scan / "own.ply")
    assert result.exit_code == 2
    assert f"cannot write {scan / 'own.ply'}: " in result.stderr
    assert "name another place with -o" in result.stderr


def test_without_a_name_files_are_called_after_run_and_input(
    run: RunDirectory, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, predictor(halves, run))
    assert data_of(run.path, scan)["files"][0]["written"] == str(tmp_path / "own-scan.ply")


def test_superpixels_are_labels_and_outlines(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, image_predictor(run, Answering()))
    Image.new("RGB", (32, 20), (90, 90, 90)).save(tmp_path / "photo.png")
    [one] = data_of(run.path, tmp_path / "photo.png", "-o", tmp_path / "own.png")["files"]
    written = {"labels": str(tmp_path / "own.png"), "outlines": str(tmp_path / "own.outlines.png")}
    assert one["maps"] == [{"asked": 4, "superpixels": 4, **written}]
    labels = np.asarray(Image.open(tmp_path / "own.png"))
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    more = data_of(run.path, tmp_path / "photo.png", "--inference", "superpixels=[2, 8]", "-o", tmp_path / "own.png")
    assert [Path(made["labels"]).name for made in more["files"][0]["maps"]] == ["own.2.png", "own.8.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "parts.obj"], "cannot write 'parts.obj': the ending must be .ply"),
        (["--inference", "votes"], "write NAME=VALUE"),
        (["--inference", "superpixel=3"], "did you mean superpixels"),
        (["--category", "chiar"], "did you mean chair"),
    ],
)
def test_bad_usage(run: RunDirectory, scan: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    use(monkeypatch, predictor(halves, run))
    result = invoke("predict", run.path, scan, *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_flags_that_measure_something_else_are_refused(trained: Path) -> None:
    result = invoke("evaluate", trained, "--part-argmax", "free", "--local")
    assert result.exit_code == 2
    assert "--part-argmax measures labels, but run 'small' predicts surfaces; leave it out" in result.stderr
