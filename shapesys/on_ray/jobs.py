"""Jobs on a cluster: submitted once however often they are asked for, listed, and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, first_line
from shapesys.on_ray.job_client import JobsClient, Unreachable, known_job

RUNNING, ENDED = frozenset({"PENDING", "RUNNING"}), frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
VERB, COMMAND, CODE = "shapesys.verb", "shapesys.command", "shapesys.code"
"""What a job's metadata tells: the verb, the whole command line, and the digest of the code that was uploaded."""

CANCELLED_CODE = 130
STOP_SECONDS = 30
"""What a job gets to write its checkpoint and status before it is killed."""

_AGENT_SECONDS, _AGENT_PAUSE = 120.0, 2.0
_ATTEMPTS = 3

Note = Callable[[str], None]


@dataclass(frozen=True)
class Submission:
    """What a cluster is asked to run.

    Attributes:
        name: id of its first attempt; later ones append -2, -3, ...
        entrypoint: the shell command.
        package: a zip file to be unpacked as the job's folder; None for an image that has all it needs.
        environment: variables of the job and of its workers.
        metadata: plain facts that the dashboard shows to everybody.
    """

    name: str
    entrypoint: str
    package: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def runtime_env(self) -> dict[str, Any]:
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS), **self.environment}
        return {"env_vars": variables} | ({"working_dir": str(self.package)} if self.package else {})


@dataclass(frozen=True)
class Started:
    """A job that runs: `attached` where it ran already, with other code where `other_code`."""

    id: str
    attached: bool = False
    other_code: bool = False


def submit(client: JobsClient, submission: Submission, note: Note) -> Started:
    """Run the submission, unless a job of the same name runs already: then that one is the answer.

    Raises:
        ShapesysError: the cluster refuses the job, or has no agent to run it.
    """
    jobs = client.list_jobs()
    for job in _attempts(jobs, submission.name):
        if state(job) in RUNNING:
            other = (job.metadata or {}).get(CODE) != submission.metadata.get(CODE)
            return Started(job.submission_id, attached=True, other_code=other)
    return _start(client, submission, next_id(submission.name, (job.submission_id for job in jobs)), note)


def next_id(name: str, taken: Iterable[str | None]) -> str:
    """The first of name, name-2, name-3, ... above all that are taken."""
    numbers = [number for job_id in taken if (number := _attempt(job_id, name))]
    return f"{name}-{max(numbers) + 1}" if numbers else name


def cancel(client: JobsClient, job_id: str, limit: float = STOP_SECONDS + 15) -> Any:
    """End a job and wait until it has ended; returns what the cluster knows of it then.

    Raises:
        UsageError: no such job.
        ShapesysError: it did not end within `limit` seconds.
    """
    known_job(client, job_id)
    client.stop_job(job_id)
    end = time.monotonic() + limit
    while state(job := client.get_job_info(job_id)) in RUNNING:
        if time.monotonic() > end:
            raise ShapesysError(f"job {job_id} has not ended within {limit:g} s; the same command asks again")
        time.sleep(0.3)
    return job


def state(job: Any) -> str:
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    return str(getattr(job.status, "value", job.status))


def exit_code(job: Any) -> int | None:
    """The exit code that the verb gave, as a shell would show it; None while the job runs."""
    ended = state(job)
    if ended in RUNNING:
        return None
    if ended == "STOPPED":
        return CANCELLED_CODE
    code = job.driver_exit_code
    if code is None:
        return int(ended != "SUCCEEDED")
    return int(code) if code >= 0 else 128 - int(code)


def why_failed(job: Any) -> str:
    """In one line why a job ended badly, where its own log does not tell; else nothing."""
    code = job.driver_exit_code
    if state(job) != "FAILED":
        return ""
    if code is None:
        return first_line(ShapesysError(job.message or "the cluster gives no reason"))
    if code < 0:
        return f"killed by signal {-code}" + (", perhaps for its memory" if code == -9 else "")
    if code == 127:
        return "its interpreter was not found on the cluster; name one with --python PATH"
    return ""


def _attempts(jobs: Iterable[Any], name: str) -> list[Any]:
    return [job for job in jobs if _attempt(job.submission_id, name)]


def _attempt(job_id: str | None, name: str) -> int:
    """Which attempt of `name` a job is; 0 for none of it."""
    if job_id == name:
        return 1
    stem, dash, number = (job_id or "").rpartition("-")
    return int(number) if dash and stem == name and number.isdecimal() else 0


def _start(client: JobsClient, submission: Submission, job_id: str, note: Note) -> Started:
    """Submit; an answer that got lost, or somebody who was faster, must not make it run twice."""
    end, waiting, attempt = time.monotonic() + _AGENT_SECONDS, False, 1
    while True:
        try:
            client.submit_job(
                entrypoint=submission.entrypoint, submission_id=job_id,
                runtime_env=submission.runtime_env(), metadata=dict(submission.metadata),
            )  # fmt: skip
            return Started(job_id)
        except Unreachable:
            if _exists(client, job_id):
                return Started(job_id)
            if attempt == _ATTEMPTS:
                raise
            attempt += 1
        except RuntimeError as error:
            if "already exists" in str(error):
                return Started(job_id, attached=True)
            if "No available agent" not in str(error) or time.monotonic() > end:
                raise _refused(client, error) from error
            if not waiting:
                note(f"the head has no agent for jobs yet; trying for {_AGENT_SECONDS:.0f} s")
            waiting = True
            time.sleep(_AGENT_PAUSE)


def _exists(client: JobsClient, job_id: str) -> bool:
    return any(job.submission_id == job_id for job in client.list_jobs())


def _refused(client: JobsClient, error: Exception) -> ShapesysError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" .')\"")]
    if "No available agent" in str(error):
        return ShapesysError(
            f"{client.url} had no agent for jobs within {_AGENT_SECONDS:.0f} s; see dashboard_agent.log on the head"
        )
    return ShapesysError(f"{client.url} refused the job: {lines[-1] if lines else 'no reason given'}")
