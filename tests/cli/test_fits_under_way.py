"""The progress line of fits tells how far they are before the first is done."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from shapesys.cli import fits_under_way
from shapesys.cli.fits_under_way import followed
from shapesys.cli.progress import Progress
from shapesys.training.fitted import HalfDoneFile
from shapesys.training.run_dir import RunDirectory


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits_under_way, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr("shapesys.cli.progress.REWRITE_EVERY", 0.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_workers_wrote_joins_the_line(tmp_path: Path) -> None:
    run, stream = RunDirectory(tmp_path), Terminal()
    with Progress("fit", "shapes", stream=stream) as line, followed(line, run) as counted:
        counted(0, 3, 0)
        HalfDoneFile(run.half_done / "a.pt", 2).tell(0.75)
        _wait_for(stream, "fit: 0/3 shapes, 1.5 of those under way, failed 0")
        HalfDoneFile(run.half_done / "b.pt", 2).tell(1.0)
        counted(2, 3, 1)
        _wait_for(stream, "fit: 2/3 shapes, 1.0 of those under way, failed 1")
    assert stream.getvalue().endswith("\n")


def test_what_an_earlier_process_did_is_not_counted_as_this_ones_pace(tmp_path: Path) -> None:
    run, stream = RunDirectory(tmp_path), Terminal()
    with Progress("fit", "shapes", stream=stream) as line, followed(line, run) as counted:
        counted(0, 2, 0)
        HalfDoneFile(run.half_done / "a.pt", 2).tell(0.95)
        _wait_for(stream, "1.9 of those under way")
        time.sleep(0.1)
    assert "left" not in stream.getvalue()


def test_what_is_fitted_and_not_yet_measured_is_not_forgotten(tmp_path: Path) -> None:
    run, stream = RunDirectory(tmp_path), Terminal()
    with Progress("fit", "shapes", stream=stream) as line, followed(line, run) as counted:
        counted(0, 2, 0)
        fitted = HalfDoneFile(run.half_done / "a.pt", 1)
        fitted.tell(1.0)
        _wait_for(stream, "0/2 shapes, 1.0 of those under way")
        fitted.drop()
        time.sleep(0.1)
    assert stream.getvalue().rstrip().splitlines()[-1].split("\r")[-1].startswith("fit: 0/2 shapes, 1.0 of those")


def test_it_ends_with_the_work_that_failed(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Progress("fit", "shapes", stream=io.StringIO()) as line,
        followed(line, RunDirectory(tmp_path)),
    ):
        raise KeyboardInterrupt


def _wait_for(stream: io.StringIO, text: str) -> None:
    until = time.monotonic() + 5
    while text not in stream.getvalue():
        assert time.monotonic() < until, stream.getvalue()
        time.sleep(0.01)
