"""What a verb answers, and how it is printed: for a person with rich, for a machine as one JSON value on stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Answer:
    """The outcome of a verb.

    Attributes:
        data: plain data, the whole of what ``--json`` prints.
        show: rich renderables (or strings) a person sees instead.
        exit_code: 0 done, 1 failed.
    """

    data: Any
    show: Sequence[Any] = field(default_factory=tuple)
    exit_code: int = 0


@dataclass
class StandardOut:
    """The real standard output, kept apart while ``--json`` sends everything else to standard error."""

    stream: IO[str]
    as_json: bool

    def write(self, answer: Answer) -> None:
        """Print an answer; a reader that has left, such as ``head``, misses the rest of it and nothing else happens."""
        text = json.dumps(plain(answer.data), indent=2, allow_nan=False) + "\n" if self.as_json else self._shown(answer)
        try:
            self.stream.write(text)
            self.stream.flush()
        except BrokenPipeError:
            silence(self.stream)

    def _shown(self, answer: Answer) -> str:
        console = _console(self.stream)
        with console.capture() as captured:
            for item in answer.show:
                # A sentence may quote names and paths, whose brackets are no markup.
                console.print(item, markup=not isinstance(item, str))
        return str(captured.get())


def nobody_reads(stream: IO[str]) -> bool:
    """Whether a stream is a pipe whose reader has left."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def silence(stream: IO[str]) -> None:
    """Send what is still written to a stream nowhere: nobody reads it, and Python would complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def standard_out(as_json: bool) -> Iterator[StandardOut]:
    """Standard output for answers. With `as_json`, prints of libraries and of child processes go to standard error."""
    if not as_json:
        yield StandardOut(sys.stdout, False)
        return
    with _only_ours() as stream, contextlib.redirect_stdout(sys.stderr):
        yield StandardOut(stream, True)


@contextlib.contextmanager
def _only_ours() -> Iterator[IO[str]]:
    """A stream to the real stdout, while file descriptor 1, which libraries in C and children use, leads to stderr."""
    sys.stdout.flush()
    if sys.stdout is not sys.__stdout__ or not _has_descriptors():
        yield sys.stdout
        return
    saved = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(os.dup(saved), "w", encoding="utf-8") as stream:
        try:
            yield stream
        finally:
            stream.flush()
            os.dup2(saved, 1)
            os.close(saved)


def _has_descriptors() -> bool:
    try:
        return sys.stdout.fileno() == 1 and sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):
        return False


def complain(message: str) -> None:
    """One message for a person, on standard error, exactly as given."""
    sys.stderr.write(message.rstrip("\n") + "\n")
    sys.stderr.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> Any:
    """A rich table; `right` names the columns that hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=_escape(title) or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(_escape(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(show_value(value) for value in row))
    return made


@dataclass(frozen=True)
class GroupedTable:
    """A table of numbers in groups of columns. Groups that a screen has no room for stand below, with the same rows.

    Attributes:
        title: above the first.
        key: heading of the rows' names.
        groups: heading of each group, and the names of its columns.
        rows: name, and a text for every column of all groups.
    """

    title: str
    key: str
    groups: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[tuple[str, Sequence[str]]]

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        first = 0
        while first < len(self.groups):
            last = first + 1
            while last < len(self.groups) and self._fits(console, options, first, last + 1):
                last += 1
            yield self._part(first, last)
            first = last

    def _fits(self, console: Any, options: Any, first: int, last: int) -> bool:
        from rich.measure import Measurement

        # A measurement itself ends at the width of the screen.
        wide = options.update(width=10 * options.max_width)
        return bool(Measurement.get(console, wide, self._part(first, last)).maximum <= options.max_width)

    def _part(self, first: int, last: int) -> Any:
        """The groups from `first` up to `last`."""
        before = sum(len(names) for _, names in self.groups[:first])
        # The name of a group stands above its first column alone.
        heads = [
            f"{group if column == 0 else ''}\n{name}"
            for group, names in self.groups[first:last]
            for column, name in enumerate(names)
        ]
        rows = [(name, *texts[before : before + len(heads)]) for name, texts in self.rows]
        return table(self.title if first == 0 else "", (self.key, *heads), rows, right=heads)


def show_value(value: Any) -> str:
    """A value as a table cell: floats with four significant digits, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return " ".join(show_value(item) for item in value)
    return _escape(str(value))


def plain(value: Any) -> Any:
    """JSON-ready data: paths as text, mappings with text keys, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    item = getattr(value, "item", None)
    return plain(item()) if callable(item) else str(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _console(stream: IO[str]) -> Any:
    from rich.console import Console

    # A pipe has no width; wrapping at 80 would break paths that scripts and people copy.
    return Console(file=stream, highlight=False, width=None if stream.isatty() else 160, soft_wrap=False)
