"""What `shapesys submit` does with a job, and what it answers."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapesys.cli.job_request import Request
from shapesys.cli.output import Answer, complain, silence, table
from shapesys.cli.upload import MEGABYTE
from shapesys.errors import ShapesysError, missing_extra
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from shapesys.on_ray.job_client import JobsClient

INTERRUPTED = 130


def run(request: Request, address: str | None, token_file: Path | None, detach: bool) -> Answer:
    """Submit, or find the same job running; then follow it unless `detach`."""
    client = _connect(address, token_file)
    _check_versions(client, request)
    for note in request.notes:
        complain(f"note: {note}")
    started = _submit(client, request)
    if started.attached:
        other = "; it runs other code than this machine's: --cancel it to run yours" if started.other_code else ""
        complain(f"job {started.id} runs already{other}")
    else:
        complain(f"job {started.id} submitted to {client.url}")
    if detach:
        from shapesys.on_ray.jobs import state

        now = state(client.get_job_info(started.id))
        data = {"id": started.id, "address": client.url, "attached": started.attached, "state": now}
        return Answer(data, [_hints(started.id, client.url)])
    return _followed(client, started.id, attached=started.attached)


def follow(job_id: str, address: str | None, token_file: Path | None) -> Answer:
    """The log of a job to its end, and its exit code."""
    return _followed(_connect(address, token_file), job_id, attached=True)


def cancel(job_id: str, address: str | None, token_file: Path | None) -> Answer:
    """End a job; one that had ended before is left as it was."""
    from shapesys.on_ray import jobs

    ended = jobs.cancel(_connect(address, token_file), job_id)
    state = jobs.state(ended)
    said = "cancelled" if state == "STOPPED" else f"had ended before: {state.lower()}"
    return Answer({"id": job_id, "state": state, "exit_code": jobs.exit_code(ended)}, [f"job {job_id} {said}"])


def listing(address: str | None, token_file: Path | None) -> Answer:
    """The jobs of the cluster, the newest first."""
    client = _connect(address, token_file)
    submitted = [job for job in client.list_jobs() if job.submission_id]
    rows = [_row(job) for job in sorted(submitted, key=lambda job: job.start_time or 0, reverse=True)]
    if not rows:
        return Answer({"jobs": []}, [f"no jobs on {client.url}"])
    columns = ("job", "state", "age", "took", "exit code", "command")
    cells = [
        (row["id"], row["state"], _time(row["age_s"]), _time(row["took_s"]), row["exit_code"], row["command"])
        for row in rows
    ]
    return Answer({"jobs": rows}, [table("", columns, cells, right=("age", "took", "exit code"))])


def rehearsal(request: Request, address: str | None) -> Answer:
    """What would be submitted."""
    from shapesys.on_ray.job_client import ADDRESS_VARIABLES, dashboard_address

    named = address or any(os.environ.get(name) for name in ADDRESS_VARIABLES)
    url = dashboard_address(address) if named else None
    data = {
        "address": url,
        "id": request.name,
        "entrypoint": request.entrypoint,
        "environment": sorted(request.environment),
        "upload": [{"name": name, "files": count, "bytes": size} for name, count, size in request.upload.sizes()],
        "packed_bytes": len(request.upload.packed()) if request.upload.entries else 0,
        "notes": list(request.notes),
    }
    rows: list[tuple[str, Any]] = [
        ("address", url or "none named yet"),
        ("job", request.name),
        ("entrypoint", request.entrypoint),
    ]
    rows += [("variables", " ".join(sorted(request.environment)) or "none"), ("upload", _total(request))]
    shown = [table("dry run: nothing was contacted", ("what", "value"), rows), _uploads(request)]
    return Answer(data, [*shown, *(f"note: {note}" for note in request.notes)])


def _connect(address: str | None, token_file: Path | None) -> JobsClient:
    try:
        from shapesys.on_ray.job_client import connect
    except ImportError as error:
        raise missing_extra("ray", "ray", "submitting a job") from error
    return connect(address, token_file)


def _check_versions(client: JobsClient, request: Request) -> None:
    """Code that was written against one Ray is not sent to another."""
    from shapesys.on_ray.job_client import compare_versions

    agreement, found = compare_versions(client)
    if agreement == "unusable":
        raise ShapesysError(f"{found}; use an image of the cluster that has it")
    if agreement == "different":
        if request.code:
            raise ShapesysError(
                f"{found}; use a cluster with the same, or --upload none where its image has shapesys installed"
            )
        complain(f"note: {found}")


def _submit(client: JobsClient, request: Request) -> Any:
    from shapesys.on_ray.jobs import Submission, submit

    with _package(request) as package:
        metadata = request.metadata()
        return submit(
            client, Submission(request.name, request.entrypoint, package, request.environment, metadata), complain
        )


@contextmanager
def _package(request: Request) -> Iterator[Path | None]:
    if not request.upload.entries:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="shapesys-submit-") as folder:
        path = Path(folder, "job.zip")
        path.write_bytes(request.upload.packed())
        complain(f"upload: {_total(request)} ({', '.join(_parts(request))}), {_size(path.stat().st_size)} packed")
        yield path


def _followed(client: JobsClient, job_id: str, attached: bool) -> Answer:
    from shapesys.on_ray import jobs
    from shapesys.on_ray.job_logs import Follower

    try:
        job = Follower(client, job_id, _to_terminal, complain).to_the_end()
    except KeyboardInterrupt:
        complain(f"detached; job {job_id} goes on")
        data = {"id": job_id, "address": client.url, "attached": attached, "state": "RUNNING"}
        return Answer(data, [_hints(job_id, client.url)], INTERRUPTED)
    code = jobs.exit_code(job) or 0
    took = _row(job)["took_s"]
    data = {"id": job_id, "address": client.url, "attached": attached, "state": jobs.state(job),
            "exit_code": code, "seconds": took}  # fmt: skip
    why = jobs.why_failed(job)
    ended = {"SUCCEEDED": "succeeded", "STOPPED": "was cancelled"}.get(jobs.state(job), f"failed with exit code {code}")
    return Answer(data, [f"job {job_id} {ended} after {_time(took)}{f': {why}' if why else ''}"], code)


def _to_terminal(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the log has left, such as `head`: as good as Ctrl-C.
        silence(sys.stdout)
        raise KeyboardInterrupt from None


def _hints(job_id: str, address: str) -> str:
    return (
        f"follow it: shapesys submit --follow {job_id} --address {address}\n"
        f"end it: shapesys submit --cancel {job_id} --address {address}"
    )


def _row(job: Any) -> dict[str, Any]:
    from shapesys.on_ray import jobs

    now, told = time.time(), job.metadata or {}
    begun = job.start_time / 1000 if job.start_time else None
    ended = job.end_time / 1000 if job.end_time else now
    return {
        "id": job.submission_id,
        "state": jobs.state(job),
        "age_s": None if begun is None else max(now - begun, 0.0),
        "took_s": None if begun is None else max(ended - begun, 0.0),
        "exit_code": jobs.exit_code(job),
        "verb": told.get(jobs.VERB),
        "command": told.get(jobs.COMMAND, job.entrypoint),
    }


def _uploads(request: Request) -> Any:
    rows = [(name, count, _size(size)) for name, count, size in request.upload.sizes()]
    return table("", ("uploaded", "files", "size"), rows, right=("files", "size")) if rows else "nothing is uploaded"


def _parts(request: Request) -> list[str]:
    return [f"{name} {_size(size)}" for name, _, size in request.upload.sizes()]


def _total(request: Request) -> str:
    sizes = request.upload.sizes()
    return f"{sum(count for _, count, _ in sizes)} files, {_size(sum(size for _, _, size in sizes))}"


def _size(count: float) -> str:
    return f"{count / MEGABYTE:.1f} MB" if count >= MEGABYTE / 10 else f"{count / 1e3:.1f} kB"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else duration(seconds)
