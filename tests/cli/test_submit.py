"""What `shapesys submit` makes of a command line, before any cluster is asked."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cli_support import invoke

from shapesys.cli import job_answers, upload
from shapesys.cli.job_request import environment
from shapesys.cli.submission import order
from shapesys.cli.upload import collect
from shapesys.errors import UsageError
from shapesys.training import provenance

NOBODY = "http://192.0.2.1:8265"
"""An address that never answers: whoever contacts it fails."""

TRAIN = ["train", "issn", "--store", "s3://bucket/store", "--run", "chairs"]


@pytest.fixture(autouse=True)
def no_cluster_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def rehearse(*words: object) -> dict[str, Any]:
    pytest.importorskip("ray")
    result = invoke("submit", "--dry-run", "--address", NOBODY, "--json", *words)
    assert result.exit_code == 0, result.stderr
    data: dict[str, Any] = json.loads(result.stdout)
    return data


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a VERB to run"),
        (["train", "--list"], "not VERB and --list at once"),
        (["--follow", "a", "--cancel", "a"], "not --follow and --cancel at once"),
        (["submit", "train"], "leave out the second 'submit'"),
        (["trian", "issn"], "unknown verb 'trian'; did you mean train?"),
        (["train", "isn"], "did you mean issn"),
        ([*TRAIN, "--runs-root", "/r", "--preset", "tinny"], "did you mean tiny?"),
        ([*TRAIN, "--runs-root", "/r", "--model.latent-dim", "0"], "greater than or equal to 1"),
        ([*TRAIN, "--workdir", "/w", "--detatch"], "did you mean --detach?"),
        ([*TRAIN, "--workdir", "/w", "--model.latent-dmi", "3"], "did you mean --model.latent-dim"),
        (["prepare", "--source", "foldr", "--store", "/s"], "did you mean folder"),
        (["prepare", "--source", "procedural", "--store", "/s", "--preset", "papr"], "did you mean paper?"),
        (TRAIN, "--runs-root 'runs'"),
        (["train", "issn", "--store", "stores/a", "--runs-root", "/r"], "--store 'stores/a'"),
        (["evaluate", "runs/chairs", "--runs-root", "/r"], "RUN 'runs/chairs'"),
        (["prepare", "--source", "folder", "--root", "meshes", "--store", "/s"], "--root 'meshes'"),
        (["reconstruct", "/r/chairs", "/scans/a.ply", "--runs-root", "/r"], "-o by default"),
        ([*TRAIN, "--workdir", "here"], "--workdir 'here' is relative"),
        ([*TRAIN, "--workdir", "/w", "--env", "NOT_SET_HERE"], "no such variable is set here"),
        ([*TRAIN, "--workdir", "/w", "--env", "1=2"], "is not NAME or NAME=VALUE"),
    ],
)
def test_bad_usage_is_told_before_anything_is_contacted(words: list[str], said: str) -> None:
    result = invoke("submit", *words, "--address", NOBODY)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_relative_places_are_refused_with_the_way_out() -> None:
    said = invoke("submit", *TRAIN, "--address", NOBODY).stderr
    assert "vanishes" in said
    assert "--workdir DIR" in said


def test_a_rehearsal_shows_everything_and_contacts_nobody() -> None:
    data = rehearse(*TRAIN, "--workdir", "/shared/me", "--python", "/opt/venv/bin/python", "--env", "A=b")
    assert data["address"] == NOBODY
    assert data["id"].startswith("train-issn-chairs-")
    assert data["entrypoint"] == (
        "cd /shared/me && exec /opt/venv/bin/python -P -m shapesys.cli.main train issn --store s3://bucket/store "
        "--run chairs"
    )
    assert data["environment"] == ["A"]
    assert {part["name"] for part in data["upload"]} >= {"shapesys", "tune_spaces"}
    assert 0 < data["packed_bytes"] < sum(part["bytes"] for part in data["upload"])


def test_the_address_need_not_be_known_for_a_rehearsal() -> None:
    pytest.importorskip("ray")
    shown = invoke("submit", *TRAIN, "--runs-root", "/r", "--dry-run").stdout
    assert "none named yet" in shown


def test_equal_orders_have_equal_ids_and_others_have_not() -> None:
    words = [*TRAIN, "--workdir", "/w"]
    assert rehearse(*words)["id"] == rehearse(*words)["id"]
    assert rehearse(*words)["id"] != rehearse(*words, "--seed", 1)["id"]
    assert rehearse(*words)["id"] != rehearse(*TRAIN, "--workdir", "/v")["id"]


def test_words_with_spaces_and_quotes_reach_the_verb_as_they_are(tmp_path: Path) -> None:
    words = ["evaluate", "it's me", "--runs-root", "/r", "--inference", '{"iterations": 2}']
    entrypoint = order(words, None).entrypoint(sys.executable, None)
    shown = entrypoint.replace("exec ", "", 1).replace(
        "-P -m shapesys.cli.main", "-c 'import sys; print(sys.argv[1:])'"
    )
    done = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(words)


@pytest.mark.parametrize("spelling", ["scan.ply", "./scan.ply"])
def test_a_file_named_on_the_command_line_goes_along(tmp_path: Path, spelling: str) -> None:
    Path("scan.ply").write_text("ply")
    words = ["reconstruct", "chairs", spelling, "-o", "out.glb"]
    asked = order(words, "/w")
    assert asked.inputs == {"scan.ply": Path("scan.ply")}
    assert '"$OLDPWD"/inputs/scan.ply -o out.glb' in asked.entrypoint("python", "/w")
    flagged = order(["reconstruct", "chairs", "/far/b.ply", f"--points={spelling}"], "/w")
    assert flagged.entrypoint("python", "/w").endswith('chairs /far/b.ply --points="$OLDPWD"/inputs/scan.ply')


def test_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "x.ply").write_text(folder)
    asked = order(["reconstruct", "chairs", "a/x.ply", "--points", "b/x.ply"], "/w")
    assert {path.read_text() for path in asked.inputs.values()} == {"a", "b"}
    assert len(asked.inputs) == 2


def test_a_file_below_the_workdir_is_on_the_cluster_already(tmp_path: Path) -> None:
    (tmp_path / "big.ply").write_text("ply")
    assert order(["reconstruct", "chairs", str(tmp_path / "big.ply")], str(tmp_path)).inputs == {}


def test_flags_of_the_verb_after_two_dashes_are_its_own() -> None:
    data = rehearse("--workdir", "/w", "--", *TRAIN, "--dry-run")
    assert data["entrypoint"].endswith("--run chairs --dry-run")


def test_doctor_and_sweeps_can_be_submitted() -> None:
    assert rehearse("doctor", "--shared", "/shared")["entrypoint"].endswith("doctor --shared /shared")


def test_an_upload_is_the_package_alone_and_the_same_each_time(tmp_path: Path) -> None:
    first, again = collect(True, {}), collect(True, {})
    assert first.packed() == again.packed()
    names = zipfile.ZipFile(io.BytesIO(first.packed())).namelist()
    assert "shapesys/cli/main.py" in names
    assert any(name.endswith(".dist-info/METADATA") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("runs", "tests", "."))]


def test_an_uploaded_package_runs_and_knows_its_version_and_commit(tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(collect(True, {}).packed())).extractall(tmp_path)
    code = (
        "import json, shapesys; from importlib import metadata; from shapesys.training import provenance\n"
        "print(json.dumps([shapesys.__file__, metadata.version('shapesys'), provenance.code()]))"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    place, version, origin = json.loads(done.stdout)
    assert place.startswith(str(tmp_path))
    assert version
    assert origin == provenance.code()


def test_the_digest_tells_other_code(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text("a")
    before = collect(False, {"space.toml": file}).digest()
    file.write_text("b")
    assert collect(False, {"space.toml": file}).digest() != before


def test_too_large_a_file_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "LIMIT", 10)
    Path("scan.ply").write_text("more than ten bytes")
    with pytest.raises(UsageError, match=r"largest is scan\.ply: put it on storage that every node sees"):
        collect(False, {"scan.ply": Path("scan.ply")})


def test_nothing_is_uploaded_where_the_cluster_has_all() -> None:
    assert rehearse(*TRAIN, "--workdir", "/w", "--upload", "none")["upload"] == []


@pytest.mark.parametrize(
    ("uri", "passed", "said"),
    [
        ("http://mlflow.lab:5000", True, ""),
        ("http://127.0.0.1:5000", False, "an address of this machine"),
        ("sqlite:///runs/mlflow.db", False, "no server that the cluster could reach"),
        ("https://me:secret@mlflow.lab", False, "holds a user's password"),
    ],
)
def test_the_tracking_server_is_passed_on_where_it_is_the_clusters_too(
    monkeypatch: pytest.MonkeyPatch, uri: str, passed: bool, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    variables, notes = environment([])
    assert (variables == {"MLFLOW_TRACKING_URI": uri}) == passed
    assert bool(notes) != passed
    assert said in "".join(notes)
    assert "secret" not in "".join(notes)
    assert environment(["MLFLOW_TRACKING_URI"]) == ({"MLFLOW_TRACKING_URI": uri}, [])


def test_a_variable_of_this_machine_is_passed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "top=secret")
    assert environment(["MY_KEY", "OTHER=x=y"])[0] == {"MY_KEY": "top=secret", "OTHER": "x=y"}
    data = rehearse(*TRAIN, "--workdir", "/w", "--env", "MY_KEY")
    assert "secret" not in json.dumps(data)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "usually http://head:8265"),
        ("10.0.0.1:6379", "usually http://10.0.0.1:8265"),
        ("auto", "usually http://HEAD:8265"),
        (None, "RAY_API_SERVER_ADDRESS"),
    ],
)
def test_addresses_for_drivers_are_told_apart(address: str | None, said: str) -> None:
    pytest.importorskip("ray")
    result = invoke("submit", "--list", *(["--address", address] if address else []))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_log_whose_reader_leaves_is_detached_from(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        with pytest.raises(KeyboardInterrupt):
            job_answers._to_terminal("step 1\n")
        nobody.write("what comes later bothers nobody")
        nobody.flush()


@pytest.mark.parametrize(
    ("uri", "told"), [("http://me:secret@mlflow:5000", True), ("http://mlflow:5000", False), ("http://[odd", False)]
)
def test_a_password_on_the_command_line_is_remarked_upon(uri: str, told: bool) -> None:
    notes = " ".join(rehearse("doctor", "--tracking-uri", uri, "--shared=/s")["notes"])
    assert ("holds a password" in notes) == told
    assert "secret" not in notes


def test_hidden_files_and_caches_stay_here(tmp_path: Path) -> None:
    for name in (".env", ".git/config", "__pycache__/a.py", "a.pyc", "a.py"):
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("KEY=secret")
    assert [entry.name for entry in upload._folder(tmp_path / "package")] == ["package/a.py"]
