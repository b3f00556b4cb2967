"""The verbs on a small store, in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import TINY, invoke, prepare_words

from shapesys.geometry.io import read_mesh
from shapesys.samples.filesystem import Folder
from shapesys.training.run_dir import create, write_json


def data_of(*words: object) -> dict[str, object]:
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_prepare_ends_with_counts_and_does_only_what_is_missing(store: Path) -> None:
    again = data_of(*prepare_words(store))
    assert (again["total"], again["prepared"], again["kept"], again["rejected"]) == (6, 0, 6, 0)


def test_prepare_shows_reasons_of_rejection(tmp_path: Path) -> None:
    (tmp_path / "meshes" / "cup").mkdir(parents=True)
    (tmp_path / "meshes" / "cup" / "bad.off").write_text("OFF\n3 1 0\n0 0 0\n")
    words = ["prepare", "--source", "folder", "--root", tmp_path / "meshes", "--store", tmp_path / "s", "--local"]
    result = invoke(*words, "--preset", "tiny", "--views", "sdf", "cloud")
    assert result.exit_code == 0, result.output
    assert "read" in result.stdout
    assert f"{tmp_path / 's'}/rejected/" in result.stdout


def test_prepare_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    words = prepare_words(tmp_path / "none")
    assert data_of(*words, "--dry-run")["categories"] == {
        name: {"train": 2, "val": 0, "test": 1} for name in ("bottle", "mug")
    }
    assert not (tmp_path / "none").exists()


def test_a_store_of_other_settings_is_refused_with_the_difference(store: Path) -> None:
    result = invoke(*prepare_words(store), "--seed", 5)
    assert result.exit_code == 2
    assert "seed: 0 in the store, 5 now" in result.stderr


def test_train_dry_run_tells_what_a_run_needs(store: Path) -> None:
    found = data_of("train", "issn", "--store", store, *TINY, "--dry-run")
    assert found["data"]["shapes"] == 4  # type: ignore[index]
    parameters = found["parameters"]
    assert parameters["codes"] == 4 * 4  # type: ignore[index]
    assert found["memory_per_worker_gb"] > 0  # type: ignore[operator]
    assert not (store.parent / "runs" / "issn-tiny-all").exists()


def test_train_dry_run_stops_at_a_missing_store(tmp_path: Path) -> None:
    result = invoke("train", "issn", "--store", tmp_path / "absent", "--dry-run")
    assert result.exit_code in (1, 2)
    assert "absent" in result.stderr
    assert "Traceback" not in result.stderr


def test_show_config_names_the_origin_of_every_value(store: Path) -> None:
    settings = data_of("train", "issn", "--store", store, "--model.hidden", "512", "--show-config")["settings"]
    origins = {path: entry["origin"] for path, entry in settings.items()}  # type: ignore[attr-defined]
    assert origins["model.hidden"] == "flag"
    assert origins["model.layers"].startswith("preset tiny")
    assert origins["scale.num_workers"] == "default"


def test_train_then_the_same_command_again(trained: Path, store: Path) -> None:
    assert json.loads((trained / "status.json").read_text())["state"] == "finished"
    words = ["train", "issn", "--store", store, "--run", "small", "--runs-root", trained.parent, *TINY]
    again = data_of(*words)
    assert (again["resumed"], again["steps"]) == (True, 4)
    other = invoke(*words, "--seed", 9)
    assert other.exit_code == 1
    assert "train.seed: 0 there, 9 now" in other.stderr
    (row,) = data_of("list", "runs", "--runs-root", trained.parent)["runs"]  # type: ignore[misc]
    assert row["state"] == "finished"  # type: ignore[index]


def test_a_run_that_was_killed_is_not_listed_as_running(tmp_path: Path) -> None:
    run = create(tmp_path, "killed")
    write_json(run.config, {"family": "issn", "preset": "tiny"})
    run.update_status(state="running")
    assert _listed_state(tmp_path) == "interrupted"
    with Folder(str(run.path)).exclusive():
        assert _listed_state(tmp_path) == "running"


def _listed_state(root: Path) -> object:
    (row,) = data_of("list", "runs", "--runs-root", root)["runs"]  # type: ignore[misc]
    return row["state"]  # type: ignore[index]


def test_misuse_that_the_paper_names_is_told(store: Path, tmp_path: Path) -> None:
    words = ["train", "issn", "--store", store, "--run", "r", "--runs-root", tmp_path, *TINY]
    result = invoke(*words, "--model.saliency-weight", 0.02, "--json")
    assert "warning: saliency_weight = 0.02" in result.stderr
    assert "saturates" in json.loads(result.stdout)["warnings"][0]
    assert "warning" not in invoke(*words, "--run", "s").stderr


def test_two_processes_do_not_train_one_run(trained: Path, store: Path) -> None:
    words = ["train", "issn", "--store", store, "--run", "small", "--runs-root", trained.parent, *TINY]
    with Folder(str(trained)).exclusive():
        result = invoke(*words)
    assert result.exit_code == 1
    assert "another process is writing" in result.stderr


def test_several_workers_in_one_process_are_refused(trained: Path, store: Path) -> None:
    for words, flag in (
        (("train", "issn", "--store", store, *TINY), "--scale.num-workers"),
        (("evaluate", trained), "--scale.num-actors"),
    ):
        refused = invoke(*words, "--local", flag, 2, "--dry-run")
        assert refused.exit_code == 2
        assert f"{flag} 2 with --local: this process" in refused.stderr
        assert invoke(*words, "--local", flag, 1, "--dry-run").exit_code == 0


def test_a_misspelt_store_leaves_no_run(store: Path, tmp_path: Path) -> None:
    words = ["train", "issn", "--run", "r", "--runs-root", tmp_path, *TINY]
    assert invoke(*words, "--store", tmp_path / "stroe").exit_code == 1
    assert not (tmp_path / "r").exists()
    assert invoke(*words, "--store", store).exit_code == 0


def test_a_failed_run_says_so(store: Path, tmp_path: Path) -> None:
    words = ["train", "issn", "--store", store, "--run", "bad", "--runs-root", tmp_path, *TINY]
    result = invoke(*words, "--train.points-per-shape", 100_000)
    assert result.exit_code == 1
    assert "100000" in result.stderr
    status = json.loads((tmp_path / "bad" / "status.json").read_text())
    assert status["state"] == "failed"
    assert "100000" in status["error"]
    assert invoke(*words).exit_code == 0, "mended under the same name"


def test_evaluate_report_and_reconstruct(trained: Path, tmp_path: Path) -> None:
    small = ["--resolution", 16, "--samples", 500, "--observed-queries", 256, "--local", "--tracker", "none"]
    found = data_of("evaluate", trained, *small, "--inference", '{"iterations": 2}')
    assert found["paths"]["page"] == str(trained / "page.html")  # type: ignore[index]
    assert Path(found["paths"]["per shape"]).is_file()  # type: ignore[index]
    conventions = found["summary"]["conventions"]  # type: ignore[index]
    assert not {"widest_gap", "plane", "not_applicable"} & set(conventions["d_sym/min_max"]["definition"])
    assert conventions["chamfer/onet.chamfer_l1"]["definition"]["empty"] == pytest.approx(3**0.5)
    page = tmp_path / "page.html"
    assert data_of("report", trained, "-o", page)["page"] == str(page)
    assert page.stat().st_size > 1000
    truth = next((trained / "evaluation" / "test" / "truth").glob("*.glb"))
    words = ["reconstruct", trained, truth, "-o", tmp_path / "own.glb", "--resolution", 16, "--queries", 500]
    result = invoke(*words, "--iterations", 2)
    # Four steps teach nothing: there may be no surface, and then the reason is told.
    assert result.exit_code == 0 or "has no surface" in result.stderr, result.output
    if result.exit_code == 0:
        assert len(read_mesh(tmp_path / "own.glb").faces) > 0


def test_evaluate_dry_run_tells_what_it_would_measure_and_changes_nothing(trained: Path, store: Path) -> None:
    before = contents(trained)
    found = data_of("evaluate", trained, "--dry-run")
    assert found == {
        "checkpoint": str(max((trained / "checkpoints").iterdir())),
        "store": str(store),
        "split": "test",
        "categories": ["bottle", "mug"],
        "shapes": 2,
    }
    one = data_of("evaluate", trained, "--split", "train", "--categories", "mug", "--dry-run")
    assert (one["split"], one["categories"], one["shapes"]) == ("train", ["mug"], 2)
    assert contents(trained) == before


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """When each file below a folder was written, and what it holds."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_evaluate_dry_run_stops_at_a_missing_store(trained: Path, tmp_path: Path) -> None:
    result = invoke("evaluate", trained, "--store", tmp_path / "absent", "--dry-run")
    assert result.exit_code == 1
    assert "absent" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_evaluation_in_which_every_shape_fails_fails(trained: Path) -> None:
    words = [
        "evaluate",
        trained,
        "--saliency-points",
        5000,
        "--local",
        "--tracker",
        "none",
        "--no-page",
        "--split",
        "train",
    ]
    result = invoke(*words, "--no-page", "--resolution", 16, "--samples", 500)
    assert result.exit_code == 1
    assert "saliency_points = 5000 exceeds" in " ".join(result.stdout.split())


def test_reconstruct_needs_normals(trained: Path, tmp_path: Path) -> None:
    scan = tmp_path / "scan.xyz"
    scan.write_text("".join(f"{i} {i * i % 7} {i % 3}\n" for i in range(20)))
    result = invoke("reconstruct", trained, scan)
    assert result.exit_code == 1
    assert "normals" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--salient-threshold", "nan"], "'nan' is not in the range 0<=x<=1"),
        (["--salient-quantile", "1.5"], "1.5 is not in the range 0<=x<=1"),
        (["--queries", 0], "0 is not in the range x>=1"),
        (["--seed", -1], "-1 is not in the range x>=0"),
    ],
)
def test_reconstruct_refuses_numbers_that_mean_nothing(trained: Path, words: list[object], complaint: str) -> None:
    truth = next((trained / "evaluation" / "test" / "truth").glob("*.glb"))
    result = invoke("reconstruct", trained, truth, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_demo_dry_run_prints_commands_that_parse(tmp_path: Path) -> None:
    commands = data_of("demo", "--dry-run", "--folder", tmp_path)["commands"]
    assert [line.split()[1] for line in commands] == [  # type: ignore[attr-defined]
        "prepare", "train", "train", "evaluate", "evaluate", "report",
    ]  # fmt: skip
    assert data_of(*commands[0].split()[1:], "--dry-run")["shapes"] == 96  # type: ignore[index]


def test_doctor_without_ray() -> None:
    found = data_of("doctor", "--no-ray")
    assert found["healthy"] is True
    names = {check["name"] for check in found["checks"]}  # type: ignore[attr-defined]
    assert {"Python", "core packages", "GPU", "memory", "runs folder", "distance kernels"} <= names


def test_doctor_fails_where_runs_cannot_be_written() -> None:
    result = invoke("doctor", "--no-ray", "--runs-root", "/proc/runs")
    assert result.exit_code == 1
    assert "choose another with --runs-root" in " ".join(result.stdout.split())


GOOD = """
def run(quick=False):
    return [{"name": "sum", "ours_s": 1.0, "peers": {"slow": 3.0, "fast": 0.5}, "unit": "s", "note": str(quick)}]
"""


def test_bench_compares_with_targets_and_reports_failures(tmp_path: Path) -> None:
    (tmp_path / "bench_good.py").write_text(GOOD)
    (tmp_path / "bench_bad.py").write_text("def run(quick=False): raise RuntimeError('no peer')")
    (tmp_path / "targets.toml").write_text('"sum" = 2.0')
    good = data_of("bench", tmp_path / "bench_good.py", "--quick")
    rows = {row["peer"]: row for row in good["rows"]}  # type: ignore[attr-defined]
    assert (rows["slow"]["ratio"], rows["slow"]["verdict"]) == (3.0, "reached")
    assert (rows["fast"]["ratio"], rows["fast"]["verdict"]) == (0.5, "missed")
    assert rows["slow"]["note"] == "True"
    both = invoke("bench", tmp_path / "bench_good.py", tmp_path / "bench_bad.py")
    assert both.exit_code == 1
    assert "failed: bench_bad.py: RuntimeError: no peer" in both.stdout


@pytest.mark.parametrize(
    "job", ["prepare", "train", "tune", "evaluate", "compare", "report", "doctor", "benchmark", "saliency"]
)
def test_jobs_are_the_verbs(job: str) -> None:
    path = Path(__file__).parents[2] / "jobs" / f"{job}.py"
    assert len(path.read_text().splitlines()) < 40
    done = subprocess.run([sys.executable, str(path), "--help"], capture_output=True, text=True, check=True, timeout=60)
    name = "bench" if job == "benchmark" else job
    assert f"Usage: shapesys {name}" in done.stdout
    wrong = subprocess.run([sys.executable, str(path), "--nonsense"], capture_output=True, check=False, timeout=60)
    assert wrong.returncode == 2
