"""What a run says of its origin."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from shapesys.config.base import Config, setting
from shapesys.training import provenance


class Small(Config):
    width: int = setting(4, help="width")


def checkout(folder: Path, change: str = "") -> str:
    """A git checkout with a file named as the module itself, and an uncommitted change; returns its commit."""
    (folder / "provenance.py").write_text("one\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    (folder / "provenance.py").write_text("one\n" + change)
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))


def test_commit_and_patch_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = checkout(tmp_path, change="two\n")
    at(tmp_path, monkeypatch)
    facts = provenance.collect("d1", ["shapesys", "train"], Small())
    assert facts["code"]["commit"] == commit
    assert "+two" in facts["code"]["patch"]
    assert not facts["code"]["patch_cut"]
    assert provenance.tags(facts) == {
        "commit": commit, "uncommitted_changes": "true", "data_digest": "d1",
        "config_digest": provenance.digest(Small(width=4))[:12],
    }  # fmt: skip
    json.dumps(facts)


def test_a_huge_patch_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout(tmp_path, change="x\n" * provenance.PATCH_LIMIT)
    at(tmp_path, monkeypatch)
    code = provenance.collect(None, [])["code"]
    assert code["patch_cut"]
    assert len(code["patch"]) == provenance.PATCH_LIMIT


def test_outside_a_checkout_the_rest_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(tmp_path, monkeypatch)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    facts = provenance.collect(None, ["shapesys", "train", "--run", "my chairs"])
    assert facts["code"] == {}
    assert facts["command"] == "shapesys train --run 'my chairs'"
    assert facts["packages"]["torch"].startswith("2.")
    assert facts["machine"]["cpus"] >= 1
    assert provenance.tags(facts) == {}


def test_secrets_on_the_command_line_are_blanked() -> None:
    argv = ["shapesys", "train", "--api-token", "abc", "--s3.secret=def", "--model.num-tokens", "64"]
    command = provenance.collect(None, argv)["command"]
    assert "abc" not in command
    assert "def" not in command
    assert "64" in command


def test_the_digest_follows_the_values() -> None:
    assert provenance.digest(Small(width=4)) == provenance.digest(Small())
    assert provenance.digest(Small(width=5)) != provenance.digest(Small())
