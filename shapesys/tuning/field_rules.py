"""What a configuration field allows, asked of one value at a time."""

from __future__ import annotations

import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

Kind = Literal["whole", "number", "switch", "names", "other"]
"""``whole`` and ``number`` can be drawn from a range; a switch is true or false, ``names`` is one of a few words."""

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number"}


def kind_of(field: FieldInfo) -> Kind:
    """How the values of a field can be searched; ``float | None`` is a number."""
    kinds: set[Kind] = {
        "names" if get_origin(option) is Literal else _KINDS.get(option, "other") for option in _options(field)
    }
    if kinds == {"whole", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "other"


def allows(field: FieldInfo, value: Any) -> bool:
    """Whether a plain JSON value is of the field's own type and within its bounds; no word passes for a number."""
    annotation: Any = field.annotation
    annotated: Any = Annotated[(annotation, *field.metadata)] if field.metadata else annotation
    try:
        TypeAdapter(annotated).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True


def allowed(field: FieldInfo) -> str:
    """What a field allows, in words: ``a whole number, at least 1``."""
    kind = kind_of(field)
    if kind == "names":
        return "one of " + ", ".join(repr(name) for option in _options(field) for name in get_args(option))
    if kind == "switch":
        return "true or false"
    words = {"whole": "a whole number", "number": "a number"}.get(kind, f"a value of type {_type_name(field)}")
    return ", ".join((words, *_bounds(field)))


def _bounds(field: FieldInfo) -> list[str]:
    return [
        f"{words} {getattr(rule, name)}"
        for name, words in _BOUNDS.items()
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    ]


def _options(field: FieldInfo) -> list[Any]:
    """The types a field accepts, leaving out None."""
    union = get_origin(field.annotation) in (Union, UnionType)
    options = get_args(field.annotation) if union else (field.annotation,)
    return [option for option in options if option is not type(None)]


def _type_name(field: FieldInfo) -> str:
    name = str(field.annotation) if get_args(field.annotation) else getattr(field.annotation, "__name__", "any")
    return name.replace("typing.", "")
