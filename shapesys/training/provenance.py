"""Where a run came from: code, data, configuration, packages and machine, as plain data for provenance.json."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from shapesys.config.base import Config

PATCH_LIMIT = 200_000
"""Most characters of an uncommitted patch that are kept."""

NOTED_CODE = "noted_code.json"
"""Beside this file in a package that was sent to a cluster: what `code` gave where it was sent from."""

_PACKAGES = (
    "shapesys", "torch", "numpy", "scipy", "trimesh", "pydantic", "pyarrow", "safetensors", "scikit-image", "fsspec",
    "manifold3d", "warp-lang", "ray", "mlflow", "fast-simplification",
)  # fmt: skip
_SECRET = re.compile(r"(?i)(secret|token|password|passwd|api[-_]?key|access[-_]?key)$")


def collect(data_digest: str | None, argv: Sequence[str], config: Config | None = None) -> dict[str, Any]:
    """Everything needed to say later what produced a run.

    Args:
        data_digest: content digest of the sample store, or None where there is none.
        argv: the command line, program first; values of flags named like secrets are blanked.
        config: the resolved configuration, for its digest.

    Returns:
        JSON-ready facts: ``code`` (commit and patch; empty outside a git checkout), ``packages``, ``machine``, ...
    """
    return {
        "schema": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join(_without_secrets(argv)),
        "data_digest": data_digest,
        "config_digest": None if config is None else digest(config),
        "code": code(),
        "packages": _versions(),
        "machine": _machine(),
    }


def digest(config: Config) -> str:
    """SHA-256 of a configuration's JSON: equal for equal settings."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


def tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """The short facts that a tracker filters runs by: commit, whether it was patched, beginnings of the digests."""
    code = provenance["code"]
    found = {
        "commit": code.get("commit"),
        "uncommitted_changes": str(bool(code["patch"])).lower() if code else None,
        "data_digest": _short(provenance["data_digest"]),
        "config_digest": _short(provenance["config_digest"]),
    }
    return {name: value for name, value in found.items() if value}


def _short(digest: str | None) -> str | None:
    """As much of a digest as is shown."""
    return digest[:12] if digest else None


def code() -> dict[str, Any]:
    """Commit, branch and uncommitted patch of the checkout that holds the package; outside one, what was noted of it
    when the package was sent to a cluster, or nothing."""
    folder = Path(__file__).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    # An installed package inside some other repository must not claim that repository's commit.
    if not commit or _git(folder, "ls-files", "--error-unmatch", "provenance.py") is None:
        noted = folder / NOTED_CODE
        return dict(json.loads(noted.read_text(encoding="utf-8"))) if noted.is_file() else {}
    patch = _git(folder, "diff", "HEAD", "--", ":/") or ""
    return {
        "commit": commit.strip(),
        "branch": (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip(),
        "patch": patch[:PATCH_LIMIT],
        "patch_cut": len(patch) > PATCH_LIMIT,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, or None where git, the checkout or the answer is missing."""
    # Reading must not take git's locks from under the user.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True, timeout=20, check=True, env=environment, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "processor": _processor_name(),
        "cpus": os.cpu_count(),
        "gpus": _gpus(),
    }


def _processor_name() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    named = re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE)
    return named.group(1).strip() if named else platform.machine()


def _gpus() -> list[str]:
    """Names of the GPUs, where torch is loaded already: provenance is not worth loading it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _without_secrets(argv: Sequence[str]) -> list[str]:
    """The arguments with the value of every ``--...token VALUE`` or ``--...token=VALUE`` blanked."""
    kept: list[str] = []
    blank_next = False
    for argument in argv:
        flag, equals, _ = argument.partition("=")
        secret = flag.startswith("-") and bool(_SECRET.search(flag))
        kept.append("***" if blank_next else f"{flag}=***" if secret and equals else argument)
        blank_next = secret and not equals
    return kept
