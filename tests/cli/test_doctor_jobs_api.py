"""Another version on the cluster than here: what `shapesys doctor` finds, and what `shapesys submit` refuses."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from cli_support import invoke

pytest.importorskip("ray")

import ray

from shapesys.cli import job_answers
from shapesys.errors import ShapesysError
from shapesys.on_ray import job_client

ADDRESS = "http://head:8265"


class Cluster:
    """A client of a cluster with these versions and two jobs, one of which runs."""

    url = ADDRESS
    has_token = True

    def __init__(self, ray_version: str, python: str | None) -> None:
        self.cluster_ray, self.cluster_python = ray_version, python

    def list_jobs(self) -> list[Any]:
        return [SimpleNamespace(status=status) for status in ("RUNNING", "SUCCEEDED")]


def examined(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """The exit code of the doctor, what it found as a whole, and its checks by name."""
    monkeypatch.setattr(job_client, "connect", lambda address: cluster)
    result = invoke("doctor", "--address", ADDRESS, "--json")
    data = json.loads(result.stdout)
    return result.exit_code, data, {check["name"]: check for check in data["checks"]}


def test_the_same_versions_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    code, data, checks = examined(monkeypatch, Cluster(ray.__version__, "3.11"))
    assert (code, data["healthy"]) == (0, True)
    assert (checks["versions"]["state"], checks["versions"]["way_out"]) == ("ok", "")
    assert checks["jobs"]["found"] == "1 running"
    assert checks["Jobs API"]["found"] == f"{ADDRESS} answers, with a token"


def test_another_ray_is_a_warning_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    code, data, checks = examined(monkeypatch, Cluster("2.31.0", "3.11"))
    assert (code, data["healthy"]) == (0, True)
    assert checks["versions"]["state"] == "warning"
    assert checks["versions"]["found"] == f"the cluster runs Ray 2.31.0, and this machine {ray.__version__}"
    assert checks["versions"]["way_out"]


def test_a_python_too_old_for_shapesys_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    code, data, checks = examined(monkeypatch, Cluster(ray.__version__, "3.9"))
    assert (code, data["healthy"]) == (1, False)
    assert checks["versions"]["state"] == "missing"
    assert checks["versions"]["found"] == "the cluster runs Python 3.9, and shapesys needs 3.11 or newer"
    assert checks["versions"]["way_out"]


def refused(cluster: Cluster, code: bool) -> str:
    with pytest.raises(ShapesysError) as told:
        job_answers._check_versions(cluster, SimpleNamespace(code=code))  # type: ignore[arg-type]
    return str(told.value)


def test_code_is_not_sent_to_another_ray() -> None:
    said = refused(Cluster("2.31.0", None), code=True)
    assert said.startswith(f"the cluster runs Ray 2.31.0, and this machine {ray.__version__}; ")
    assert "--upload none" in said
    assert "\n" not in said


@pytest.mark.parametrize("code", [True, False])
def test_nothing_is_sent_to_a_python_too_old(code: bool) -> None:
    said = refused(Cluster(ray.__version__, "3.9"), code)
    assert said.startswith("the cluster runs Python 3.9, and shapesys needs 3.11 or newer; ")
    assert "use an image" in said
    assert "\n" not in said


def test_an_image_with_its_own_code_is_only_remarked_upon(capsys: pytest.CaptureFixture[str]) -> None:
    without_code = SimpleNamespace(code=False)
    job_answers._check_versions(Cluster("2.31.0", "3.11"), without_code)  # type: ignore[arg-type]
    assert capsys.readouterr().err == f"note: the cluster runs Ray 2.31.0, and this machine {ray.__version__}\n"
    job_answers._check_versions(Cluster(ray.__version__, "3.11"), without_code)  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
