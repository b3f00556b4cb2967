"""Flags made from configuration fields."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from shapesys.cli.failure import explain, near_flags
from shapesys.cli.options import config_options, flag, overrides
from shapesys.cli.output import Answer
from shapesys.cli.verb import Verb, verb
from shapesys.config.base import Config, field_paths, parse, setting


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Config):
    latent_dim: int = setting(8, help="dimensions", ge=1, le=64)
    rate: float = setting(1e-3, help="rate", gt=0)
    fold: bool = setting(True, help="fold the code")
    kind: Literal["a", "b"] = setting("a", help="kind")
    level: Literal[1, 2] = setting(1, help="level")


class Outer(Config):
    inner: Inner = Inner()
    names: tuple[str, ...] = setting((), help="names")
    kinds: tuple[Literal["x", "y"], ...] = setting(("x",), help="kinds")
    spread: tuple[float, float] = setting((0.0, 1.0), help="spread")
    limit: int | None = setting(None, help="limit")
    colour: Colour = setting(Colour.RED, help="colour")
    place: Path = setting(Path("here"), help="place")
    table: dict[str, int] = setting({}, help="table")


def make(with_argument: bool = False) -> Verb:
    @verb(example="x", settings=lambda *_: config_options(field_paths(Outer), aliases={"inner.rate": "--rate"}))
    @click.pass_context
    def command(ctx: click.Context, **rest: Any) -> Answer:
        return Answer(overrides(ctx) | rest)

    if with_argument:
        command.params.insert(0, click.Argument(["family"]))
    return command


def typed(*words: str, with_argument: bool = False) -> dict[str, Any]:
    answer = make(with_argument).main(list(words), standalone_mode=False)
    assert isinstance(answer, Answer)
    return dict(answer.data)


def test_nothing_typed_overrides_nothing() -> None:
    assert typed() == {}


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["--inner.latent-dim", "16"], "inner.latent_dim", 16),
        (["--inner.latent_dim", "16"], "inner.latent_dim", 16),
        (["--inner.latent-dim=8"], "inner.latent_dim", 8),
        (["--rate", "0.5"], "inner.rate", 0.5),
        (["--inner.rate", "1e-4"], "inner.rate", 1e-4),
        (["--inner.fold"], "inner.fold", True),
        (["--no-inner.fold"], "inner.fold", False),
        (["--inner.kind", "b"], "inner.kind", "b"),
        (["--inner.level", "2"], "inner.level", 2),
        (["--names", "chair,table"], "names", ("chair", "table")),
        (["--names", "chair", "table", "--rate", "1"], "names", ("chair", "table")),
        (["--names", "chair", "--names", "table"], "names", ("chair", "table")),
        (["--kinds", "x", "y"], "kinds", ("x", "y")),
        (["--spread", "-1,2"], "spread", (-1.0, 2.0)),
        (["--limit", "3"], "limit", 3),
        (["--limit", "none"], "limit", None),
        (["--colour", "blue"], "colour", "blue"),
        (["--place", "there"], "place", "there"),
        (["--table", '{"a": 1}'], "table", {"a": 1}),
    ],
)
def test_typed_values_reach_the_configuration(words: list[str], path: str, value: Any) -> None:
    given = typed(*words)
    assert given[path] == value
    changed = Outer().override(given)
    # Through validation and back: what was typed is what the configuration holds.
    found: Any = changed
    for part in path.split("."):
        found = getattr(found, part)
    assert (found.value if isinstance(found, Enum) else str(found) if isinstance(found, Path) else found) == value


def test_a_default_that_is_typed_counts_as_given() -> None:
    assert typed("--inner.latent-dim", "8") == {"inner.latent_dim": 8}


@pytest.mark.parametrize(
    "words", [["issn", "--kinds", "x", "y"], ["--kinds", "x", "y", "issn"], ["--names", "a", "issn"]]
)
def test_lists_leave_positional_arguments_alone(words: list[str]) -> None:
    assert typed(*words, with_argument=True)["family"] == "issn"


def test_values_that_are_not_joined_are_bad_usage_with_the_way_out() -> None:
    with pytest.raises(click.UsageError) as caught:
        typed("issn", "--names", "a", "b", with_argument=True)
    assert "unexpected extra argument (b); join the values of one flag by commas; see" in explain(caught.value)[0]


def test_settings_by_name_are_a_json_object() -> None:
    assert typed("--table", '{"votes": 3}') == {"table": {"votes": 3}}
    for word in ("votes=3", "[3]"):
        with pytest.raises(click.BadParameter, match="is no JSON object; write '{\"NAME\": VALUE}'"):
            typed("--table", word)


def test_help_shows_default_and_bounds() -> None:
    shown = CliRunner().invoke(make(), ["--help"]).output
    for text in ("default: 8; >= 1; <= 64", "[a|b]", "--no-inner.fold", "Inner settings:", "INTEGER|none", "Example:"):
        assert text in shown


def test_a_wrong_choice_is_bad_usage() -> None:
    with pytest.raises(click.BadParameter, match="'c' is not one of 'a', 'b'"):
        typed("--inner.kind", "c")


def test_flags_and_paths_correspond() -> None:
    assert [flag(path) for path in ("model.latent_dim", "seed")] == ["--model.latent-dim", "--seed"]
    flags = {name for option in config_options(field_paths(Outer)) for name in option.opts}
    assert flags == {flag(path) for path in field_paths(Outer)}


def test_a_required_field_shows_no_default() -> None:
    class Strict(Config):
        root: str = setting(..., help="root")

    (option,) = config_options(field_paths(Strict))
    assert option.help == "root."
    assert parse(Strict, {"root": "r"}).root == "r"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("--latent-dim", "--model.latent-dim"), ("--model.latent-dmi", "--model.latent-dim"), ("--lr", None)],
)
def test_nearest_flags(wrong: str, right: str | None) -> None:
    near = near_flags(wrong, ["--model.latent-dim", "--train.epochs", "--json"])
    assert near[:1] == ([right] if right else [])
