"""The page about saliency names commands, files and recipes; here they are held against what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from shapesys.cli.submission import order
from shapesys.reproduction import registry

PAGE = Path(__file__).parents[2] / "docs" / "saliency.md"
TEXT = PAGE.read_text()


def commands() -> list[list[str]]:
    blocks = "\n".join(re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in blocks if line.startswith("shapesys ")]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_would_be_understood(words: list[str]) -> None:
    assert order(words, "/shared").verb == words[0]


def test_files_and_recipes_that_are_named_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert links
    assert all((PAGE.parent / link).is_file() for link in links)
    recipes = re.findall(r"reproduce (\S+?)`", TEXT)
    assert recipes
    assert set(recipes) <= set(registry.names())
