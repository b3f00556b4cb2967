"""What went wrong at first, in one line: Ray wraps the errors of its workers several times."""

from __future__ import annotations

import re

import ray

_NO_ROOM = re.compile(r"worker group startup timed out after ([\d.]+) seconds waiting for (\d+) workers")
_CAUSE_OF_ANOTHER = "The above exception was the direct cause of the following exception:"
_DIED = "a worker process died: out of memory, or killed from outside"
_CLASS = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Rejected|Diverged): ")


def first_cause(error: BaseException) -> str:
    """The words of the error that began a chain of them."""
    innermost = _innermost(error)
    if isinstance(innermost, ray.exceptions.ActorDiedError) and innermost.actor_init_failed:
        # Of what its constructor raised, Ray keeps the traceback as text.
        return _CLASS.sub("", _lines(str(innermost))[-1])
    if isinstance(innermost, ray.exceptions.RayActorError):
        return _DIED
    if isinstance(innermost, ray.exceptions.RayTaskError):
        # Ray Data keeps no cause but in the text, a traceback.
        return _CLASS.sub("", _lines(str(innermost).split(_CAUSE_OF_ANOTHER)[0])[-1])
    lines = _lines(str(innermost))
    if lines and (late := _NO_ROOM.search(lines[0])):
        return _no_room(float(late[1]), int(late[2]))
    return lines[0] if lines else type(innermost).__name__


def _no_room(seconds: float, workers: int) -> str:
    """Ray's own words name no flag of ours, and not that nothing is lost."""
    wanted = "a worker" if workers == 1 else f"{workers} workers"
    return (
        f"the cluster had no room for {wanted} within {seconds:g} s, perhaps as a node was lost; start more nodes, "
        "lower --scale.num-workers or raise --scale.timeout-s; the same command continues from the last checkpoint"
    )


def cause_in_trace(text: str) -> str:
    """The same from the text of a traceback, which is all that Ray Tune keeps of a trial's end."""
    if re.search(r"ActorDiedError|WorkerCrashedError|OutOfMemoryError|ActorUnavailableError|NodeDiedError", text):
        return _DIED
    lines = _lines(text)
    return _CLASS.sub("", lines[-1]) if lines else "no reason known"


def _innermost(error: BaseException) -> BaseException:
    while (cause := _cause(error)) is not None:
        error = cause
    return error


def _cause(error: BaseException) -> BaseException | None:
    failures: dict[int, Exception] | None = getattr(error, "worker_failures", None)
    if failures:
        # Where one worker fails for a reason, the others lose their connection to it.
        return min(failures.values(), key=_is_collateral)
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = error.cause
        return None if cause is None or isinstance(cause, ray.exceptions.UserCodeException) else cause
    return getattr(error, "controller_failure", None) or error.__cause__


def _is_collateral(failure: Exception) -> bool:
    return isinstance(_innermost(failure), ray.exceptions.RayActorError) or "gloo" in str(failure).lower()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
