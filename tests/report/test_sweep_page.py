"""The page of a sweep: what it holds in every state of the sweep, that it fetches nothing, that names stay text."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sweep_support import FSCORE, MIXED, by_id, grid_records, make_record, make_sweep, mixed_records, write_sweep

from shapesys.errors import ShapesysError
from shapesys.report.sweep import build_sweep_page
from shapesys.report.sweep_load import load_sweep_report
from shapesys.report.sweep_parallel import parallel
from shapesys.report.sweep_plots import best_so_far, curves, progress, slices, strips
from shapesys.training.run_dir import write_json
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Ledger, Trial, TrialRecord
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\" onload='x'"
VOID = {"meta", "input", "img", "br", "link"}


class Outline(HTMLParser):
    """Tags with their attributes, the words outside scripts and styles, and the text of every row of the table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            (self.scripts if "script" in self.open else self.words).append(data)

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [found for _, found in self.tags if name in (found.get("class") or "").split()]


def page_of(directory: SweepDirectory) -> Outline:
    outline = Outline(build_sweep_page(directory, directory.page).read_text(encoding="utf-8"))
    assert outline.open == []
    return outline


def outline_of(root: Path, sweep: Sweep, records: dict[str, TrialRecord], state: str = "finished") -> Outline:
    return page_of(write_sweep(root, sweep, records, state=state))


def test_before_the_first_trial(tmp_path: Path) -> None:
    text = outline_of(tmp_path, make_sweep(), {}, "running").text
    assert "No trial has begun yet." in text
    assert "chamfer/onet.chamfer_l1 ↓ lower is better" in text
    assert "Every trial" not in text


def test_a_sweep_directory_without_status_or_ledger_has_a_page(tmp_path: Path) -> None:
    directory = create_sweep(tmp_path, "bare")
    write_json(directory.definition, make_sweep().model_dump(mode="json"))
    assert "No trial has begun yet." in page_of(directory).text
    with pytest.raises(ShapesysError, match=r"sweep\.json is missing"):
        build_sweep_page(create_sweep(tmp_path, "nothing"), tmp_path / "page.html")


def test_a_first_trial_that_has_measured_nothing(tmp_path: Path) -> None:
    directory = create_sweep(tmp_path, "begun")
    write_json(directory.definition, make_sweep().model_dump(mode="json"))
    Ledger(directory.ledger).begin(Trial("000-s0", 0, 0, {"model.saliency_weight": 1e-3}))
    outline = page_of(directory)
    assert "1 running" in outline.text
    assert "one that ended early is never the best" in outline.text
    assert not outline.with_class("sweep-plot")


def test_one_trial_that_went_all_the_way(tmp_path: Path) -> None:
    outline = outline_of(tmp_path, make_sweep(metric=FSCORE), by_id(make_record(0, [0.3, 0.5, 0.625])))
    assert f"{FSCORE} ↑ higher is better" in outline.text
    assert "0.6250 trial 000-s0" in outline.text
    assert "3 min 00 s" in outline.text
    # Two of progress, one slice, one of curves; none of seeds, of which there is one.
    assert len(outline.with_class("sweep-plot")) == 4


def test_a_grid_with_seeds_shows_the_mean_the_command_and_the_verdict(tmp_path: Path) -> None:
    outline = outline_of(tmp_path, make_sweep(seeds=3), grid_records())
    assert "0.01201 ± 0.00100 mean over 3 seeds, trials 003-s0, 003-s1, 003-s2" in outline.text
    command = "shapesys train issn --preset tiny --store /stores/demo --run demo-003-s0 --model.saliency-weight 0.003"
    assert f"{command} --train.epochs 27" in outline.text
    assert re.search(r"003 and 00[24] differ by 0\.00\d+ in the mean, more than seeds do", outline.text)
    assert "15 finished 0 stopped early 0 errored" in outline.text
    assert "time in trials 45 min 00 s" in outline.text
    assert len(outline.with_class("chosen")) == 3


def test_every_ending_is_told_apart(tmp_path: Path) -> None:
    records = mixed_records()
    outline = outline_of(tmp_path, make_sweep(MIXED), records, "running")
    assert "28 finished 26 stopped early 3 errored 3 running" in outline.text
    assert "CUDA out of memory on point 7 Tried to allocate 2.00 GiB" in outline.text
    rows = [found for tag, found in outline.tags if tag == "tr" and "data-trial" in found]
    assert {row["data-trial"] for row in rows} == set(records)
    threads = [found for found in outline.with_class("thread") if "data-trial" in found]
    assert len(threads) == len(records)
    assert {"error-007-s0", "error-027-s0", "error-047-s0"} <= {found.get("id") for _, found in outline.tags}


def test_what_has_not_ended_in_a_sweep_at_rest_was_interrupted(tmp_path: Path) -> None:
    records = by_id(make_record(0, [3, 2, 1.0]), make_record(1, [3.0], None))
    assert "1 interrupted" in outline_of(tmp_path / "a", make_sweep(), records, "interrupted").text
    assert "1 running" in outline_of(tmp_path / "b", make_sweep(), records, "running").text


def test_values_of_trials_that_ended_early_take_no_part_in_the_order(tmp_path: Path) -> None:
    records = by_id(make_record(0, [3, 2, 1.0]), make_record(1, [0.5], "stopped"))
    page = build_sweep_page(write_sweep(tmp_path, make_sweep(), records), tmp_path / "page.html").read_text("utf-8")
    assert '<td data-sort="1.0">1.000</td>' in page
    assert '<td data-sort="" class="quiet">0.500</td>' in page
    rows = re.findall(r'<tr data-trial="([^"]*)"', page)
    assert rows == ["000-s0", "001-s0"]


def test_pages_of_trials_are_linked_as_seen_from_the_page(tmp_path: Path) -> None:
    directory = write_sweep(tmp_path, make_sweep(), by_id(make_record(0, [3, 2, 1.0]), make_record(1, [3.0], None)))
    page = directory.trial("000-s0").page
    page.parent.mkdir(parents=True)
    page.write_text("page")
    for out in (directory.page, tmp_path / "else where" / "page.html"):
        text = build_sweep_page(directory, out).read_text(encoding="utf-8")
        links = set(re.findall(r'<a href="([^#"]+)"', text))
        assert len(links) == 1
        assert (out.parent / links.pop()).resolve() == page
    assert not list(tmp_path.rglob("*.part"))


def test_nothing_is_fetched_and_names_stay_text(tmp_path: Path) -> None:
    record = make_record(0, [3.0], "errored", error=HOSTILE, point={"model.clamp_gradient": HOSTILE})
    sweep = make_sweep({"model.clamp_gradient": {"choices": ["published", HOSTILE]}})
    directory = write_sweep(
        tmp_path, sweep, by_id(record, make_record(1, [3, 2, 1.0], point={"model.clamp_gradient": "published"}))
    )
    write_json(directory.status, {"state": HOSTILE, "error": HOSTILE})
    outline = page_of(directory)
    assert not {tag for tag, _ in outline.tags} & {"img", "link", "iframe"}
    for tag, found in outline.tags:
        assert not any(name.startswith("on") for name in found), (tag, found)
        assert all((found.get(name) or "#").startswith("#") for name in ("src", "href")), (tag, found)
    assert len(outline.scripts) == 1
    assert "alert" not in outline.scripts[0]
    assert sum(HOSTILE in word for word in outline.words) >= 3
    policy = next(found["content"] for _, found in outline.tags if found.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_mark_moves_only_when_all_seeds_of_a_better_point_are_in(tmp_path: Path) -> None:
    lucky = [make_record(1, [3, 2, 0.1], seed=0), make_record(1, [3, 2, 5.0], seed=1, ended=1_800_000_000.0)]
    steady = [make_record(0, [3, 2, 1.0], seed=seed) for seed in range(2)]
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(seeds=2), by_id(*steady, *lucky)))
    ended = sorted(report.records.values(), key=lambda record: record.ended)
    assert [(record.trial.id, value) for record, value in best_so_far(report, ended)] == [("000-s1", 1.0)]


def test_marks_stand_where_the_values_are(tmp_path: Path) -> None:
    records = by_id(*(make_record(at, [3, 2, 1.0 + at], point={"model.dropout": 0.1 * at}) for at in range(3)))
    knobs = {"model.dropout": {"low": 0.0, "high": 0.2}}
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(knobs), records))
    (plot,) = slices(report)
    places = sorted((mark.x, mark.y, mark.tone) for mark in plot.marks)
    assert places[0][2] == "finished best"
    # Evenly apart, to the right and up.
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert places[0][1] - places[1][1] == pytest.approx(places[1][1] - places[2][1], abs=0.2)
    assert places[0][1] > places[2][1]
    over_trials, over_time = progress(report)
    assert [mark.text.split(":")[0] for mark in over_trials.marks] == ["000-s0", "001-s0", "002-s0"]
    assert len(over_time.lines) == 1


def test_the_parallel_lines_of_unfinished_trials_end_before_the_objective(tmp_path: Path) -> None:
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(MIXED), mixed_records()))
    figure = parallel(report)
    assert figure is not None
    corners = {thread.trial: len(thread.points.split()) for thread in figure.threads}
    assert {corners[name] for name, record in report.records.items() if record.ending == "finished"} == {5}
    assert {corners[name] for name, record in report.records.items() if record.ending != "finished"} == {4}
    assert figure.threads[-1].trial == report.ranking[0].records[0].trial.id
    near = {thread.trial: thread.near for thread in figure.threads}
    order = [near[point.records[0].trial.id] for point in report.ranking]
    assert order == sorted(order, key=lambda share: -(share or 0))
    assert (order[0], order[-1]) == (100, 0)


def test_curves_and_strips_follow_the_ranking(tmp_path: Path) -> None:
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(seeds=3), grid_records()))
    plot = curves(report)
    assert plot is not None
    assert [line.tone for line in plot.lines][-9:] == ["third"] * 3 + ["second"] * 3 + ["best"] * 3
    assert {len(line.points.split()) for line in plot.lines} == {3}
    seeds = strips(report)
    assert seeds is not None
    means = [mark for mark in seeds.marks if mark.tone == "mean"]
    assert [mark.y for mark in means] == sorted(mark.y for mark in means)
    assert [mark.x for mark in means] == sorted(mark.x for mark in means)


def test_only_the_best_points_show_their_seeds_and_the_page_says_so(tmp_path: Path) -> None:
    records = [make_record(number, [3, 2, 1.0 + number + 0.1 * seed], seed=seed)
               for number in range(30) for seed in range(2)]  # fmt: skip
    directory = write_sweep(tmp_path, make_sweep(seeds=2), by_id(*records))
    plot = strips(load_sweep_report(directory))
    assert plot is not None
    assert len(plot.lines) == 25
    assert "Shown are the best 25 of 30 points." in page_of(directory).text


def test_values_that_are_not_finite_are_left_out_of_the_charts(tmp_path: Path) -> None:
    records = by_id(make_record(0, [3, 2, 1.0]), make_record(1, [math.inf, math.nan, math.inf]))
    directory = create_sweep(tmp_path, "wild")
    write_json(directory.definition, make_sweep().model_dump(mode="json"))
    ledger = Ledger(directory.ledger)
    for record in records.values():
        ledger.begin(record.trial)
        for report in record.reports:
            ledger.report(record.trial.id, report)
        ledger.end(record.trial.id, "finished")
    outline = page_of(directory)
    assert "1.000 trial 000-s0" in outline.text
    assert not any("nan" in value.lower() or "inf" in value for value in places(outline))


def places(outline: Outline) -> list[str]:
    names = ("cx", "cy", "d", "points", "x", "y")
    return [found[name] or "" for _, found in outline.tags for name in names if name in found]


def test_a_thousand_trials_stay_a_small_page(tmp_path: Path) -> None:
    directory = write_sweep(tmp_path, make_sweep(MIXED), mixed_records(1000))
    page = build_sweep_page(directory, directory.page)
    assert page.stat().st_size < 2.5e6


def test_the_same_ledger_gives_the_same_page(tmp_path: Path) -> None:
    directory = write_sweep(tmp_path, make_sweep(MIXED), mixed_records())
    first = build_sweep_page(directory, tmp_path / "page.html").read_bytes()
    assert build_sweep_page(directory, tmp_path / "page.html").read_bytes() == first
