"""What is printed is what was meant: brackets of names, paths and commands are no markup."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from cli_support import invoke
from rich.console import Console

from shapesys.cli import checks
from shapesys.cli.output import Answer, GroupedTable, StandardOut, table

BRACKETS = "shapes[/old] of store[red] with pip install 'shapesys[sampling]'"


def printed(*show: object) -> str:
    stream = io.StringIO()
    StandardOut(stream, as_json=False).write(Answer({}, show))
    return stream.getvalue()


def test_sentences_titles_headings_and_cells_keep_their_brackets() -> None:
    assert printed(BRACKETS) == BRACKETS + "\n"
    assert printed(table(BRACKETS, (f"{BRACKETS} 2",), [[f"{BRACKETS} 3"]])).count(BRACKETS) == 3


@pytest.mark.parametrize(
    ("width", "parts"),
    [(60, [["one", "two", "three"]]), (40, [["one", "two"], ["three"]]), (29, [["one"], ["two"], ["three"]])],
)
def test_groups_of_columns_that_a_screen_has_no_room_for_stand_below(width: int, parts: list[list[str]]) -> None:
    groups = [("one", ["ours", "gain"]), ("two", ["ours"]), ("three", ["ours", "published"])]
    rows = [("alpha", ["1 ± 2", "3", "4", "5", "6"]), ("beta", ["-", "[7]", "8", "9", "10"])]
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(GroupedTable("numbers", "method", groups, rows))
    shown = captured.get()
    heads = [[word for word in line.split() if word in {"one", "two", "three"}] for line in shown.splitlines()]
    assert [names for names in heads if names] == parts
    assert shown.count("numbers") == 1
    told = shown.split()
    for row, texts in rows:
        assert told.count(row) == len(parts)
        assert all(word in told for text in texts for word in text.split())


def test_doctor_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> Iterator[checks.Check]:
        yield checks.Check("extra 's3'", "warning", "s3fs is not installed", "pip install 'shapesys[s3]'")

    monkeypatch.setattr(checks, "all_checks", lambda *_: [lacking])
    assert "pip install 'shapesys[s3]'" in invoke("doctor", "--no-ray").stdout
