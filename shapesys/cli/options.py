"""Command-line flags made from configuration fields: name, type, choices, bounds and help come from the field."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click
from click.core import ParameterSource

_OVERRIDES = "shapesys.cli.overrides"
_SEQUENCES = (tuple, list, set, frozenset)
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of", "min_length": "at least"}


class ConfigOption(click.Option):
    """The flag of one configuration field; only what was typed is kept, so that presets show through.

    Attributes:
        path: the field's dotted path.
        group: the heading it stands under in ``--help``.
    """

    def __init__(self, path: str, info: Any, flags: Sequence[str] = (), group: str = "Options") -> None:
        self.path = path
        self.group = group
        annotation, self.optional = _without_none(info.annotation)
        self.element = _element(annotation)
        super().__init__(
            [_parameter_name(path), *_declarations(path, annotation, flags)],
            **_kind(annotation, self.element, self.optional),
            help=_help(info),
            expose_value=False,
            callback=_collect,
        )

    def accepts(self, value: str) -> bool:
        """Whether a word that follows the flag can be one more of its values."""
        return not isinstance(self.element, click.Choice) or value in self.element.choices


def config_options(
    fields: Mapping[str, Any],
    *,
    aliases: Mapping[str, str] | None = None,
    skip: Sequence[str] = (),
    group: str = "",
) -> list[ConfigOption]:
    """One flag for each field.

    Args:
        fields: dotted path -> pydantic FieldInfo, as `shapesys.config.base.field_paths` gives.
        aliases: dotted path -> one more flag, e.g. ``{"train.seed": "--seed"}``.
        skip: dotted paths without a flag of their own.
        group: heading in ``--help``; the path's first part where empty.
    """
    extra = aliases or {}
    return [
        ConfigOption(path, info, [extra[path]] if path in extra else [], group or _group(path))
        for path, info in fields.items()
        if path not in skip
    ]


def overrides(ctx: click.Context) -> dict[str, Any]:
    """Dotted path -> value of the flags that were typed."""
    return dict(ctx.meta.get(_OVERRIDES, {}))


def flag(path: str) -> str:
    """The flag of a dotted path: 'model.latent_dim' -> '--model.latent-dim'."""
    return "--" + path.replace("_", "-")


def greedy_flags(params: Sequence[click.Parameter]) -> dict[str, ConfigOption]:
    """The flags that take several words. Free text may not where arguments exist: it would swallow one after it."""
    has_arguments = any(isinstance(param, click.Argument) for param in params)
    lists = [param for param in params if isinstance(param, ConfigOption) and param.multiple]
    able = [param for param in lists if isinstance(param.element, click.Choice) or not has_arguments]
    return {name: param for param in able for name in param.opts}


class _Values(click.ParamType):
    """Comma- or space-separated values inside one word."""

    name = "values"

    def __init__(self, element: click.ParamType) -> None:
        self.element = element

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.element.get_metavar(param, ctx) or self.element.name.upper()}..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        return [self.element.convert(word, param, ctx) for word in value.replace(",", " ").split()]


class _OrNone(click.ParamType):
    """A value, or the word 'none'."""

    def __init__(self, inner: click.ParamType) -> None:
        self.inner = inner
        self.name = f"{inner.name}|none"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return f"{self.inner.get_metavar(param, ctx) or self.inner.name.upper()}|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        return self.inner.convert(value, param, ctx)


class _Json(click.ParamType):
    """Anything else: JSON where it parses, the bare text where it does not."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value)
        except (TypeError, ValueError):
            return value


class _JsonObject(click.ParamType):
    """Names and their values: a JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.fail(f"""'{value}' is no JSON object; write '{{"NAME": VALUE}}', quotes included""", param, ctx)
        return found


_SCALARS: dict[Any, click.ParamType] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: click.Path(),
    bool: click.BOOL,
}


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    others = [part for part in get_args(annotation) if part is not type(None)]
    optional = len(others) < len(get_args(annotation))
    return (others[0] if len(others) == 1 else Any), optional


def _element(annotation: Any) -> click.ParamType | None:
    """The type of one element of a list-like field; None for single values."""
    if get_origin(annotation) not in _SEQUENCES and annotation not in _SEQUENCES:
        return None
    parts = [part for part in get_args(annotation) if part is not Ellipsis]
    return _scalar(parts[0]) if parts else click.STRING


def _scalar(annotation: Any) -> click.ParamType:
    if get_origin(annotation) is Literal:
        return click.Choice(list(get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return click.Choice([member.value for member in annotation])
    if get_origin(annotation) is dict:
        return _JsonObject()
    return _SCALARS.get(annotation) or _Json()


def _kind(annotation: Any, element: click.ParamType | None, optional: bool) -> dict[str, Any]:
    if annotation is bool:
        return {"is_flag": True, "default": None}
    if element is not None:
        values = _Values(element)
        return {"type": _OrNone(values) if optional else values, "multiple": True}
    scalar = _scalar(annotation)
    return {"type": _OrNone(scalar) if optional else scalar}


def _declarations(path: str, annotation: Any, flags: Sequence[str]) -> list[str]:
    names = [*flags, flag(path)]
    if annotation is not bool:
        return names
    return [f"{name}/--no-{name.removeprefix('--')}" for name in names]


def _parameter_name(path: str) -> str:
    return path.replace(".", "__")


def _group(path: str) -> str:
    section, dot, _ = path.partition(".")
    return f"{section.capitalize()} settings" if dot else "Options"


def _help(info: Any) -> str:
    notes = []
    if not info.is_required():
        notes.append(f"default: {_default(info.get_default(call_default_factory=True))}")
    extra = info.json_schema_extra
    if isinstance(extra, dict) and "needs" in extra:
        notes.append(f"needs {extra['needs'].replace('_', '-')}")
    notes += [f"{sign} {value}" for name, sign in _BOUNDS.items() if (value := _bound(info, name)) is not None]
    text = (info.description or "").rstrip(".")
    return f"{text}. [{'; '.join(notes)}]" if notes else f"{text}."


def _bound(info: Any, name: str) -> Any:
    return next((getattr(item, name) for item in info.metadata if getattr(item, name, None) is not None), None)


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, _SEQUENCES):
        return ",".join(str(item) for item in value) or "empty"
    return str(value.value if isinstance(value, Enum) else value)


def _collect(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    assert isinstance(param, ConfigOption)
    assert param.name is not None
    if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
        ctx.meta.setdefault(_OVERRIDES, {})[param.path] = _flatten(value) if param.multiple else value


def _flatten(values: Any) -> Any:
    if any(part is None for part in values):
        return None
    return tuple(item for part in values for item in part)
