"""The files around the tracking server: what compose starts, and where its secrets come from."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(__file__).parents[2] / "cluster" / "mlflow"


@pytest.fixture(scope="module")
def services(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    return found


def assigned(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_the_example_names_every_variable_and_holds_no_secret(folder: Path) -> None:
    example = assigned((folder / ".env.example").read_text())
    used = set(re.findall(r"\$\{([A-Z_]+)", (folder / "compose.yaml").read_text()))
    assert used == set(example)
    assert {name for name in example if name.endswith(("PASSWORD", "KEY"))} == {
        name for name, value in example.items() if not value
    }


@pytest.mark.skipif(not (shutil.which("awk") and shutil.which("openssl")), reason="awk and openssl make the secrets")
def test_the_documented_command_makes_the_secrets(folder: Path, tmp_path: Path) -> None:
    (documented,) = re.findall(r"^#\s+(\(umask.*\))$", (folder / ".env.example").read_text(), re.MULTILINE)
    assert documented in (folder / "compose.yaml").read_text()
    shutil.copy(folder / ".env.example", tmp_path)
    subprocess.run(["sh", "-c", documented], cwd=tmp_path, check=True)
    made = assigned((tmp_path / ".env").read_text())
    secrets = [value for name, value in made.items() if name.endswith(("PASSWORD", "KEY"))]
    assert len(set(secrets)) == 4
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in secrets), "they go into an URI"
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert made["MLFLOW_AUTH_ADMIN_USERNAME"] == "admin"


def test_nothing_but_the_server_is_published_and_that_on_the_loopback_address(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"]}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.search(r":[\w.-]*\d", service["image"]), name


def test_compose_and_kubernetes_set_only_what_the_server_reads(folder: Path, services: dict[str, Any]) -> None:
    serve = (folder / "serve.sh").read_text()
    (deployment,) = [
        one for one in yaml.safe_load_all((folder / "mlflow.yaml").read_text()) if one["kind"] == "Deployment"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for name in {*services["mlflow"]["environment"], *(entry["name"] for entry in container["env"])}:
        assert re.search(rf"\b{name}\b", serve), f"{name} is set, and nothing reads it"


def test_required_settings_are_set_by_both(folder: Path, services: dict[str, Any]) -> None:
    required = set(re.findall(r"\$\{([A-Z_]+):\?\}", (folder / "serve.sh").read_text()))
    assert len(required) == 5
    assert required <= set(services["mlflow"]["environment"])
    manifest = (folder / "mlflow.yaml").read_text()
    assert [name for name in required if name not in manifest] == []


def test_the_server_refuses_to_start_without_its_secrets(folder: Path) -> None:
    done = subprocess.run(
        [folder / "serve.sh"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "POSTGRES_USER" in done.stderr


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_compose_takes_the_file(folder: Path, tmp_path: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose here")
    filled = re.sub(r"=$", "=0123", (folder / ".env.example").read_text(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(filled)
    command = ["docker", "compose", "--env-file", tmp_path / ".env", "-f", folder / "compose.yaml", "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
