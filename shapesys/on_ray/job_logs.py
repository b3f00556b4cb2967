"""Follows a job's log to its end, through outages of the network and of the head's dashboard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray.job_client import JobsClient, Unreachable, known_job
from shapesys.on_ray.jobs import ENDED, Note, state

SILENCE_SECONDS = 60.0
"""A stream that says nothing for so long is opened anew: a connection may be lost without a word."""

OUTAGE_SECONDS = 1800.0
LONGEST_PAUSE = 30.0
_LOST_READS, _POLL_SECONDS = 3, 5.0

Write = Callable[[str], None]


class Follower:
    """Writes a job's log as it grows; what was written is not written again after an outage.

    Args:
        write: takes text, in order, with its line ends.
        note: takes one line for a person, about the connection.
    """

    def __init__(self, client: JobsClient, job_id: str, write: Write, note: Note) -> None:
        self._client = client
        self._id = job_id
        self._write = write
        self._note = note
        self._written = 0
        self._outage: float | None = None
        self._pause = 1.0
        self._lost = 0

    def to_the_end(self) -> Any:
        """Follow until the job has ended; returns what the cluster knows of it then.

        Raises:
            UsageError: no such job, or the head forgot it by being restarted.
            ShapesysError: no answer for half an hour.
        """
        known_job(self._client, self._id)
        while True:
            try:
                streamed = self._stream()
                job = self._job()
                ended = state(job) in ENDED
                complete = streamed or self._read_rest(ended)
                self._outage, self._pause = None, 1.0
            except Unreachable as error:
                self._wait(error)
                continue
            if ended and complete:
                return job
            time.sleep(0.5 if streamed else _POLL_SECONDS)

    def _job(self) -> Any:
        try:
            return known_job(self._client, self._id)
        except UsageError as error:
            raise ShapesysError(
                f"{self._client.url} no longer knows job {self._id}: the cluster was restarted, which ended it; "
                "the same submission again continues where it stopped"
            ) from error

    def _stream(self) -> bool:
        """Write what there is and what comes; whether the stream ended as it should."""
        try:
            asyncio.run(self._copy())
        except (ShapesysError, KeyboardInterrupt):
            raise
        except Exception:
            # Whatever broke the stream: the job itself is asked how it is.
            return False
        return True

    async def _copy(self) -> None:
        skip = self._written
        async for text in _with_deadline(self._client.tail_job_logs(self._id)):
            self._emit(text[skip:])
            skip = max(0, skip - len(text))

    def _wait(self, error: Unreachable) -> None:
        now = time.monotonic()
        if self._outage is None:
            self._outage = now
            self._note(f"lost the connection to {self._client.url}; the job goes on, trying again")
        if now - self._outage > OUTAGE_SECONDS:
            raise ShapesysError(
                f"no answer from {self._client.url} for {OUTAGE_SECONDS / 60:.0f} min; job {self._id} may go on: "
                f"shapesys submit --follow {self._id} --address {self._client.url}"
            ) from error
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _read_rest(self, ended: bool) -> bool:
        """Write what a broken stream left out; whether that was possible, or cannot be any more."""
        try:
            text = self._client.get_job_logs(self._id)
        except RuntimeError:
            self._lost += 1
            if ended and self._lost >= _LOST_READS:
                self._note("the rest of the log cannot be read: the node that held it does not answer")
                return True
            return False
        self._emit(text[self._written :])
        return True

    def _emit(self, text: str) -> None:
        if text:
            self._write(text)
            self._written += len(text)


async def _with_deadline(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    """The texts; a `TimeoutError` where none comes for too long."""
    while True:
        try:
            yield await asyncio.wait_for(anext(texts), SILENCE_SECONDS)
        except StopAsyncIteration:
            return
