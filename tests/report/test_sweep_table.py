"""The table of a sweep in the terminal."""

from __future__ import annotations

import io
import re

from rich.console import Console
from sweep_support import GRID_PATH, MIXED, by_id, grid_records, make_record, make_sweep, mixed_records

from shapesys.report.sweep_points import points_of, ranked
from shapesys.report.sweep_table import sweep_table
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord


def printed(sweep: Sweep, records: dict[str, TrialRecord], most: int = 12, width: int = 200) -> list[list[str]]:
    """Cells of the heading's lines, joined, and of every line, then the caption's words."""
    console = Console(file=io.StringIO(), width=width)
    console.print(sweep_table(sweep, records, most, width))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    rows = [re.split("[┃│]", line)[1:-1] for line in lines if line[:1] in ("┃", "│")]
    headings = sum(line[:1] == "┃" for line in lines)
    rows[:headings] = [["".join(cell.strip() for cell in column) for column in zip(*rows[:headings], strict=True)]]
    caption = " ".join(
        line.strip() for line in lines[lines.index(next(line for line in lines if line[:1] == "└")) + 1 :]
    )
    return [*([cell.strip() for cell in row] for row in rows), [caption]]


def test_one_line_per_trial_the_best_first() -> None:
    records = by_id(
        make_record(0, [0.03, 0.02, 0.0123]),
        make_record(1, [0.03, 0.02, 0.0119]),
        make_record(2, [0.001], "stopped"),
        make_record(3, [], "errored", error="CUDA out of memory\nTraceback"),
        make_record(4, [0.04, 0.03], None),
    )
    heading, *lines, caption = printed(make_sweep(), records)
    assert heading == ["trial", "saliency_weight", "chamfer/onet.chamfer_l1 ↓", "epochs", "state", "time", "error"]
    assert lines == [
        ["001-s0", "0.001", "0.01190", "27", "finished", "3 min 00 s", ""],
        ["000-s0", "0.001", "0.01230", "27", "finished", "3 min 00 s", ""],
        ["004-s0", "0.001", "0.03000", "9", "running", "2 min 00 s", ""],
        ["002-s0", "0.001", "0.00100", "3", "stopped early", "1 min 00 s", ""],
        ["003-s0", "0.001", "–", "0", "errored", "–", "CUDA out of memory"],  # noqa: RUF001
    ]
    assert caption == ["2 finished, 1 stopped early, 1 errored, 1 running"]


def test_one_line_per_point_with_the_spread_over_its_seeds() -> None:
    records = grid_records()
    part = make_record(9, [1.0, 1.0, 0.5], point={GRID_PATH: 0.01})
    records |= by_id(part, make_record(9, [1.0], None, seed=1, point={GRID_PATH: 0.01}))
    heading, best, *_, last, _ = printed(make_sweep(seeds=3), records)
    assert heading[0] == "point"
    assert best == ["003", "0.003", "0.01201 ± 0.00100", "27", "3 finished", "9 min 00 s"]
    assert last == ["009", "0.01", "0.50000 (1 of 3 seeds)", "3-27", "1 finished, 1 running", "4 min 00 s"]


def test_running_trials_keep_a_third_of_a_short_table() -> None:
    sweep, records = make_sweep(MIXED), mixed_records()
    _, *lines, caption = printed(sweep, records, most=9)
    assert [line[-2] for line in lines] == ["finished"] * 6 + ["running"] * 3
    expected = [point.name for point in ranked(sweep, points_of(sweep, records))[:6]]
    assert [line[0] for line in lines[:6]] == expected
    assert caption[0].endswith("; 51 more points not shown")
    assert len(printed(sweep, records, most=1)) == 3


def test_a_sweep_without_trials_has_its_heading() -> None:
    (heading, caption) = printed(make_sweep(), {})
    assert heading[0] == "trial"
    assert caption == ["0 finished, 0 stopped early, 0 errored, 0 running"]


def test_names_and_errors_are_no_markup() -> None:
    record = make_record(0, [], "errored", error="[bold]oops[/] [link=x]")
    assert printed(make_sweep(), by_id(record))[1][-1] == "[bold]oops[/] [link=x]"


def test_knobs_that_do_not_fit_are_named_below() -> None:
    paths = ("clamp", "code_weight", "dropout", "hidden", "latent_dim", "layers", "saliency_weight", "skip_at")
    knobs = {f"model.{path}": {"choices": [1, 2]} for path in paths}
    record = make_record(0, [0.03, 0.02, 0.0123], point={f"model.{path}": 0.12345678 for path in paths})
    for width in (60, 80, 100, 160):
        heading, line, caption = printed(make_sweep(knobs), by_id(record), width=width)
        shown = [path for path in paths if path in heading]
        gives_up = ["time", "epochs"] if width < 160 else []
        kept = [name for name in ("epochs", "state", "time") if name not in gives_up]
        cells = {"epochs": "27", "state": "finished", "time": "3 min 00 s"}
        assert heading == ["trial", *shown, "chamfer/onet.chamfer_l1 ↓", *kept]
        assert line == ["000-s0", *["0.1235"] * len(shown), "0.01230", *(cells[name] for name in kept)]
        left_out = [*(path for path in paths if path not in shown), *gives_up]
        assert (f"; too narrow for: {', '.join(left_out)}" if left_out else "") in " ".join(caption)
    assert shown == list(paths)


def test_the_only_knob_is_worth_more_than_the_time() -> None:
    record = make_record(0, [0.03, 0.02, 0.0123], error="the gradient's norm is nan at step 12")
    heading, _, caption = printed(make_sweep(), by_id(record), width=100)
    assert heading == ["trial", "saliency_weight", "chamfer/onet.chamfer_l1 ↓", "epochs", "state", "error"]
    assert caption[0].endswith("; too narrow for: time")


def test_what_was_cut_off_does_not_run() -> None:
    records = by_id(make_record(0, [0.03], None))
    console = Console(file=io.StringIO(), width=200)
    console.print(sweep_table(make_sweep(), records, width=200, alive=False))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 interrupted" in text
    assert "running" not in text
