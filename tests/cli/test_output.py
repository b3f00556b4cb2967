"""What is printed is what was meant: brackets of names, paths and commands are no markup."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from cli_support import invoke

from shapesys.cli import checks
from shapesys.cli.output import Answer, StandardOut, table

BRACKETS = "shapes[/old] of store[red] with pip install 'shapesys[sampling]'"


def printed(*show: object) -> str:
    stream = io.StringIO()
    StandardOut(stream, as_json=False).write(Answer({}, show))
    return stream.getvalue()


def test_sentences_titles_headings_and_cells_keep_their_brackets() -> None:
    assert printed(BRACKETS) == BRACKETS + "\n"
    assert printed(table(BRACKETS, (f"{BRACKETS} 2",), [[f"{BRACKETS} 3"]])).count(BRACKETS) == 3


def test_doctor_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> Iterator[checks.Check]:
        yield checks.Check("extra 's3'", "warning", "s3fs is not installed", "pip install 'shapesys[s3]'")

    monkeypatch.setattr(checks, "all_checks", lambda *_: [lacking])
    assert "pip install 'shapesys[s3]'" in invoke("doctor", "--no-ray").stdout
