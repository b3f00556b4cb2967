"""`shapesys lab` in this process, by the figure that takes no training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_support import invoke

from shapesys.laboratory import landscape
from shapesys.laboratory.registry import FIGURES, Figure


def test_a_figure_gives_a_picture_its_numbers_and_a_page(tmp_path: Path) -> None:
    result = invoke("lab", "landscape", "--out", tmp_path / "out", "--seed", 4, "--seeds", 2, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["seeds"] == [4, 5]
    [figure] = found["figures"]
    expected = landscape.run((4,)).claims()
    assert [claim["claim"] for claim in figure["claims"]] == [claim.text for claim in expected]
    assert [claim["measured"] for claim in figure["claims"]] == pytest.approx([claim.value for claim in expected])
    assert all(claim["holds"] for claim in figure["claims"])
    folder = (tmp_path / "out").resolve()
    assert {path.name for path in folder.iterdir()} == {"landscape.png", "page.html", "summary.json"}
    assert figure["picture"] == str(folder / "landscape.png")
    assert json.loads((folder / "summary.json").read_text()) == found


def test_a_person_sees_a_table_and_where_things_are(tmp_path: Path) -> None:
    result = invoke("lab", "landscape", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "L2: minima over the slope of a line" in text
    assert all(word in text for word in ("figure", "claim", "measured", "wanted", "holds", "≥ 0.1", "yes"))
    assert f"page: {tmp_path.resolve()}/page.html" in text.replace("\n", "")
    assert result.stderr == "landscape ...\n"


def test_all_figures_are_drawn_where_none_is_named_and_claims_that_fail_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: dict[str, list[int]] = {}

    class Short(Figure):
        def run(self, seeds: Sequence[int]) -> landscape.Result:
            ran[self.module] = list(seeds)
            return landscape.run(seeds, landscape.Settings(steps=1, resolution=21))

    short = Short("landscape", "title", "caption")
    monkeypatch.setattr("shapesys.laboratory.registry.FIGURES", {"landscape": short})
    monkeypatch.setattr("shapesys.report.laboratory.FIGURES", {"landscape": short})
    result = invoke("lab", "--out", tmp_path)
    assert result.exit_code == 1
    assert ran == {"landscape": [0, 1, 2]}
    assert "3 of 10 claims do not hold with these seeds" in result.stdout
    assert (tmp_path / "page.html").is_file()


def test_help_names_every_figure() -> None:
    shown = invoke("lab", "--help").output
    assert all(name in shown for name in FIGURES)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["completon"], 2, "unknown figure 'completon'; did you mean completion"),
        (["landscape", "--seeds", 0], 2, "'--seeds'"),
        (["landscape", "--seed", -1], 2, "'--seed'"),
        (["landscape", "--sedes", 2], 2, "--seeds"),
    ],
)
def test_bad_usage_is_told_before_the_work(tmp_path: Path, words: list[object], code: int, complaint: str) -> None:
    result = invoke("lab", *words, "--out", tmp_path / "out")
    assert result.exit_code == code, result.output
    assert complaint in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    result = invoke("lab", "landscape", "--out", tmp_path / "taken")
    assert result.exit_code == 1
    assert f"cannot make {tmp_path}/taken: File exists; choose another --out" in result.stderr
