"""The `shapesys` command: finds the verb, runs it, and turns every outcome into an exit code.

Exit codes: 0 done, 1 failed with the reason printed, 2 bad usage, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from shapesys.cli.failure import report_failure
from shapesys.cli.output import Answer, nobody_reads, silence, standard_out

VERBS = {
    "list": "Show the families, presets, sources, views, metrics, spaces or runs.",
    "prepare": "Turn a source of shapes into a sample store.",
    "train": "Train a family on a sample store.",
    "fit": "Fit one network to each scan, and measure its surface.",
    "evaluate": "Predict a split and measure it.",
    "saliency": "Make, measure and draw saliency maps of clouds.",
    "tune": "Search a family's settings for the best by any metric.",
    "reconstruct": "Turn a mesh, scan or picture of your own into a mesh.",
    "interpolate": "Draw the shapes between two shapes of a run.",
    "predict": "Recognise clouds or images of your own: class, parts, superpixels.",
    "compare": "Set runs beside each other: settings, metrics, shapes.",
    "reproduce": "Print a published table's numbers beside ours.",
    "report": "Build the offline page of a run.",
    "submit": "Run a verb on a cluster, as a job.",
    "doctor": "Check this machine, or a cluster.",
    "bench": "Measure the hot paths against their peers.",
    "lab": "Draw the figures that explain sign-agnostic learning, and check them.",
    "demo": "From nothing to trained networks, a table and a page.",
}


class Verbs(click.Group):
    """The verbs by name; a verb's module is imported when it is typed, and its short help without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"shapesys.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _verb_first(args))

    def main(self, *args: Any, **extra: Any) -> Any:
        if extra.pop("standalone_mode", True):
            given = args[0] if args else extra.get("args")
            sys.exit(run(sys.argv[1:] if given is None else given))
        return super().main(*args, **extra | {"standalone_mode": False})


@click.group(
    cls=Verbs,
    invoke_without_command=False,
    context_settings={"max_content_width": 120, "help_option_names": ["-h", "--help"]},
    epilog="Every verb has its own --help with an example, and --json for machines. Flags may stand anywhere.",
)
@click.version_option(package_name="shapesys")
def cli() -> None:
    """Train and evaluate neural models of 3D shapes: meshes, scans or images go in, numbers and a page come out."""


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but `SystemExit` of the interpreter gets past it."""
    words = list(args)
    _end_like_ctrl_c()
    as_json = "--json" in words and not {"-h", "--help"} & set(words)
    with standard_out(as_json) as out:
        try:
            answer = cli.main(words, prog_name="shapesys", standalone_mode=False)
            if not isinstance(answer, Answer):
                return int(answer or 0)
            out.write(answer)
            return answer.exit_code
        except (KeyboardInterrupt, SystemExit, Exception) as error:
            if isinstance(error, SystemExit) and nobody_reads(out.stream):
                # So click ends a help text whose reader has left.
                silence(out.stream)
                return 0
            return report_failure(error, out, debug="--debug" in words)


def _end_like_ctrl_c() -> None:
    """SIGTERM, by which schedulers stop a job, ends it as Ctrl-C does: with a truthful status."""
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def main() -> NoReturn:
    """Entry point of the console command."""
    sys.exit(run(sys.argv[1:]))


def _verb_first(args: Sequence[str]) -> list[str]:
    """Flags may stand before the verb: ``--json list`` is ``list --json``."""
    words = list(args)
    if not words or not words[0].startswith("-") or words[0] in {"-h", "--help", "--version"}:
        return words
    place = next((index for index, word in enumerate(words) if word in VERBS), 0)
    return [words[place], *words[:place], *words[place + 1 :]]


if __name__ == "__main__":
    main()
