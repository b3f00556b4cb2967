"""What is asked of a cluster: a verb's command line, checked here, as a job that can run there."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from click.core import ParameterSource

from shapesys.cli.failure import near_flags
from shapesys.cli.options import ConfigOption, overrides
from shapesys.cli.upload import INPUTS
from shapesys.errors import UsageError, unknown_name

MODULE = "shapesys.cli.main"
_PLACES = {"store", "root", "runs_root", "folder", "out", "split_file", "shared"}
"""Names of settings that say where files lie."""

_WRITES_HERE = {"reconstruct": ("out", "-o"), "predict": ("out", "-o")}
"""Verbs that write into the current folder where this setting is not given."""

_MORE_FOLDERS = {"bench": ("benchmarks",)}


@dataclass(frozen=True)
class Order:
    """A verb's command line that was checked.

    Attributes:
        words: what follows the verb, as typed.
        inputs: name below the job's folder of inputs -> local file.
        uploaded: word -> its name below that folder.
        folders: further folders of the checkout that the verb needs.
        title: names that tell this order from others of the verb.
    """

    verb: str
    words: tuple[str, ...]
    inputs: dict[str, Path] = field(default_factory=dict)
    uploaded: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    title: tuple[str, ...] = ()

    def command(self) -> str:
        """The command line as a person would type it on the cluster."""
        return shlex.join(["shapesys", self.verb, *self.words])

    def name(self, version: str, workdir: str | None) -> str:
        """The id of the job: readable, and the same for the same order."""
        told = [self.verb, *self.words, version, workdir or ""]
        digest = hashlib.sha256("\0".join(told).encode()).hexdigest()[:8]
        readable = re.sub(r"[^a-z0-9]+", "-", "-".join([self.verb, *self.title]).lower()).strip("-")
        return f"{readable[:48].strip('-')}-{digest}"

    def entrypoint(self, python: str, workdir: str | None) -> str:
        """The shell command; the job's own folder comes first on Python's path, whatever the current one holds."""
        base = f'"$OLDPWD"/{INPUTS}/' if workdir else f"{INPUTS}/"
        words = [self._placed(word, base) for word in self.words]
        command = " ".join([shlex.quote(python), "-P", "-m", MODULE, self.verb, *words])
        return f"cd {shlex.quote(workdir)} && exec {command}" if workdir else f"exec {command}"

    def _placed(self, word: str, base: str) -> str:
        """A word for the shell; an uploaded file, also in ``--flag=FILE``, by its place on the cluster."""
        flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        for spelling in (value, str(Path(value))):
            if spelling in self.uploaded:
                return f"{flag}{equals}{base}{shlex.quote(self.uploaded[spelling])}"
        return shlex.quote(word)


def order(words: Sequence[str], workdir: str | None, own_flags: Sequence[str] = ()) -> Order:
    """Check the command line of a verb and see what it needs on the cluster; contacts nothing.

    Args:
        words: the verb and what follows.
        workdir: folder on the cluster that relative paths start from.
        own_flags: flags of `submit`, for the hint where one of them is misspelt.

    Raises:
        UsageError: the verb would refuse it, or it names places that no job on a cluster can know.
    """
    name, rest = _split(words)
    ctx = _parse(name, rest, own_flags)
    _check_settings(name, ctx)
    values = list(_values(ctx))
    inputs = {text: Path(text) for _, text in values if _is_input(text, workdir)}
    uploaded = _names(inputs)
    if workdir is None:
        _refuse_relative(name, ctx, [(flag, text) for flag, text in values if text not in inputs])
    run = ctx.params.get("run_name")
    title = [Path(str(value)).name for value in (ctx.params.get("family"), ctx.params.get("run"), run) if value]
    return Order(
        name,
        tuple(rest),
        {uploaded[text]: path for text, path in inputs.items()},
        uploaded,
        _MORE_FOLDERS.get(name, ()),
        tuple(title),
    )


def _split(words: Sequence[str]) -> tuple[str, list[str]]:
    from shapesys.cli.main import VERBS

    known = [name for name in VERBS if name != "submit"]
    if not words:
        raise UsageError("name the verb to run, e.g. shapesys submit train issn --store s3://bucket/store")
    place = next((index for index, word in enumerate(words) if word in VERBS), 0)
    name = words[place] if words[0].startswith("-") else words[0]
    if name == "submit":
        raise UsageError("a job cannot submit itself; leave out the second 'submit'")
    if name not in known:
        raise unknown_name("verb", name, known)
    rest = list(words)
    rest.remove(name)
    return name, rest


def _parse(name: str, rest: list[str], own_flags: Sequence[str]) -> click.Context:
    """The verb's own parsing; only whether a file exists is left to the cluster."""
    from shapesys.cli.main import cli

    group = click.Context(cli, info_name="shapesys")
    command = cli.get_command(group, name)
    assert command is not None
    with _files_elsewhere(command):
        try:
            return command.make_context(name, list(rest), parent=group)
        except click.NoSuchOption as error:
            params = command.get_params(error.ctx) if error.ctx else command.params
            theirs = [flag for param in params for flag in param.opts]
            near = near_flags(error.option_name, [*theirs, *own_flags])
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"{error.message.rstrip('.')}; {hint}see shapesys {name} --help") from error


@contextlib.contextmanager
def _files_elsewhere(command: click.Command) -> Iterator[None]:
    """A block in which the verb does not ask whether its files exist: they may be on the cluster."""
    kinds = [param.type for param in command.params if isinstance(param.type, click.Path) and param.type.exists]
    for kind in kinds:
        kind.exists = False
    try:
        yield
    finally:
        for kind in kinds:
            kind.exists = True


def _check_settings(name: str, ctx: click.Context) -> None:
    """Settings that the verb would refuse when it runs, refused now."""
    if name in ("train", "fit"):
        from shapesys.cli.fit import SECTIONS
        from shapesys.training.config import resolve

        typed = {path: value for path, value in overrides(ctx).items() if name == "train" or path.startswith(SECTIONS)}
        resolve(ctx.params["family"], ctx.params["preset"], {"data.store": ctx.params.get("store"), **typed})
    elif name == "prepare":
        from shapesys.samples.settings import preset

        changes = {k: v for k, v in overrides(ctx).items() if not k.startswith("source.")}
        preset(ctx.params["preset"]).override(changes)


def _values(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """(flag or argument, text) of everything that may be a place: typed, or by default."""
    settings = overrides(ctx)
    for param in ctx.command.get_params(ctx):
        if isinstance(param, ConfigOption):
            found = settings.get(param.path)
            leaf = param.path.rpartition(".")[2]
        else:
            found, leaf = ctx.params.get(param.name or ""), param.name or ""
        for value in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(value, (str, Path)) and _may_be_place(param, leaf, str(value)):
                yield _shown(param), str(value)


def _may_be_place(param: click.Parameter, leaf: str, text: str) -> bool:
    if isinstance(param.type, click.Path) or leaf in _PLACES:
        return True
    looks_like_path = "/" in text or Path(text).suffix[1:2].isalpha()
    return looks_like_path and (isinstance(param, click.Argument) or _is_file(text))


def _shown(param: click.Parameter) -> str:
    return param.opts[0] if isinstance(param, click.Option) else param.make_metavar(click.Context(click.Command("")))


def _is_input(text: str, workdir: str | None) -> bool:
    """Whether a value names a file of this machine that the job must take along."""
    path = Path(text)
    on_cluster = path.is_absolute() and workdir is not None and path.is_relative_to(workdir)
    return "://" not in text and not on_cluster and _is_file(text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # longer than any name of a file
        return False


def _names(inputs: dict[str, Path]) -> dict[str, str]:
    """A name for every file: its own, with a number where two files share it."""
    names: dict[str, str] = {}
    for text, path in inputs.items():
        taken = list(names.values())
        same = sum(name.rpartition("/")[2] == path.name for name in taken)
        names[text] = f"{same}/{path.name}" if same else path.name
    return names


def _refuse_relative(name: str, ctx: click.Context, values: list[tuple[str, str]]) -> None:
    relative = [f"{flag} '{text}'" for flag, text in values if _is_relative(text)]
    param, flag = _WRITES_HERE.get(name, ("", ""))
    if param and ctx.get_parameter_source(param) is ParameterSource.DEFAULT:
        relative.append(f"{flag} by default")
    if relative:
        raise UsageError(
            f"relative to the current folder: {' and '.join(relative)}; that of a job on the cluster vanishes with it: "
            "give absolute paths on storage that every node sees (a store may also be an address such as "
            "s3://bucket/store), or --workdir DIR: the folder on such storage that relative paths start from"
        )


def _is_relative(text: str) -> bool:
    return "://" not in text and not text.startswith(("/", "~"))
