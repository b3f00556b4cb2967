"""The click command behind every verb: an example in its help, flags made from configurations, lists by spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from shapesys.cli.options import ConfigOption, greedy_flags
from shapesys.errors import UsageError

Settings = Callable[["Verb", click.Context, list[str]], Sequence[click.Parameter]]
"""Makes the flags that depend on what was typed, e.g. those of the family named."""

_SETTINGS = "shapesys.cli.settings"


class Verb(click.Command):
    """A command with an example, and with `settings`: flags that depend on the other arguments."""

    def __init__(self, *args: Any, example: str, settings: Settings | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.settings = settings

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return super().get_params(ctx) + list(ctx.meta.get(_SETTINGS, ()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_SETTINGS] = self.settings(self, ctx, list(args)) if self.settings else ()
        return super().parse_args(ctx, self._repeat_list_flags(ctx, args))

    def peek(self, ctx: click.Context, args: list[str]) -> dict[str, Any]:
        """What the fixed flags and arguments would parse to, with all others ignored."""
        lenient = click.Context(self, parent=ctx.parent, ignore_unknown_options=True, resilient_parsing=True)
        parser = super().make_parser(lenient)
        values, _, _ = parser.parse_args([arg for arg in args if arg != "--help"])
        return {name: value for name, value in values.items() if isinstance(value, (str, tuple, bool))}

    def _repeat_list_flags(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``--views sdf cloud`` as ``--views sdf --views cloud``, which is what click understands."""
        greedy = greedy_flags(self.get_params(ctx))
        repeated: list[str] = []
        flag = ""
        for arg in args:
            if arg.startswith("-"):
                flag = arg if arg in greedy else ""
                repeated.append(arg)
            elif flag and repeated[-1] != flag and greedy[flag].accepts(arg):
                repeated += [flag, arg]
            else:
                repeated.append(arg)
        return repeated

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, params in self._groups(ctx).items():
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=34)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.strip().splitlines():
                # Written as they are: a wrapped command could not be copied.
                formatter.write(f"  {line.strip()}\n")

    def _groups(self, ctx: click.Context) -> dict[str, list[click.Parameter]]:
        groups: dict[str, list[click.Parameter]] = {"Options": []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                continue
            title = param.group if isinstance(param, ConfigOption) else "Options"
            groups.setdefault(title, []).append(param)
        return groups


def verb(*, example: str, settings: Settings | None = None) -> Callable[[Callable[..., Any]], Verb]:
    """Turn a function that returns an `Answer` into a verb with ``--json`` and ``--debug``."""

    def decorate(function: Callable[..., Any]) -> Verb:
        made = click.command(cls=Verb, example=example, settings=settings, context_settings=_CONTEXT)(function)
        made.params += [_JSON, _DEBUG]
        return made

    return decorate


_CONTEXT: dict[str, Any] = {
    "max_content_width": 120,
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda token: token.replace("_", "-"),
}
# The two are read before click runs, so that they also hold for errors in the arguments themselves.
_JSON = click.Option(["--json"], is_flag=True, expose_value=False, help="Print the result as JSON on stdout.")
_DEBUG = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of a failure.")


def refuse_workers_here(local: bool, workers: int | None, instead: str, flag: str = "--workers") -> None:
    """Let nobody ask for several workers in one process.

    Args:
        local: whether ``--local`` was typed.
        workers: how many were asked for; None where nobody did.
        instead: what works there.
        flag: that asks for them.

    Raises:
        UsageError: several were asked for, and none but this process works.
    """
    if local and (workers or 1) > 1:
        raise UsageError(f"{flag} {workers} with --local: {instead}; leave out one of the two")
