"""The Kubernetes manifests, against the schemas of KubeRay and against one another."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("jsonschema")

from kubernetes_schema import Definitions  # noqa: E402

CLUSTER = Path(__file__).parents[2] / "cluster"
FILES = [*(CLUSTER / "kuberay").glob("*.yaml"), CLUSTER / "mlflow" / "mlflow.yaml"]


def manifests() -> list[dict[str, Any]]:
    found = [document for path in sorted(FILES) for document in yaml.safe_load_all(path.read_text())]
    return [document for document in found if document["kind"] != "Kustomization"]


def named(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata'].get('name', document['metadata'].get('generateName'))}"


def pods(part: Any) -> Iterator[dict[str, Any]]:
    """Every pod specification below a part of a manifest."""
    if isinstance(part, dict):
        if "containers" in part:
            yield part
        for value in part.values():
            yield from pods(value)
    elif isinstance(part, list):
        for value in part:
            yield from pods(value)


def containers() -> list[dict[str, Any]]:
    return [container for document in manifests() for pod in pods(document) for container in pod["containers"]]


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * 1024 ** ("", "Ki", "Mi", "Gi").index(unit)


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    """KubeRay's schemas, beside the checkout or named by SHAPESYS_KUBERAY_SCHEMAS; skips where absent."""
    fallback = CLUSTER.parents[1] / "shared" / "schemas" / "kuberay"
    folder = Path(os.environ.get("SHAPESYS_KUBERAY_SCHEMAS", fallback))
    if not (folder / "ray.io_rayclusters.yaml").is_file():
        pytest.skip(f"no KubeRay schemas at {folder}; set SHAPESYS_KUBERAY_SCHEMAS to config/crd/bases of KubeRay")
    return Definitions(folder)


@pytest.mark.parametrize("document", manifests(), ids=named)
def test_manifests_fit_their_schemas(document: dict[str, Any], definitions: Definitions) -> None:
    assert definitions.problems(document) == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("RayCluster", "spec.enableInTreeAutoscalling", True),
        ("RayCluster", "spec.headGroupSpec.template.spec.securityContext.runAsNonRot", True),
        ("RayCluster", "spec.workerGroupSpecs.0.template.spec.containers.0.volumeMounts.0.mountpath", "/shared"),
        ("RayCluster", "spec.autoscalerOptions.version", "v3"),
        ("RayCluster", "spec.workerGroupSpecs.0.minReplicas", "0"),
        ("RayJob", "spec.backOffLimit", 3),
        ("RayJob", "spec.rayClusterSpec.authOptions.secret", "shapesys-token"),
        ("StatefulSet", "spec.template.spec.containers.0.env.0.valuefrom", {}),
        ("PersistentVolumeClaim", "spec.accessMode", ["ReadWriteMany"]),
        ("Service", "spec.port", 6379),
        ("NetworkPolicy", "spec.ingress.0.form", []),
        ("Deployment", "spec.template.spec.containers.0.ressources", {}),
    ],
)
def test_a_typo_is_caught(kind: str, path: str, value: Any, definitions: Definitions) -> None:
    document = copy.deepcopy(next(one for one in manifests() if one["kind"] == kind))
    *way, last = path.split(".")
    part: Any = document
    for step in way:
        part = part[int(step)] if isinstance(part, list) else part[step]
    part[last] = value
    problems = definitions.problems(document)
    assert problems
    assert all(last in problem for problem in problems)


def test_ray_is_the_one_of_the_image() -> None:
    pinned = re.search(r"^ray==(.+)$", (CLUSTER.parent / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    specs = [one["spec"].get("rayClusterSpec", one["spec"]) for one in manifests() if one["kind"].startswith("Ray")]
    assert [spec["rayVersion"] for spec in specs] == [pinned[1]] * 2
    assert all(spec["authOptions"]["mode"] == "token" for spec in specs)


def test_no_pod_runs_as_root_or_gains_rights() -> None:
    found = [pod for document in manifests() for pod in pods(document)]
    assert len(found) >= 7
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers():
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, container["name"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_every_container_is_bounded_and_pinned() -> None:
    for container in containers():
        resources = container["resources"]
        assert resources["requests"] == resources["limits"], container["name"]
        tag = container["image"].rpartition(":")[2]
        assert re.search(r"\d", tag), container["image"]


def test_object_stores_fit_into_shared_memory_and_that_into_the_container() -> None:
    groups = []
    for one in manifests():
        if one["kind"].startswith("Ray"):
            spec = one["spec"].get("rayClusterSpec", one["spec"])
            groups += [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert len(groups) == 5
    for group in groups:
        pod = group["template"]["spec"]
        (memory,) = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "memory"]
        limit = bytes_of(pod["containers"][0]["resources"]["limits"]["memory"])
        assert int(group["rayStartParams"]["object-store-memory"]) < bytes_of(memory["sizeLimit"]) < limit / 2


def test_heads_take_no_work() -> None:
    for one in manifests():
        if one["kind"].startswith("Ray"):
            head = one["spec"].get("rayClusterSpec", one["spec"])["headGroupSpec"]
            assert head["rayStartParams"]["num-cpus"] == "0"
            assert head["serviceType"] == "ClusterIP"


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    """The specification of the cluster that stays."""
    (found,) = [one["spec"] for one in manifests() if one["kind"] == "RayCluster"]
    assert isinstance(found, dict)
    return found


def test_the_cluster_grows_from_nothing_and_shrinks_again(cluster: dict[str, Any]) -> None:
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    assert {group["groupName"] for group in cluster["workerGroupSpecs"]} == {"gpu", "cpu"}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"], group["groupName"]


def test_the_cluster_outlives_its_head(cluster: dict[str, Any]) -> None:
    kept = cluster["gcsFaultToleranceOptions"]
    host, port = kept["redisAddress"].split(":")
    (service,) = [one for one in manifests() if named(one) == f"Service-{host}"]
    assert int(port) in [one["port"] for one in service["spec"]["ports"]]
    assert kept["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "shapesys-redis", "key": "password"}
    (redis,) = [one for one in manifests() if named(one) == f"StatefulSet-{host}"]
    assert service["spec"]["selector"].items() <= redis["spec"]["template"]["metadata"]["labels"].items()


def test_gpus_go_to_one_group_of_workers_which_their_nodes_admit(cluster: dict[str, Any]) -> None:
    pods_of = {group["groupName"]: group["template"]["spec"] for group in cluster["workerGroupSpecs"]}
    asked = {
        name: [container["resources"]["limits"].get("nvidia.com/gpu") for container in pod["containers"]]
        for name, pod in pods_of.items()
    }
    assert asked == {"gpu": ["1"], "cpu": [None]}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pods_of["gpu"]["tolerations"]
    assert "tolerations" not in pods_of["cpu"]
    assert "nvidia.com/gpu" not in str(cluster["headGroupSpec"])


def test_secrets_are_made_by_a_documented_command_and_stand_in_no_file() -> None:
    assert not [one for one in manifests() if one["kind"] == "Secret"]
    text = "".join(path.read_text() for path in FILES)
    wanted = set(re.findall(r"(?:secretRef|secretKeyRef): \{name: ([\w-]+)|secretName: ([\w-]+)", text))
    names = {name for pair in wanted for name in pair if name}
    assert {"shapesys-token", "shapesys-redis", "shapesys-tracking"} <= names
    readme = (CLUSTER / "README.md").read_text()
    assert [name for name in sorted(names) if f"create secret generic {name}" not in readme] == []


def test_claims_and_services_that_are_named_exist() -> None:
    text = "".join(path.read_text() for path in FILES)
    made = {named(one) for one in manifests()}
    claimed = set(re.findall(r"claimName: ([\w-]+)", text))
    assert {f"PersistentVolumeClaim-{name}" for name in claimed} <= made
    assert "Service-shapesys-redis" in made


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", ["kuberay", "mlflow"])
def test_kustomize_puts_the_image_in_every_pod(folder: str) -> None:
    done = subprocess.run(["kubectl", "kustomize", CLUSTER / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    documents = list(yaml.safe_load_all(done.stdout))
    images = [container["image"] for one in documents for pod in pods(one) for container in pod["containers"]]
    ours = [image for image in images if "shapesys" in image]
    assert ours
    assert all(image.startswith("registry.example.org/shapesys") for image in ours)
