"""`shapesys saliency` on a small store, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh
from cli_support import TINY, invoke

from shapesys.evaluation.planes import planes_of
from shapesys.geometry.surface_variation import surface_variation
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.measure import measure_maps
from shapesys.samples.saliency_maps import read_saliency_maps
from shapesys.samples.store import Store

FAST = ["--points", 256, "--observed-queries", 256, "--inference", '{"iterations": 3}', "--pictured", 1, "--local"]
CLASSIFIER = ["--model.width", 0.1, "--train.epochs", 1, "--train.points-per-shape", 64, "--local", "--tracker", "none"]


@pytest.fixture(scope="module")
def runs(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of networks, a network of mugs alone, and a classifier."""
    root = tmp_path_factory.mktemp("saliency")
    words = ["--store", store, "--runs-root", root]
    made = [
        invoke("train", "issn", *words, "--each-category", "--run", "fields", *TINY),
        invoke("train", "issn", *words, "--categories", "mug", "--run", "mugs", *TINY),
        invoke("train", "pointnet", *words, "--run", "classes", *CLASSIFIER),
    ]
    assert [result.exit_code for result in made] == [0, 0, 0], [result.output for result in made]
    # As if they had been trained otherwise, which is told before a network is read.
    trained_with(root, "mugs", "flat", saliency_weight=0.0)
    trained_with(root, "classes", "ranked", salient_points=16)
    trained_with(root, "classes", "oriented", normals=True)
    return root


def trained_with(root: Path, name: str, other: str, **model: object) -> None:
    """A copy of a run whose settings of the model are others."""
    shutil.copytree(root / name, root / other)
    for config in (root / other).rglob("config.json"):
        held = json.loads(config.read_text())
        config.write_text(json.dumps(held | {"model": held["model"] | model}))


def words_of(store: Path, runs: Path, folder: Path, *more: object) -> list[object]:
    return ["saliency", "--store", store, "--runs-root", runs, "--folder", folder, *FAST, *more]


def answered(*words: object, exit_code: int = 0) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_source_gives_a_file_of_maps_a_line_and_pictures(store: Path, runs: Path, tmp_path: Path) -> None:
    found = answered(*words_of(store, runs, tmp_path, "--networks", "fields", "mugs", "--classifier", "classes"))
    assert [line["method"] for line in found["methods"]] == ["PCA", "issn fields", "issn mugs", "PCSM classes"]
    shapes = Store.open(str(store)).shape_ids(views="cloud")
    for line in found["methods"]:
        maps = read_saliency_maps(line["maps"])
        maps.check_store(Store.open(str(store)).digest())
        about = [name for name in shapes if name.startswith("mug") or line["method"] != "issn mugs"]
        assert sorted(maps.values) == about
        assert {len(values) for values in maps.values.values()} == {256}
        rows = pq.read_table(line["results"]).to_pylist()
        assert {row["split"] for row in rows} == {"test"}
        mean = np.mean([row["ssr/rank"] for row in rows])
        assert line["measures"]["rank"]["ssr"]["mean"] == pytest.approx(mean)
    page = Path(found["page"]).read_text()
    # A shape of each category by every method, of mugs alone by their own network, and the planes of both.
    assert page.count("<img") == 3 * 2 + 1 + 2
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((tmp_path / "summary.json").read_text())["planes"] == found["planes"]


def test_numbers_are_those_of_the_maps(store: Path, runs: Path, tmp_path: Path) -> None:
    [line] = answered(*words_of(store, runs, tmp_path, "--points", 1024))["methods"]
    opened = Store.open(str(store))
    maps = read_saliency_maps(line["maps"])
    name = opened.shape_ids("test", ["mug"])[0]
    points = opened.read("cloud", [name], ["points"])["points"][0]
    np.testing.assert_array_equal(maps.of(name), surface_variation(points, 20))
    planes = planes_of(opened, ["bottle", "mug"], MapMetrics().planes())
    rows = measure_maps(maps, opened, planes.shapes, MapMetrics(), ["bottle", "mug"])
    assert line["measures"]["min_max"]["d_sym"]["max"] == max(row["d_sym/min_max"] for row in rows)


def test_only_maps_whose_settings_or_network_changed_are_made_again(store: Path, runs: Path, tmp_path: Path) -> None:
    words = words_of(store, runs, tmp_path, "--networks", "fields")

    def written() -> dict[str, int]:
        return {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*/maps.parquet")}

    def changed(*more: object) -> set[str]:
        before = written()
        answered(*words, *more)
        return {name for name, when in written().items() if before.get(name) != when}

    pieces = {"pca-bottle", "pca-mug", "fields-bottle", "fields-mug"}
    assert changed() == pieces
    assert changed() == set()
    assert changed("--neighbours", 8) == {"pca-bottle", "pca-mug"}
    assert changed("--neighbours", 8, "--alpha", 6, "--symmetry-plane", "x") == set()
    weights = next((runs / "fields" / "mug" / "checkpoints").glob("*/codes.safetensors"))
    kept = weights.read_bytes()
    try:
        # The last byte of a code's last number: another checkpoint, which can be read.
        weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert changed("--neighbours", 8) == {"fields-mug"}
    finally:
        weights.write_bytes(kept)


def test_a_dry_run_lists_what_is_missing_and_writes_nothing(store: Path, runs: Path, tmp_path: Path) -> None:
    words = words_of(store, runs, tmp_path / "out", "--networks", "fields")

    def listed(*more: object) -> dict[tuple[str, str], bool]:
        rows = answered(*words, "--dry-run", *more)["maps"]
        assert {row["shapes"] for row in rows} == {3}
        return {(row["method"], row["category"]): row["made"] for row in rows}

    everything = [(method, category) for method in ("PCA", "issn fields") for category in ("bottle", "mug")]
    assert listed() == dict.fromkeys(everything, False)
    assert not (tmp_path / "out").exists()
    answered(*words, "--categories", "mug")
    assert listed() == {one: one[1] == "mug" for one in everything}
    assert listed("--seed", 3) == {one: one == ("PCA", "mug") for one in everything}
    shown = invoke(*words, "--dry-run").stdout
    assert "nothing, they are made" in shown
    assert "fields/mug" in shown.replace("\n", "")
    assert invoke(*words, "--dry-run", "--points", 16).exit_code == 2


def test_training_takes_the_maps(store: Path, runs: Path, tmp_path: Path) -> None:
    [_, line] = answered(*words_of(store, runs, tmp_path, "--networks", "fields"))["methods"]
    words = ["train", "pointnet", "--store", store, "--saliency", line["maps"], "--model.salient-points", 32]
    assert invoke(*words, "--runs-root", tmp_path / "runs", *CLASSIFIER).exit_code == 0


def test_a_shape_without_a_plane_has_no_d_sym_and_is_told(store: Path, runs: Path, tmp_path: Path) -> None:
    found = answered(*words_of(store, runs, tmp_path, "--symmetry-plane", "none"))
    [line] = found["methods"]
    assert line["measures"]["rank"]["d_sym"]["mean"] is None
    assert (line["shapes"], line["no_plane"], line["asymmetric"]) == (2, 2, 0)
    # Who wants no planes needs no advice on how to find some.
    assert found["notes"] == []
    found = answered(*words_of(store, runs, tmp_path, "--symmetry-plane", "y"))
    assert (found["methods"][0]["no_plane"], found["methods"][0]["asymmetric"]) == (0, 2)


def test_a_network_of_another_store_is_told(store: Path, runs: Path, tmp_path: Path) -> None:
    path = runs / "mugs" / "provenance.json"
    facts = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(facts) | {"data_digest": "0" * 64}))
        [note] = answered(*words_of(store, runs, tmp_path, "--networks", "mugs", "--no-pca"))["notes"]
    finally:
        path.write_text(facts)
    assert "trained on another store" in note
    assert "mugs" in note


def test_a_network_that_has_not_finished_is_told(store: Path, runs: Path, tmp_path: Path) -> None:
    path = runs / "fields" / "mug" / "status.json"
    facts = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(facts) | {"state": "interrupted"}))
        [note] = answered(*words_of(store, runs, tmp_path, "--networks", "fields", "--no-pca"))["notes"]
    finally:
        path.write_text(facts)
    assert note.startswith("not trained to the end: fields/mug (interrupted); ")


def test_a_shape_without_signed_distances_is_told_and_costs_its_own_map_alone(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/c", "test/open"):
        path = tmp_path / "meshes" / "ball" / f"{name}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        ball = trimesh.creation.icosphere(2)
        if path.stem == "open":
            ball.update_faces(ball.triangles_center[:, 2] > 0)
        ball.export(path)
    store, small = tmp_path / "store", ["--sdf.count", 512, "--sdf.chunk", 256, "--cloud.points", 256]
    made = ["prepare", "--source", "folder", "--root", tmp_path / "meshes", "--store", store, "--preset", "tiny"]
    assert invoke(*made, "--views", "meshes", "sdf", "cloud", *small, "--local").exit_code == 0
    words = ["--store", store, "--runs-root", tmp_path]
    assert invoke("train", "issn", *words, "--run", "balls", *TINY).exit_code == 0
    found = answered(*words_of(store, tmp_path, tmp_path / "out", "--networks", "balls"))
    [pca, balls] = found["methods"]
    assert (pca["failed"], balls["failed"]) == (0, 1)
    opened = Store.open(str(store))
    [lacking] = set(opened.shape_ids(views="cloud")) - set(opened.shape_ids(views="sdf"))
    maps = read_saliency_maps(balls["maps"])
    assert sorted(maps.values) == opened.shape_ids(views="sdf")
    reasons = {row["shape_id"]: row["reason"] for row in pq.read_table(balls["results"]).to_pylist()}
    assert maps.failed[lacking] in reasons[lacking]
    assert "sdf" in reasons[lacking]
    assert f"no map by issn balls of {lacking}: {maps.failed[lacking]}" in found["notes"]


def test_a_source_that_fails_is_told_and_the_others_are_shown(
    store: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shapesys.errors import ShapesysError
    from shapesys.saliency import maps

    words = words_of(store, runs, tmp_path, "--networks", "fields")
    before = answered(*words)["methods"][1]["maps"]

    def broken(*_: object) -> None:
        raise ShapesysError("the disk is full")

    monkeypatch.setattr(maps, "field_maps", broken)
    found = answered(*words, "--seed", 1, exit_code=1)
    assert found["failed"] == {"fields-bottle": "the disk is full", "fields-mug": "the disk is full"}
    pca, fields = found["methods"]
    assert (pca["failed"], fields["failed"]) == (0, 2)
    # What an earlier command made with other settings stays, and is not passed off as this one's.
    assert fields["maps"] is None
    assert len(read_saliency_maps(before).values) == 6
    assert found["notes"] == ["maps/fields.parquet keeps earlier maps of bottle, mug"]
    rows = pq.read_table(fields["results"])
    assert {"ssr/rank", "d_sym/min_max"} <= set(rows.column_names)
    monkeypatch.undo()
    found = answered(*words, "--seed", 1, "--categories", "mug")
    assert found["notes"] == ["maps/fields.parquet keeps earlier maps of bottle"]
    assert len(read_saliency_maps(found["methods"][1]["maps"]).values) == 6
    assert [line["shapes"] for line in found["methods"]] == [1, 1]
    shown = invoke(*words, "--seed", 1)
    assert f"maps issn fields: {before}" in shown.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--no-pca"], 2, "nobody makes maps; name some with --networks or --classifier"),
        (["--networks", "classes"], 2, "predicts no saliency; --classifier {runs}/classes makes maps by"),
        (["--networks", "flat"], 2, "run 'flat' of family 'issn' predicts no saliency"),
        (["--classifier", "ranked"], 2, "'ranked' classifies shapes by their most salient points alone"),
        (["--classifier", "oriented"], 2, "'oriented' sees normals or colours beside positions"),
        (["--classifier", "mugs"], 2, "'mugs' of family 'issn' classifies no clouds"),
        (["--networks", "fields", "--networks", "fields"], 2, "2 sources of maps would write fields.parquet"),
        (["--networks", "fiels"], 2, "unknown run 'fiels'"),
        (["--networks", "mugs", "--categories", "bottle"], 2, "'mugs' is about mug, none of which"),
        (["--categories", "spoon"], 2, "unknown category 'spoon'"),
        (["--networks", "begun"], 1, "set 'begun' has no trained network of bottle, mug; train it by the command"),
        (["--points", 20], 2, "--neighbours 20 with --points 20: a point has 19 others; lower --neighbours"),
        (["--networks", "fields", "--inference", '{"iteration": 3}'], 2, "does not fit run 'fields/bottle': unknown"),
        (["--workers", 2], 2, "--workers 2 with --local"),
        (["--points", 5000], 1, "lower --points, or prepare larger clouds"),
        (["--split", "val"], 1, "has no cloud of split 'val'"),
        (["--symmetry-plane", "w"], 2, "'w' is not one of"),
    ],
)
def test_what_cannot_be_made_is_told_before_the_work(
    store: Path, runs: Path, tmp_path: Path, words: list[object], code: int, complaint: str
) -> None:
    (runs / "begun").mkdir(exist_ok=True)
    (runs / "begun" / "set.json").write_text('{"schema": 1, "categories": ["mug"], "job": {}}')
    result = invoke(*words_of(store, runs, tmp_path / "out", *words))
    assert result.exit_code == code, result.output
    assert complaint.format(runs=runs) in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_is_told(store: Path, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "chair.obj").write_text("")
    result = invoke(*words_of(store, runs, tmp_path / "chair.obj"))
    assert result.exit_code == 1
    assert f"cannot make {tmp_path}/chair.obj: File exists; choose another --folder" in result.stderr


def test_a_scaling_named_twice_is_one(store: Path, runs: Path, tmp_path: Path) -> None:
    [pca] = answered(*words_of(store, runs, tmp_path, "--scaling", "rank", "rank"))["methods"]
    assert list(pca["measures"]) == ["rank"]


def test_a_damaged_file_is_named_and_made_again_once_it_is_gone(store: Path, runs: Path, tmp_path: Path) -> None:
    words = words_of(store, runs, tmp_path)
    [before] = answered(*words)["methods"]
    [piece] = tmp_path.glob("pieces/pca-mug/*.parquet")
    piece.write_bytes(b"x")
    refused = invoke(*words)
    assert refused.exit_code == 1
    assert f"{piece} is damaged or holds no saliency maps; remove it and make them again" in refused.stderr
    facts = piece.with_name(f"{piece.name}.facts.json")
    held = facts.read_text()
    facts.write_text("{")
    [told] = answered(*words, exit_code=1)["failed"].items()
    assert told[0] == "pca-mug"
    assert f"{facts} is not valid JSON" in told[1]
    facts.write_text(held)
    piece.unlink()
    [again] = answered(*words)["methods"]
    assert again["measures"] == before["measures"]


def test_a_set_that_lacks_a_category_names_it(store: Path, runs: Path, tmp_path: Path) -> None:
    half = ["--store", store, "--runs-root", tmp_path, "--each-category", "--run", "half", "--categories", "mug"]
    assert invoke("train", "issn", *half, *TINY).exit_code == 0
    result = invoke(*words_of(store, tmp_path, tmp_path / "out", "--networks", "half"))
    assert result.exit_code == 1
    assert "set 'half' has no trained network of bottle" in result.stderr
    found = answered(*words_of(store, tmp_path, tmp_path / "out", "--networks", "half", "--categories", "mug"))
    assert [line["shapes"] for line in found["methods"]] == [1, 1]


def test_a_store_must_be_named(tmp_path: Path) -> None:
    result = invoke("saliency", "--folder", tmp_path)
    assert result.exit_code == 2
    assert "name one with --store DIR" in result.stderr
