"""Where tracked runs are stored, without importing MLflow."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from shapesys.training.run_dir import RunDirectory, read_json

_LOCAL = "http://127.0.0.1:5000"
MODEL_TRAINING_PAGE = f"{_LOCAL}/#/experiments?workflowType=machine_learning"
"""Where `mlflow ui` shows experiments; its front page is made for language models instead."""

_SQLITE = "sqlite:///"


def tracking_uri(run: RunDirectory) -> str:
    """MLFLOW_TRACKING_URI where it is set, else a SQLite file beside the run directories."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{run.root / 'mlflow.db'}"


def embedded_artifacts(run: RunDirectory) -> str | None:
    """The folder URI for artifacts of the default SQLite store; None where MLFLOW_TRACKING_URI decides."""
    return None if os.environ.get("MLFLOW_TRACKING_URI") else (run.root / "mlflow_artifacts").as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The database file of a SQLite URI, else None."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) and uri != _SQLITE else None


def public(uri: str) -> str:
    """The URI without user name and password, fit to be written into a file."""
    parts = urlsplit(uri)
    if not parts.hostname or "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def open_command(run: RunDirectory) -> str:
    """The one thing to type (or the address to open) to see this run in MLflow."""
    uri = tracking_uri(run)
    return public(uri) if uri.startswith("http") else f"{_mlflow()} ui --backend-store-uri {shlex.quote(uri)}"


def runs_page(run: RunDirectory) -> str:
    """Where `mlflow ui` lists the runs beside this one.

    From the list of experiments, MLflow leads to its pages for language models until "Model training" is chosen once.
    """
    found = read_json(run.tracking).get("experiment_id") if tracked_id(run) else None
    return f"{_LOCAL}/#/experiments/{found}/runs?workflowType=machine_learning" if found else MODEL_TRAINING_PAGE


def _mlflow() -> str:
    """The program as it can be typed here: by name where it is on the path, else beside this interpreter."""
    beside = Path(sys.executable).with_name("mlflow")
    return "mlflow" if shutil.which("mlflow") or not beside.exists() else shlex.quote(_nearest(beside))


def _nearest(path: Path) -> str:
    """The path from here where it lies below, else the whole."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def tracked_id(run: RunDirectory) -> str | None:
    """The id that the current store gave this run, or None where it knows no such run."""
    if not run.tracking.exists():
        return None
    found = read_json(run.tracking)
    return found.get("run_id") if found.get("uri") == public(tracking_uri(run)) else None
