"""What a person sees when a command fails: the reason, where, and what to do next; never a bare traceback."""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Callable
from pathlib import Path

import click

import shapesys
from shapesys.cli.options import ConfigOption
from shapesys.cli.output import Answer, StandardOut, complain
from shapesys.errors import ShapesysError, UsageError, class_and_line

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
_PACKAGE = Path(shapesys.__file__).parent


def report_failure(error: BaseException, out: StandardOut, debug: bool) -> int:
    """Print the failure on standard error (and as JSON where asked for) and return the exit code."""
    message, code = explain(error)
    if debug:
        complain("".join(traceback.format_exception(error)))
    complain(message)
    if out.as_json:
        kind = {MISUSED: "usage", INTERRUPTED: "interrupted"}.get(code, "failed")
        out.write(Answer({"error": {"kind": kind, "message": message}}))
    return code


def explain(error: BaseException) -> tuple[str, int]:
    """The message for a person and the exit code."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, click.Abort)):
        return "interrupted; the same command again continues where it stopped", INTERRUPTED
    if isinstance(error, click.ClickException):
        return _click_message(error), error.exit_code
    if (ours := _own_error(error)) is not None:
        return str(ours), MISUSED if isinstance(ours, UsageError) else FAILED
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" to write {error.filename}" if error.filename else ""
        return f"no space left{where}; free some space: the same command again continues where it stopped", FAILED
    return _failure_card(error), FAILED


def page_if_possible(build: Callable[[], Path]) -> Path | None:
    """A page; hours of work are worth their results even where the page of them cannot be drawn."""
    try:
        return build()
    except Exception as error:
        complain(f"no page: {explain(error)[0]}")
        return None


def _own_error(error: BaseException | None) -> ShapesysError | None:
    """The `ShapesysError` at the bottom of a chain: a cluster wraps what its workers raise."""
    found: ShapesysError | None = None
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ShapesysError):
            found = error
        error = getattr(error, "cause", None) or error.__cause__
    return found


def _failure_card(error: BaseException) -> str:
    return f"unexpected {class_and_line(error)}{_where(error)}; run the same command with --debug for the traceback"


def _where(error: BaseException) -> str:
    """The innermost frame in our own code."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _PACKAGE in Path(frame.filename).parents]
    if not ours:
        return ""
    place = Path(ours[-1].filename).relative_to(_PACKAGE.parent)
    return f" at {place}:{ours[-1].lineno} in {ours[-1].name}"


def _click_message(error: click.ClickException) -> str:
    if not isinstance(error, click.UsageError):
        return error.format_message()
    path = error.ctx.command_path if error.ctx else "shapesys"
    message = error.message if isinstance(error, (click.NoSuchOption, click.NoSuchCommand)) else error.format_message()
    return f"{message.rstrip('.')}; {_nearest(error)}see {path} --help"


def _nearest(error: click.UsageError) -> str:
    if error.ctx is None:
        return ""
    if isinstance(error, click.NoSuchOption):
        params = error.ctx.command.get_params(error.ctx)
        near = near_flags(error.option_name, [flag for param in params for flag in param.opts + param.secondary_opts])
    elif isinstance(error, click.NoSuchCommand) and isinstance(error.ctx.command, click.Group):
        near = difflib.get_close_matches(error.command_name, error.ctx.command.list_commands(error.ctx), cutoff=0.5)
    elif error.message.startswith("Got unexpected extra argument") and _has_lists(error.ctx):
        return "join the values of one flag by commas; "
    else:
        return ""
    return f"did you mean {' or '.join(near)}? " if near else ""


def _has_lists(ctx: click.Context) -> bool:
    """Whether a flag takes several values, the second of which may have been taken for an argument."""
    return any(isinstance(param, ConfigOption) and param.multiple for param in ctx.command.get_params(ctx))


def near_flags(wrong: str, flags: list[str]) -> list[str]:
    """The flags nearest to a wrong one; a name without its section finds the flag with it."""
    leaf = wrong.lstrip("-").rpartition(".")[2].replace("_", "-")
    same_leaf = [flag for flag in flags if flag.lstrip("-").rpartition(".")[2] == leaf]
    near = difflib.get_close_matches(wrong, [flag for flag in flags if flag.startswith("--")], n=3, cutoff=0.6)
    return list(dict.fromkeys([*same_leaf, *near]))[:3]
