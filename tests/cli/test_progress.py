"""The progress line tells the truth, in place on a terminal and now and then elsewhere."""

from __future__ import annotations

import io

from shapesys.cli.progress import PLAIN_EVERY, Progress
from shapesys.report.numbers import duration


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_come_at_most_every_few_seconds_and_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("train", "steps", 100, stream, clock) as progress:
        for step in range(101):
            progress(step, loss=0.5)
            clock.now += 0.25
    lines = stream.getvalue().splitlines()
    assert 3 <= len(lines) <= 25 / PLAIN_EVERY + 2
    assert lines[-1].startswith("train: 100/100 steps, loss 0.5, 4 steps/s")
    assert "left" not in lines[-1]


def test_rate_and_time_left_are_those_of_this_run() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress("prepare", "shapes", 1000, stream, clock)
    progress(900)  # done by an earlier run: must not count towards the rate
    clock.now += PLAIN_EVERY
    progress(920, rejected=3)
    assert stream.getvalue() == "prepare: 920/1000 shapes, rejected 3, 2 shapes/s, 40.0 s left\n"


def test_what_is_under_way_counts_towards_the_rate() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress("fit", "shapes", 4, stream, clock)
    progress(1, under_way=0.25)  # begun by an earlier run
    clock.now += PLAIN_EVERY
    progress(1, under_way=0.75, failed=0)
    line = "fit: 1/4 shapes, 0.8 of those under way, failed 0, 0.05 shapes/s, 45.0 s left\n"
    assert stream.getvalue() == line


def test_a_terminal_sees_one_line_rewritten() -> None:
    clock, stream = Clock(), Terminal()
    with Progress("train", "steps", 3, stream, clock) as progress:
        for step in range(4):
            clock.now += 1
            progress(step, samples_per_s=10.0, wait_share=0.031)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 4
    assert "samples/s 10, wait 3 %" in text


def test_the_last_report_is_written_when_the_work_stops_early() -> None:
    stream = io.StringIO()
    with Progress("train", "steps", 100, stream, Clock()) as progress:
        progress(1)
    assert stream.getvalue() == "train: 1/100 steps\n"


def test_the_end_is_told_at_once_and_again_only_where_more_is_known() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("saliency", "sets of maps", 3, stream, clock) as progress:
        for _ in range(4):
            progress(3)
            assert stream.getvalue() == "saliency: 3/3 sets of maps\n"
        progress(3, failed=1)
    assert stream.getvalue() == "saliency: 3/3 sets of maps\nsaliency: 3/3 sets of maps, failed 1\n"


def test_without_work_nothing_is_written() -> None:
    stream = io.StringIO()
    with Progress("train", "steps", 100, stream):
        pass
    assert stream.getvalue() == ""


def test_durations_read_well() -> None:
    assert [duration(value) for value in (0.04, 59.9, 61, 3599.6, 7300)] == [
        "0.0 s", "59.9 s", "1 min 01 s", "1 h 00 min", "2 h 01 min",
    ]  # fmt: skip
