"""Runs in MLflow: the only module that imports it, and only once a run starts.

The default store is a SQLite file beside the run directories; MLFLOW_TRACKING_URI wins. SQLite is for one machine:
processes on several nodes share a tracking server.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shapesys.tracking import location
from shapesys.tracking.buffered import BufferedTracker, Refused
from shapesys.tracking.spool import Operation
from shapesys.tracking.tables import table_json
from shapesys.tracking.tracker import PENDING
from shapesys.training.run_dir import RunDirectory, write_json

_SETTINGS = {
    # A server that is away must not hold up a run: MLflow waits minutes and retries seven times by default. What
    # fails is spooled, and tried again from there.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    # A run by default makes no network call.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Standard output belongs to the command line.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_PERMANENT = {
    "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED",
    "PERMISSION_DENIED", "INVALID_STATE",
}  # fmt: skip
_NO_SUCH_RUN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
_METRICS_PER_CALL, _PARAMS_PER_CALL, _TAGS_PER_CALL, _TABLES_TAG = 1000, 100, 100, "mlflow.loggedArtifacts"

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Marks the experiment as model training, not as work on language models, which MLflow's pages take for granted."""

_NOTE, _PARENT = "mlflow.note.content", "mlflow.parentRunId"
_DIGEST_LENGTH = 12


class MlflowTracker(BufferedTracker):
    """MLflow as a `Tracker`; see `BufferedTracker` for the options."""

    def __init__(self, run: RunDirectory, **options: Any) -> None:
        super().__init__(run, MlflowStore(run), **options)


class MlflowStore:
    """Carries out tracking operations with one MLflow client."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._uri = location.tracking_uri(run)
        self._keep_status = False
        self._connection: Any = None
        self.run_id: str | None = None
        self.name = f"MLflow at {location.public(self._uri)}"

    def apply(self, operation: Operation) -> None:
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            getattr(self, f"_{operation['op']}")(client, operation)
        except MlflowException as error:
            if error.error_code in _PERMANENT:
                raise Refused(str(error)) from error
            raise

    def _client(self) -> Any:
        if self._connection is None:
            for name, value in _SETTINGS.items():
                os.environ.setdefault(name, value)
            self._connection = _connect(self._uri)
        return self._connection

    def _start(self, client: Any, operation: Operation) -> None:
        known = self._find(client, operation["resume"] or location.tracked_id(self._run))
        self._keep_status = operation["attach"] and known is not None
        if known is None:
            known = self._create(client, operation)
        elif not operation["attach"]:
            client.update_run(known.info.run_id, status="RUNNING")
        self.run_id = str(known.info.run_id)
        self._describe(client, known, operation)
        facts = {"tracker": "mlflow", "experiment": operation["experiment"], "uri": location.public(self._uri)}
        facts |= {"experiment_id": str(known.info.experiment_id)}
        write_json(self._run.tracking, {"schema": 1, "run_id": self.run_id, **facts})
        self._join(client, operation)

    def _join(self, client: Any, operation: Operation) -> None:
        """Tie trials and sweep, or networks and their set, together, whichever of them the server saw first."""
        if operation["parent"]:
            above = self._run.parent
            pending = operation["parent"] == PENDING
            parent = location.tracked_id(above) if pending and above else operation["parent"]
            if parent not in (None, PENDING):
                client.set_tag(self._open_run(), _PARENT, parent)
        for run in self._run.children:
            child = self._find(client, location.tracked_id(run))
            if child is not None and child.data.tags.get(_PARENT) != self.run_id:
                client.set_tag(child.info.run_id, _PARENT, self.run_id)

    def _find(self, client: Any, run_id: str | None) -> Any:
        """The run to open again; None where it was deleted, or never reached this store."""
        from mlflow.exceptions import MlflowException

        if run_id is None:
            return None
        try:
            found = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in _NO_SUCH_RUN:
                return None
            raise
        return found if found.info.lifecycle_stage == "active" else None

    def _create(self, client: Any, operation: Operation) -> Any:
        tags = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL", "mlflow.source.name": "shapesys"}
        if "commit" in operation["tags"]:
            tags["mlflow.source.git.commit"] = operation["tags"]["commit"]
        experiment = self._experiment(client, operation["experiment"])
        return client.create_run(experiment, start_time=operation["time"], tags=tags, run_name=operation["name"])

    def _experiment(self, client: Any, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            artifacts = location.embedded_artifacts(self._run)
            tags = EXPERIMENT_TAGS | {_NOTE: f"Training runs and sweeps of the {name} family."}
            return str(client.create_experiment(name, artifact_location=artifacts, tags=tags))
        except MlflowException:
            # Another process made it in between; if it did not, the error is the one to show.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _describe(self, client: Any, known: Any, operation: Operation) -> None:
        """Log the params that the run does not have yet (MLflow refuses changes), the tags, the note and the data."""
        from mlflow.entities import Param

        params = {legal_name(name): text(value)[:6000] for name, value in operation["params"].items()}
        missing = [Param(name, value) for name, value in params.items() if name not in known.data.params]
        for start in range(0, len(missing), _PARAMS_PER_CALL):
            client.log_batch(self.run_id, params=missing[start : start + _PARAMS_PER_CALL])
        # The commit is shown as the run's source already.
        tags = {name: value for name, value in operation["tags"].items() if name != "commit"}
        if operation.get("note") and _NOTE not in known.data.tags:
            tags[_NOTE] = operation["note"]
        self._tags(client, {"tags": tags})
        if operation.get("data"):
            self._data(client, operation["data"])

    def _data(self, client: Any, data: dict[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        kind = data["source"].partition("://")[0] if "://" in data["source"] else "local"
        found = Dataset(data["name"], data["digest"][:_DIGEST_LENGTH], kind, json.dumps({"uri": data["source"]}))
        client.log_inputs(self._open_run(), [DatasetInput(found, [InputTag("mlflow.data.context", data["context"])])])

    def _tags(self, client: Any, operation: Operation) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(legal_name(name), str(value)[:5000]) for name, value in operation["tags"].items()]
        for start in range(0, len(tags), _TAGS_PER_CALL):
            client.log_batch(self._open_run(), tags=tags[start : start + _TAGS_PER_CALL])

    def _metrics(self, client: Any, operation: Operation) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(legal_name(name), value, moment, step) for name, value, step, moment in operation["metrics"]]
        for start in range(0, len(metrics), _METRICS_PER_CALL):
            client.log_batch(self._open_run(), metrics=metrics[start : start + _METRICS_PER_CALL])

    def _artifacts(self, client: Any, operation: Operation) -> None:
        folder = operation["folder"] or None
        for path in map(Path, operation["paths"]):
            if path.is_dir():
                # Under its own name: MLflow would mix the contents of two folders into one.
                client.log_artifacts(self._open_run(), str(path), "/".join(filter(None, (folder, path.name))))
            elif path.is_file():
                client.log_artifact(self._open_run(), str(path), folder)
            else:
                raise Refused(f"{path} does not exist")

    def _table(self, client: Any, operation: Operation) -> None:
        """A table as MLflow's interface shows it: its JSON form, and a tag that says so."""
        rows = Path(operation["rows"])
        if not rows.is_file():
            raise Refused(f"{rows} does not exist")
        name = f"{operation['name']}.json"
        client.log_text(self._open_run(), table_json(rows), name)
        known = json.loads(client.get_run(self._open_run()).data.tags.get(_TABLES_TAG, "[]"))
        entry = {"path": name, "type": "table"}
        if entry not in known:
            client.set_tag(self._open_run(), _TABLES_TAG, json.dumps([*known, entry]))

    def _finish(self, client: Any, operation: Operation) -> None:
        if not self._keep_status:
            client.set_terminated(self._open_run(), _STATUS[operation["status"]], operation["time"])

    def _open_run(self) -> str:
        """The run's id; a spool left by an earlier process may go on without a start of its own."""
        self.run_id = self.run_id or location.tracked_id(self._run)
        if self.run_id is None:
            raise Refused("the run was never started")
        return self.run_id


def text(value: Any) -> str:
    """A param's value as a person writes it: ('mug', 'chair') -> 'mug, chair'."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def legal_name(name: str) -> str:
    """A metric, param or tag name with only the characters MLflow takes: 'chamfer@onet' -> 'chamfer/onet'."""
    cleaned = re.sub(r"[^\w.\- :/]", "_", name.replace("@", "/"))
    return "/".join(part for part in cleaned.split("/") if part not in ("", ".", ".."))[:250] or "_"


def _connect(uri: str) -> Any:
    """A client of `uri`; a SQLite database is created by one process while the others wait."""
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    from mlflow import MlflowClient

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    database = location.sqlite_file(uri)
    if database is None:
        return MlflowClient(uri)
    with _exclusive(database.with_name(f".{database.name}.lock")):
        return MlflowClient(uri)


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers may run under a user id without a name.
        return str(os.getuid())
