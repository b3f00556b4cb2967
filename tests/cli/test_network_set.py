"""`shapesys train --each-category`: a set of ordinary runs, one per category."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trimesh
from cli_support import TINY, invoke

from shapesys.cli.network_set_screen import _next as next_words
from shapesys.training import loop
from shapesys.training.config import resolve
from shapesys.training.history import read
from shapesys.training.run_dir import RunDirectory, read_json


def answered(*words: object, exit_code: int = 0) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def words_of(store: Path, root: Path, *more: object) -> list[object]:
    return ["train", "issn", "--store", store, "--each-category", "--run", "fields", "--runs-root", root, *TINY, *more]


def states(found: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {row["category"]: (row["state"], row["resumed"]) for row in found["networks"]}


def test_each_network_is_the_run_that_its_category_alone_gives(store: Path, tmp_path: Path) -> None:
    found = answered(*words_of(store, tmp_path))
    assert states(found) == {"bottle": ("finished", False), "mug": ("finished", False)}
    assert [row["shapes"] for row in found["networks"]] == [2, 2]
    alone = ["train", "issn", "--store", store, "--categories", "mug", "--run", "alone", "--runs-root", tmp_path]
    assert answered(*alone, *TINY)["final"]["loss"]["total"] == found["networks"][1]["loss"]
    config, single = (read_json(tmp_path / name / "config.json") for name in ("fields/mug", "alone"))
    assert config == single
    provenance = [read_json(tmp_path / name / "provenance.json") for name in ("fields/mug", "alone")]
    assert provenance[0]["config_digest"] == provenance[1]["config_digest"]


def test_runs_of_a_set_are_found_listed_and_reported_as_any_other(store: Path, tmp_path: Path) -> None:
    answered(*words_of(store, tmp_path))
    listed = answered("list", "runs", "--runs-root", tmp_path)["runs"]
    assert [(row["run"], row["state"]) for row in listed] == [("fields/bottle", "finished"), ("fields/mug", "finished")]
    small = [
        "--resolution",
        16,
        "--samples",
        500,
        "--observed-queries",
        256,
        "--local",
        "--tracker",
        "none",
        "--no-page",
    ]
    assert answered("evaluate", "fields/mug", "--runs-root", tmp_path, *small)["summary"]["counts"]
    wrong = invoke("evaluate", "fields", "--runs-root", tmp_path)
    assert wrong.exit_code == 2
    assert f"'fields' is a set of 2 networks; name one of them, such as {tmp_path}/fields/bottle" in wrong.stderr


def test_the_same_command_again_does_only_what_is_missing(store: Path, tmp_path: Path) -> None:
    answered(*words_of(store, tmp_path, "--categories", "mug"))
    written = (tmp_path / "fields" / "mug" / "provenance.json").stat().st_mtime_ns
    found = answered(*words_of(store, tmp_path))
    assert states(found) == {"bottle": ("finished", False), "mug": ("finished", True)}
    assert (tmp_path / "fields" / "mug" / "provenance.json").stat().st_mtime_ns == written
    assert read_json(tmp_path / "fields" / "set.json")["categories"] == ["bottle", "mug"]


def test_other_settings_are_refused_before_anything_is_trained(store: Path, tmp_path: Path) -> None:
    answered(*words_of(store, tmp_path, "--categories", "mug"))
    result = invoke(*words_of(store, tmp_path, "--seed", 5))
    assert result.exit_code == 1
    assert "train.seed: 0 there, 5 now" in result.stderr
    assert not (tmp_path / "fields" / "bottle" / "checkpoints").exists()


def test_one_that_fails_is_told_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    for name in ("ball/train/a", "ball/train/b", "egg/test/a"):
        path = tmp_path / "meshes" / f"{name}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.icosphere(2).apply_scale((1, 1, 1.5)).export(path)
    made = ["prepare", "--source", "folder", "--root", tmp_path / "meshes", "--store", tmp_path / "store", "--local"]
    assert invoke(*made, "--preset", "tiny", "--views", "sdf", "--sdf.count", 512, "--sdf.chunk", 256).exit_code == 0
    found = answered(*words_of(tmp_path / "store", tmp_path), exit_code=1)
    assert states(found) == {"ball": ("finished", False), "egg": ("failed", False)}
    assert "train" in found["failed"]["egg"]
    assert read_json(tmp_path / "fields" / "egg" / "status.json")["error"] == found["failed"]["egg"]
    shown = invoke(*words_of(tmp_path / "store", tmp_path))
    assert shown.exit_code == 1
    assert "\negg failed: store" in shown.stdout
    listed = answered(*words_of(tmp_path / "store", tmp_path, "--dry-run"), exit_code=1)["networks"]
    assert [row["fails"] for row in listed] == [False, True]
    assert "has no shape of split 'train' and of egg" in listed[1]["todo"]


def test_an_interrupted_set_says_so_and_goes_on(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = loop.train

    def until_bottle(job: Any, *rest: Any, **named: Any) -> Any:
        if job.data.categories == ("bottle",):
            raise KeyboardInterrupt
        return real(job, *rest, **named)

    monkeypatch.setattr(loop, "train", until_bottle)
    assert invoke(*words_of(store, tmp_path)).exit_code == 130
    monkeypatch.undo()
    fields = tmp_path / "fields"
    assert read_json(fields / "status.json")["state"] == "interrupted"
    listed = answered("list", "runs", "--runs-root", tmp_path)["runs"]
    assert [row["state"] for row in listed] == ["interrupted", "waiting"]
    assert states(answered(*words_of(store, tmp_path))) == {"bottle": ("finished", False), "mug": ("finished", False)}


def test_the_tracker_knows_each_run_with_its_curve_and_the_set(store: Path, tmp_path: Path) -> None:
    answered(*words_of(store, tmp_path, "--tracker", "jsonl", "--train.log-steps", 1))
    lines = [json.loads(line) for line in (tmp_path / "fields/mug/tracking.jsonl").read_text().splitlines()]
    text = json.dumps(lines)
    assert '"set": "fields"' in text
    assert '"kind": "training"' in text
    logged = [record["step"] for record in read(RunDirectory(tmp_path / "fields" / "mug").history)]
    assert [line["step"] for line in lines if "step" in line] == logged
    told = (tmp_path / "fields" / "tracking.jsonl").read_text()
    assert '"kind": "set"' in told
    assert "all trained" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--scale.num-workers", 2], "fills the machine better"),
        (["--interest", "mug"], "every category is of interest to its own network"),
        (["--scale.reader", "ray_data"], "reads in a thread of its own"),
        (["--categories", "mug,spoon"], "unknown category 'spoon'"),
        (["--tracker", "paper"], "unknown tracker 'paper'"),
    ],
)
def test_what_means_nothing_for_a_set_is_bad_usage(
    store: Path, tmp_path: Path, words: list[object], complaint: str
) -> None:
    result = invoke(*words_of(store, tmp_path, *words))
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not list(tmp_path.glob("fields/*/checkpoints"))


def test_the_folder_of_a_run_becomes_no_set_and_that_of_a_set_no_run(store: Path, tmp_path: Path) -> None:
    plain = ["train", "issn", "--store", store, "--run", "plain", "--runs-root", tmp_path, *TINY]
    answered(*plain)
    told = (tmp_path / "plain" / "provenance.json").read_bytes()
    for more in ([], ["--dry-run"]):
        refused = invoke(*plain, "--each-category", *more)
        assert refused.exit_code == 2
        assert f"{tmp_path / 'plain'} is a run; choose another --run" in refused.stderr
    assert (tmp_path / "plain" / "provenance.json").read_bytes() == told
    answered(*words_of(store, tmp_path))
    refused = invoke("train", "issn", "--store", store, "--run", "fields", "--runs-root", tmp_path, *TINY)
    assert refused.exit_code == 2
    assert f"{tmp_path / 'fields'} is a set of networks; choose another --run" in refused.stderr


def test_a_dry_run_lists_what_would_be_trained_and_writes_nothing(store: Path, tmp_path: Path) -> None:
    listed = answered(*words_of(store, tmp_path, "--dry-run"))["networks"]
    assert [(row["category"], row["shapes"], row["steps"], row["todo"]) for row in listed] == [
        ("bottle", 2, 4, "train"),
        ("mug", 2, 4, "train"),
    ]
    assert not (tmp_path / "fields").exists()


def test_a_category_that_is_named_twice_is_trained_once(store: Path, tmp_path: Path) -> None:
    assert states(answered(*words_of(store, tmp_path, "--categories", "mug,mug"))) == {"mug": ("finished", False)}


def test_a_set_whose_networks_have_not_begun_is_told_from_an_unknown_run(tmp_path: Path) -> None:
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "set.json").write_text('{"schema": 1, "categories": ["mug"], "job": {}}')
    result = invoke("evaluate", "fields", "--runs-root", tmp_path)
    assert result.exit_code == 2
    assert "'fields' is a set whose networks have not begun; train them by the command in its" in result.stderr


def test_a_contrasting_family_takes_each_category_in_turn_as_the_one_of_interest(store: Path, tmp_path: Path) -> None:
    words = words_of(store, tmp_path, "--model.contrast-width", 0.05, "--train.epochs", 1)
    words[1] = "issn_csl"
    found = answered(*words)
    assert [row["shapes"] for row in found["networks"]] == [2, 2]
    for category in ("bottle", "mug"):
        data = read_json(tmp_path / "fields" / category / "config.json")["data"]
        assert (data["interest"], data["categories"]) == (category, [])


def test_classifiers_of_one_category_are_refused_before_anything_is_trained(store: Path, tmp_path: Path) -> None:
    words = ["train", "pointnet", "--store", store, "--runs-root", tmp_path, "--run", "one"]
    listed = answered(*words, "--each-category", "--dry-run", exit_code=1)["networks"]
    assert [row["fails"] for row in listed] == [True, True]
    assert "classification needs two categories or more" in listed[0]["todo"]
    assert "with --each-category, a network would see one alone" in listed[0]["todo"]
    alone = invoke(*words, "--categories", "mug", "--dry-run")
    assert alone.exit_code == 1
    assert "the training shapes have 1 (mug): name more with --categories" in alone.stderr


def test_the_next_command_takes_a_store_from_anywhere(store: Path, tmp_path: Path) -> None:
    result = {"path": tmp_path / "fields", "networks": [{"state": "finished", "category": "mug"}], "failed": {}}
    for place in ("s3://bucket/store", str(store)):
        job = resolve("issn", "tiny", {"data.store": place})
        assert next_words(job, result) == [f"next: shapesys saliency --store {place} --networks {tmp_path / 'fields'}"]
    plain = resolve("issn", "tiny", {"data.store": str(store), "model.saliency_weight": 0.0})
    assert next_words(plain, result) == [f"next: shapesys evaluate {tmp_path / 'fields' / 'mug'}"]
