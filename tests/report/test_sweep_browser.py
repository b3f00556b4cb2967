"""The page of a sweep in a real browser: brushing an axis keeps the lines and the rows that pass there."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from sweep_support import MIXED, make_sweep, mixed_records, write_sweep

from shapesys.report.sweep import build_sweep_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

SCRIPT = """
const figure = document.querySelector("svg.parallel"), axes = [...figure.querySelectorAll(".upright")];
Element.prototype.setPointerCapture = () => {};
function send(axis, kind, x, y) {
  const at = new DOMPoint(x, y).matrixTransform(figure.getScreenCTM());
  const place = { clientX: at.x, clientY: at.y, bubbles: true, pointerId: 1 };
  (axis ? axis.querySelector(".grip") : figure).dispatchEvent(new PointerEvent(kind, place));
}
function drag(axis, from, to) {
  const x = Number(axis.dataset.x);
  send(axis, "pointerdown", x, from); send(axis, "pointermove", x, to); send(axis, "pointerup", x, to);
}
const shown = (query) => [...document.querySelectorAll(query)].filter((one) => !one.classList.contains("out"))
  .map((one) => one.dataset.trial).sort();
const state = () => ({ lines: shown(".parallel .thread"), rows: shown("table.trials tr[data-trial]"),
  kept: document.querySelector("[data-kept]").textContent, clear: !document.querySelector("[data-clear]").hidden });
const answers = { before: state() };
drag(axes.at(-1), 217, 400);
answers.objective = state();
drag(axes[1], 300, 350);
answers.both = state();
drag(axes[1], 300, 300);
answers.clicked = state();
document.querySelector("[data-clear]").click();
answers.cleared = state();
const best = figure.querySelector(".thread.best"), [x, y] = best.getAttribute("points").split(" ").at(-1).split(",");
send(null, "pointermove", Number(x), Number(y));
answers.hovered = [document.querySelector("[data-hovered]").textContent, shown("tr.lit")];
const headings = [...document.querySelectorAll("table.trials th button")];
headings.find((one) => one.textContent == "learning_rate").click();
answers.sorted = [...document.querySelectorAll("table.trials tbody tr")].map((row) => row.dataset.trial);
const out = document.createElement("pre"); out.id = "answers"; out.textContent = JSON.stringify(answers);
document.body.append(out);
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("browser")
    directory = write_sweep(root, make_sweep(MIXED), mixed_records())
    page = build_sweep_page(directory, root / "page.html")
    text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{SCRIPT}</script></body>")
    page.write_text(text, encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
               "--disable-background-networking", "--disable-component-update", f"--user-data-dir={root / 'profile'}",
               "--window-size=1300,2000", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r'<pre id="answers">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    read: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return read


def test_everything_is_shown_at_first(answers: dict[str, Any]) -> None:
    before = answers["before"]
    assert len(before["lines"]) == len(before["rows"]) == 60
    assert (before["kept"], before["clear"]) == ("", False)


def test_a_brush_on_the_objective_keeps_finished_trials_there(answers: dict[str, Any]) -> None:
    # The lower half of the axis of the objective, whose ends are the extremes of the finished trials and a margin.
    final = {name: record.value for name, record in mixed_records().items() if record.ending == "finished"}
    middle = (min(final.values()) + max(final.values())) / 2
    expected = sorted(name for name, value in final.items() if value < middle)
    assert 0 < len(expected) < len(final)
    assert answers["objective"]["lines"] == answers["objective"]["rows"] == expected
    assert answers["objective"]["kept"] == f"{len(expected)} of 60 trials"


def test_brushes_on_two_axes_both_hold(answers: dict[str, Any]) -> None:
    records = mixed_records()
    expected = [name for name in answers["objective"]["lines"] if records[name].trial.point["model.hidden"] == 128]
    assert answers["both"]["lines"] == answers["both"]["rows"] == expected


def test_a_click_lets_go_of_one_axis_and_the_button_of_all(answers: dict[str, Any]) -> None:
    assert answers["clicked"] == answers["objective"]
    assert answers["cleared"] == answers["before"]


def test_the_line_under_the_pointer_is_named_and_its_row_lit(answers: dict[str, Any]) -> None:
    text, rows = answers["hovered"]
    assert len(rows) == 1
    assert text.startswith(f"{rows[0]}: ")
    assert rows == ["054-s0"]


def test_a_heading_sorts_by_number(answers: dict[str, Any]) -> None:
    records = mixed_records()
    rates = [records[name].trial.point["train.learning_rate"] for name in answers["sorted"]]
    assert rates == sorted(rates)
