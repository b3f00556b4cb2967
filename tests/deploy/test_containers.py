"""The container files, as far as they can be checked without building them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "cluster" / "container" / "Containerfile", ROOT / "cluster" / "mlflow" / "Containerfile"]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a container file: continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def only(path: Path, name: str) -> str:
    (value,) = [text for instruction, text in instructions(path) if instruction == name]
    return value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_source_exists_and_is_sent_to_the_builder(path: Path) -> None:
    sent = path.with_name("Containerfile.dockerignore").read_text().splitlines()
    sources = []
    for instruction, text in instructions(path):
        if instruction == "COPY":
            words = [word for word in text.split() if not word.startswith("--")]
            sources += words[:-1]
    assert len(sources) >= 3
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {f"!{source}" for source in sources} == {line for line in sent if line.startswith("!")}
    assert "*" in sent


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_base_is_pinned_and_its_python_allowed(path: Path) -> None:
    version = re.fullmatch(r"python:(\d+\.\d+\.\d+)-slim-bookworm", only(path, "FROM"))
    assert version is not None
    assert version[1] in SpecifierSet(PYPROJECT["project"]["requires-python"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_it_installs_by_constraints_runs_unprivileged_and_checks_itself(path: Path) -> None:
    installs = [text for name, text in instructions(path) if name == "RUN" and "pip install" in text]
    assert installs
    assert all(re.search(r"-c \S*constraints\.txt", text) for text in installs)
    assert "==" not in path.read_text(), "versions stand in constraints.txt alone"
    names = [name for name, _ in instructions(path)]
    assert only(path, "USER") == "1000:1000"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert json.loads(only(path, "ENTRYPOINT"))
    assert json.loads(only(path, "HEALTHCHECK").partition("CMD ")[2])
    assert not re.search(r"(?i)(password|secret|token)\w*=", path.read_text())


def test_the_health_check_is_a_command_of_ours() -> None:
    from shapesys.cli.doctor import command

    words = json.loads(only(FILES[0], "HEALTHCHECK").partition("CMD ")[2])
    assert words[:2] == ["shapesys", "doctor"]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert set(words[2:]) <= options


def test_the_image_holds_every_package_that_is_installed() -> None:
    wanted = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = {text.split()[-2] for name, text in instructions(FILES[0]) if name == "COPY"}
    assert {name.rstrip("*") for name in wanted} <= copied


def test_the_server_needs_only_pinned_packages() -> None:
    lines = (FILES[1].with_name("requirements.txt")).read_text().splitlines()
    needs = [Requirement(line) for line in lines if not line.startswith("#")]
    assert {need.name for need in needs} == {"mlflow", "pg8000", "boto3"}
    assert [need.name for need in needs if need.name not in pinned()] == []
