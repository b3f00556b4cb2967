"""Submitting once, following through outages, and exit codes, against a cluster that the tests play."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("ray")

from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray import job_logs, jobs
from shapesys.on_ray.job_client import Unreachable
from shapesys.on_ray.job_logs import Follower
from shapesys.on_ray.jobs import CODE, Started, Submission, exit_code, next_id, submit, why_failed


@dataclass
class Job:
    submission_id: str | None
    status: str = "RUNNING"
    driver_exit_code: int | None = None
    message: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Cluster:
    """Plays the Jobs API.

    Attributes:
        troubles: what the next calls of `submit_job` meet, in order; None for nothing.
        streams: what each opening of the log's stream gives: texts, or errors that end it.
        states: what each question for a job is answered.
    """

    url = "http://head:8265"

    def __init__(self, *known: Job) -> None:
        self.known = list(known)
        self.troubles: list[Exception | None] = []
        self.accepts_before_trouble = False
        self.streams: Iterator[list[str | Exception]] = iter([])
        self.states: Iterator[Job | Exception] = iter([])
        self.whole_log: str | Exception = ""

    def list_jobs(self) -> list[Job]:
        return self.known

    def submit_job(self, *, submission_id: str, **given: Any) -> str:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is None or self.accepts_before_trouble:
            self.known.append(Job(submission_id, metadata=given["metadata"]))
        if trouble is not None:
            raise trouble
        return submission_id

    def get_job_info(self, job_id: str) -> Job:
        answer = next(self.states)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get_job_logs(self, job_id: str) -> str:
        if isinstance(self.whole_log, Exception):
            raise self.whole_log
        return self.whole_log

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for text in next(self.streams):
            if isinstance(text, Exception):
                raise text
            yield text


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def start(cluster: Cluster, **metadata: str) -> Started:
    return submit(cluster, Submission("train-a", "exec true", metadata=metadata), lambda text: None)  # type: ignore[arg-type]


def test_the_same_order_runs_once() -> None:
    cluster = Cluster()
    assert start(cluster) == Started("train-a")
    assert start(cluster) == Started("train-a", attached=True)
    assert len(cluster.known) == 1


def test_a_running_job_of_other_code_is_told() -> None:
    cluster = Cluster()
    start(cluster, **{CODE: "old"})
    assert start(cluster, **{CODE: "new"}).other_code


def test_an_order_that_ended_is_a_new_attempt() -> None:
    cluster = Cluster(Job("train-a", "FAILED"), Job("train-a-2", "SUCCEEDED"), Job("train-a-b-9", "FAILED"), Job(None))
    assert start(cluster) == Started("train-a-3")
    assert start(cluster) == Started("train-a-3", attached=True)


@pytest.mark.parametrize(
    ("taken", "free"),
    [([], "a"), (["a"], "a-2"), (["a", "a-2", "a-9"], "a-10"), (["a-b", "b-2", None], "a"), (["a-2"], "a-3")],
)
def test_attempts_are_counted_on(taken: list[str | None], free: str) -> None:
    assert next_id("a", taken) == free


def test_a_lost_answer_does_not_run_it_twice() -> None:
    cluster = Cluster()
    cluster.troubles, cluster.accepts_before_trouble = [Unreachable("cut")], True
    assert start(cluster) == Started("train-a")
    assert len(cluster.known) == 1


def test_a_lost_request_is_sent_again() -> None:
    cluster = Cluster()
    cluster.troubles = [Unreachable("cut"), Unreachable("cut")]
    assert start(cluster) == Started("train-a")
    assert len(cluster.known) == 1
    cluster = Cluster()
    cluster.troubles = [Unreachable("cut")] * 3
    with pytest.raises(Unreachable, match="cut"):
        start(cluster)


def test_somebody_faster_is_attached_to() -> None:
    cluster = Cluster()
    cluster.troubles = [RuntimeError("Job with submission_id train-a already exists.")]
    assert start(cluster) == Started("train-a", attached=True)


def test_a_head_without_agent_is_waited_for_with_one_note() -> None:
    cluster, notes = Cluster(), []
    cluster.troubles = [RuntimeError("status code 500: No available agent to submit job")] * 3
    assert submit(cluster, Submission("a", "true"), notes.append).id == "a"  # type: ignore[arg-type]
    assert len(notes) == 1
    assert "no agent" in notes[0]


def test_a_head_that_never_gets_an_agent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_AGENT_SECONDS", -1.0)
    cluster = Cluster()
    cluster.troubles = [RuntimeError("No available agent")]
    with pytest.raises(ShapesysError, match=r"dashboard_agent\.log"):
        start(cluster)


def test_a_refusal_is_told_in_one_line() -> None:
    cluster = Cluster()
    cluster.troubles = [RuntimeError("Request failed: 400: Traceback\n  File x\nValueError: bad entrypoint\n.")]
    with pytest.raises(ShapesysError, match="refused the job: ValueError: bad entrypoint"):
        start(cluster)


@pytest.mark.parametrize(
    ("job", "code", "why"),
    [
        (Job("a", "SUCCEEDED", 0), 0, ""),
        (Job("a", "FAILED", 2), 2, ""),
        (Job("a", "FAILED", -9), 137, "killed by signal 9, perhaps for its memory"),
        (Job("a", "FAILED", 127), 127, "its interpreter was not found on the cluster; name one with --python PATH"),
        (Job("a", "FAILED", None, "no such working_dir\nTraceback"), 1, "no such working_dir"),
        (Job("a", "STOPPED"), 130, ""),
        (Job("a", "RUNNING"), None, ""),
    ],
)
def test_exit_codes_are_the_verbs_own(job: Job, code: int | None, why: str) -> None:
    assert (exit_code(job), why_failed(job)) == (code, why)


def follow(cluster: Cluster) -> tuple[str, list[str], Any]:
    written: list[str] = []
    notes: list[str] = []
    job = Follower(cluster, "a", written.append, notes.append).to_the_end()  # type: ignore[arg-type]
    return "".join(written), notes, job


RUNNING, DONE = Job("a"), Job("a", "SUCCEEDED", 0)


def test_a_log_is_followed_to_its_end() -> None:
    cluster = Cluster()
    cluster.states = iter([RUNNING, DONE])
    cluster.streams = iter([["one\n", "two\n"]])
    assert follow(cluster) == ("one\ntwo\n", [], DONE)


def test_an_outage_is_told_once_and_nothing_is_written_twice() -> None:
    cluster = Cluster()
    cut = Unreachable("cut")
    cluster.states = iter([RUNNING, cut, cut, cut, DONE])
    broken: list[str | Exception] = ["one\ntw", OSError("reset")]
    cluster.streams = iter([broken, [OSError("refused")], [OSError("refused")], ["one", "\ntwo\nthr", "ee\n"]])
    text, notes, job = follow(cluster)
    assert (text, job) == ("one\ntwo\nthree\n", DONE)
    assert len(notes) == 1
    assert "the job goes on" in notes[0]


def test_a_proxy_without_streams_is_asked_for_the_whole_log() -> None:
    cluster = Cluster()
    cluster.states = iter([RUNNING, DONE])
    cluster.streams = iter([["one\n", RuntimeError("no upgrade")]])
    cluster.whole_log = "one\ntwo\n"
    assert follow(cluster)[0] == "one\ntwo\n"


def test_a_log_that_died_with_its_node_is_given_up() -> None:
    cluster = Cluster()
    cluster.states = iter([RUNNING, *[Job("a", "FAILED")] * 3])
    cluster.streams = iter([[RuntimeError("gone")]] * 3)
    cluster.whole_log = RuntimeError("gone")
    _, notes, job = follow(cluster)
    assert job.status == "FAILED"
    assert "the rest of the log cannot be read" in notes[0]


def test_a_silent_stream_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(job_logs, "SILENCE_SECONDS", 0.05)
    cluster = Cluster()
    opened = 0

    async def tail(job_id: str) -> AsyncIterator[str]:
        nonlocal opened
        opened += 1
        yield "one\n"
        if opened == 1:
            await asyncio.sleep(30)
        yield "two\n"

    cluster.tail_job_logs = tail  # type: ignore[method-assign]
    cluster.whole_log = "one\n"
    cluster.states = iter([RUNNING, RUNNING, DONE])
    assert follow(cluster)[0] == "one\ntwo\n"
    assert opened == 2


def test_a_restarted_cluster_forgot_the_job() -> None:
    cluster = Cluster(Job("b"))
    cluster.states = iter([RUNNING, RuntimeError("Request failed with status code 404: Job a does not exist.")])
    cluster.streams = iter([[]])
    with pytest.raises(ShapesysError, match="the cluster was restarted"):
        follow(cluster)


def test_an_unknown_job_names_the_nearest() -> None:
    cluster = Cluster(Job("train-issn-a"))
    cluster.states = iter([RuntimeError("404: Job a does not exist.")])
    with pytest.raises(UsageError, match=r"unknown job 'train-issn-b'; did you mean train-issn-a\?"):
        Follower(cluster, "train-issn-b", print, print).to_the_end()  # type: ignore[arg-type]


def test_an_endless_outage_ends_with_how_to_follow_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "OUTAGE_SECONDS", -1.0)
    cluster = Cluster()
    cluster.states = iter([RUNNING, Unreachable("cut")])
    cluster.streams = iter([[]])
    with pytest.raises(ShapesysError, match=r"may go on: shapesys submit --follow a --address http://head:8265"):
        follow(cluster)
