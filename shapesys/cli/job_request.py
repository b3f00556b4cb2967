"""Everything a job is submitted with: its order, its upload, its environment and its metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import shapesys
from shapesys.cli.submission import Order, order
from shapesys.cli.upload import Upload, collect
from shapesys.errors import UsageError
from shapesys.tracking.location import public

TRACKING = "MLFLOW_TRACKING_URI"
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Request:
    """A verb's order with all that goes with it.

    Attributes:
        environment: variables of the job.
        notes: remarks for the person who submits.
    """

    order: Order
    upload: Upload
    environment: dict[str, str]
    notes: tuple[str, ...]
    python: str
    workdir: str | None
    code: bool

    @classmethod
    def of(cls, words: Sequence[str], options: Mapping[str, Any], own_flags: Sequence[str]) -> Request:
        """The request that a command line of `submit` makes.

        Raises:
            UsageError: the verb would refuse its words, a path means nothing on a cluster, or the upload is too large.
        """
        workdir = options["workdir"]
        if workdir is not None and not PurePosixPath(workdir).is_absolute():
            raise UsageError(f"--workdir '{workdir}' is relative; give the absolute path that the cluster's nodes see")
        asked = order(words, workdir, own_flags)
        code = options["upload"] == "code"
        variables, notes = environment(options["variables"])
        notes += _told_to_everybody(words)
        upload = collect(code, asked.inputs, asked.folders)
        return cls(asked, upload, variables, tuple(notes), options["python"], workdir, code)

    @property
    def name(self) -> str:
        return self.order.name(shapesys.__version__, self.workdir)

    @property
    def entrypoint(self) -> str:
        return self.order.entrypoint(self.python, self.workdir)

    @cached_property
    def digest(self) -> str:
        """Which code and files go along; empty for none."""
        return self.upload.digest() if self.upload.entries else ""

    def metadata(self) -> dict[str, str]:
        """What everybody may read who sees the cluster's dashboard."""
        return {
            "shapesys.verb": self.order.verb,
            "shapesys.command": self.order.command(),
            "shapesys.version": shapesys.__version__,
            "shapesys.code": self.digest,
        }


def environment(given: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The job's variables from ``NAME=VALUE`` or ``NAME``, and MLFLOW_TRACKING_URI where it means the same there.

    Raises:
        UsageError: a name is not one, or names a variable that is not set here.
    """
    variables, notes = dict(_variable(text) for text in given), []
    uri = os.environ.get(TRACKING, "")
    if uri and TRACKING not in variables:
        if reason := _why_not_shared(uri):
            notes.append(f"{TRACKING} {reason}, so it is not passed on; do it with --env {TRACKING}=URI")
        else:
            variables[TRACKING] = uri
    return variables, notes


def _told_to_everybody(words: Sequence[str]) -> list[str]:
    """A remark where the command line holds a password, since a cluster shows it with the job."""
    if not any(_PASSWORD.search(word) for word in words):
        return []
    return [
        "the command line holds a password, and whoever may see the cluster's jobs may read it; let the cluster's "
        "nodes know it instead"
    ]


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not name.isidentifier():
        raise UsageError(f"--env '{text}' is not NAME or NAME=VALUE")
    if given:
        return name, value
    if name not in os.environ:
        raise UsageError(f"--env {name}: no such variable is set here; give its value with --env {name}=VALUE")
    return name, os.environ[name]


def _why_not_shared(uri: str) -> str:
    """What keeps a tracking address of this machine from being the cluster's; empty where nothing does."""
    if not uri.startswith(("http://", "https://")):
        return f"({public(uri)}) is no server that the cluster could reach"
    if urlsplit(uri).hostname in _HERE:
        return f"({public(uri)}) is an address of this machine"
    if public(uri) != uri:
        return "holds a user's password"
    return ""
