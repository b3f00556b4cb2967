"""The page about clusters names commands and files; here they are held against what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from shapesys.cli.main import VERBS, run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "cluster" / "README.md").read_text()


def commands() -> list[list[str]]:
    """Every line of a code block that calls shapesys or the job script, as words without redirections."""
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)).splitlines()
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(("shapesys ", "sbatch "))]
    return [line[next(i for i, word in enumerate(line) if "shapesys" in word) + 1 :] for line in words]


def test_the_page_shows_commands() -> None:
    assert {line[0] for line in commands()} == {"doctor", "train", "submit"}
    assert {line[0] for line in commands()} <= set(VERBS)


@pytest.mark.parametrize("words", [line for line in commands() if line[0] == "submit"], ids=" ".join)
def test_submissions_are_understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265")
    assert run([*words, "--dry-run"]) == 0


@pytest.mark.parametrize("words", [line for line in commands() if line[0] == "train"], ids=" ".join)
def test_trainings_are_understood(words: list[str]) -> None:
    assert run([*words, "--show-config"]) == 0


def test_doctor_has_the_options_shown() -> None:
    from shapesys.cli.doctor import command

    known = {option for parameter in command.params for option in parameter.opts}
    shown = {word for line in commands() if line[0] == "doctor" for word in line if word.startswith("--")}
    assert shown
    assert shown <= known


def test_files_named_exist() -> None:
    inside = set(re.findall(r"`((?:slurm|kuberay|vm|container|mlflow)/[\w./-]*)`", TEXT))
    outside = set(re.findall(r"(?<![\w/])(cluster/[\w./-]+\w)", TEXT))
    assert len(inside | outside) > 10
    assert [path for path in sorted(inside) if not (ROOT / "cluster" / path).exists()] == []
    assert [path for path in sorted(outside) if not (ROOT / path).exists()] == []


def test_the_command_that_makes_the_secrets_is_the_tested_one() -> None:
    (documented,) = re.findall(r"^(\(umask 077; awk.*\))$", TEXT, re.MULTILINE)
    assert documented in (ROOT / "cluster" / "mlflow" / ".env.example").read_text()
