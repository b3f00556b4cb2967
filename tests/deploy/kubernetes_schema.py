"""What Kubernetes would say about a manifest, without a Kubernetes: KubeRay's own schemas, made to refuse typos.

The API server silently drops fields that a schema does not name, so that a misspelt field would be accepted here and
do nothing there. Definitions of pods, services, claims and policies are taken from where KubeRay embeds them.
"""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
import yaml

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_LABELS: Schema = {"type": "object", "additionalProperties": _TEXT}
_METADATA: Schema = {
    "type": "object",
    "properties": {"name": _TEXT, "generateName": _TEXT, "labels": _LABELS, "annotations": _LABELS},
    "additionalProperties": False,
}
_SELECTOR: Schema = {"type": "object", "properties": {"matchLabels": _LABELS}, "additionalProperties": False}


class Definitions:
    """The schemas of a folder that holds KubeRay's custom resource definitions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def cluster(self) -> Schema:
        return self._load("ray.io_rayclusters.yaml")

    @cached_property
    def job(self) -> Schema:
        return self._load("ray.io_rayjobs.yaml")

    def problems(self, manifest: dict[str, Any]) -> list[str]:
        """Every place where a manifest differs from what its kind allows, as 'path: reason'."""
        found = jsonschema.Draft7Validator(self._of(manifest["kind"])).iter_errors(manifest)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in found]

    def _of(self, kind: str) -> Schema:
        if kind in {"RayCluster", "RayJob"}:
            schema = copy.copy(self.cluster if kind == "RayCluster" else self.job)
            return _kind(kind, "ray.io/v1", schema["properties"]["spec"])
        workloads = {"serviceName": _TEXT, "volumeClaimTemplates": {"type": "array", "items": self._claim}}
        known = {
            "Service": ("v1", self._service),
            "PersistentVolumeClaim": ("v1", self._claim["properties"]["spec"]),
            "StatefulSet": ("apps/v1", self._workload(workloads)),
            "Deployment": ("apps/v1", self._workload({"strategy": {"type": "object"}})),
            "Job": ("batch/v1", self._workload({"backoffLimit": {"type": "integer"}})),
            "NetworkPolicy": ("networking.k8s.io/v1", self._policy),
        }
        return _kind(kind, *known[kind])

    def _load(self, name: str) -> Schema:
        definition = yaml.load((self._folder / name).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
        closed: Schema = close(version["schema"]["openAPIV3Schema"])
        return closed

    @property
    def _spec(self) -> Schema:
        spec: Schema = self.cluster["properties"]["spec"]["properties"]
        return spec

    @property
    def _pod(self) -> Schema:
        template: Schema = self._spec["headGroupSpec"]["properties"]["template"]
        return template

    @property
    def _service(self) -> Schema:
        service: Schema = self._spec["headGroupSpec"]["properties"]["headService"]["properties"]["spec"]
        return service

    @property
    def _claim(self) -> Schema:
        volumes = self._pod["properties"]["spec"]["properties"]["volumes"]["items"]["properties"]
        template: Schema = volumes["ephemeral"]["properties"]["volumeClaimTemplate"]
        return template

    @property
    def _policy(self) -> Schema:
        rules = self._spec["networkPolicy"]["properties"]["head"]["properties"]
        fields = {"podSelector": _SELECTOR, "policyTypes": {"type": "array", "items": {"enum": ["Ingress", "Egress"]}}}
        return _object(fields | {"ingress": rules["ingressRules"], "egress": rules["egressRules"]})

    def _workload(self, more: Schema) -> Schema:
        return _object({"replicas": {"type": "integer"}, "selector": _SELECTOR, "template": self._pod} | more)


def close(schema: Any) -> Any:
    """The schema with every object that names its fields refusing others."""
    if isinstance(schema, list):
        return [close(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: close(part) for name, part in schema.items()}
    open_by_intent = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_by_intent:
        closed["additionalProperties"] = False
    return closed


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _kind(kind: str, version: str, spec: Schema) -> Schema:
    heading = {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": _METADATA}
    return _object(heading | {"spec": spec}) | {"required": ["apiVersion", "kind", "metadata", "spec"]}
