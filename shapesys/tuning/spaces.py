"""Search spaces from files: those that come with the package, and anybody's own.

summary = "..."                            one line for 'shapesys list spaces'
source = "..."                             where the values come from
strategy = "random"                        grid, random or optuna, unless the sweep says otherwise
family = "issn"                            optional: refuses other families
[fixed]
"train.epochs" = 100                       settings that every trial shares
[knobs]
"model.hidden" = { choices = [128, 256] }
"model.dropout" = { low = 0.0, high = 0.3 }
"train.learning_rate" = "declared"         the range that the setting itself declares
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from shapesys.config.base import parse, search_ranges
from shapesys.errors import UsageError, unknown_name
from shapesys.families import registry
from shapesys.training.config import job_type
from shapesys.tuning.space import Knob, Space, check_space, fields_of, unknown_setting

DEFAULT = "default"
"""The space that is searched where none is named."""
DECLARED = "declared"
_KEYS = ("summary", "source", "strategy", "family", "fixed", "knobs")


def load_space(family: str, name_or_path: str = DEFAULT) -> Space:
    """A space that comes with the package, by its name, or any file that ends in ``.toml``; checked.

    Raises:
        UsageError: no such space or file, or one that does not fit the family; names the file.
    """
    registry.load(family)
    if not name_or_path.endswith(".toml"):
        if name_or_path not in names(family):
            raise UsageError(
                f"{unknown_name(f'search space of {family}', name_or_path, names(family))}; "
                "a file of your own ends in .toml"
            )
        file = _folder() / family / f"{name_or_path}.toml"
        return _read(family, name_or_path, str(file), file.read_bytes())
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(f"there is no search space file {path}")
    return _read(family, path.stem, str(path), path.read_bytes())


def list_spaces() -> list[Space]:
    """Every space that comes with the package, by family and name."""
    return [load_space(family, name) for family in registry.names() for name in names(family)]


def names(family: str) -> list[str]:
    """Names of the family's spaces that come with the package."""
    folder = _folder() / family
    files = [item.name for item in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def declared_knob(family: str, path: str) -> Knob:
    """The range that a setting itself declares.

    Raises:
        UsageError: unknown setting, or one that declares none; names those that do.
    """
    found = search_ranges(job_type(registry.load(family)))
    if path not in fields_of(family):
        raise unknown_setting(family, path)
    if path not in found:
        raise UsageError(f"'{path}' declares no range; give low and high, or choices (declared: {', '.join(found)})")
    search = found[path]
    if search.choices is not None:
        return Knob(choices=tuple(json.loads(json.dumps(search.choices))))
    return Knob(low=search.low, high=search.high, log=search.log)


def _folder() -> Any:
    return resources.files("tune_spaces")


def _read(family: str, name: str, file: str, content: bytes) -> Space:
    try:
        data = tomllib.loads(content.decode("utf-8"))
        space = _space(family, name, data)
        check_space(space)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    except UsageError as error:
        raise UsageError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None
    return space


def _space(family: str, name: str, data: Mapping[str, Any]) -> Space:
    for key in data:
        if key not in _KEYS:
            raise unknown_name("key", key, _KEYS)
    if data.get("family", family) != family:
        raise UsageError(f"this space is for family '{data['family']}', not '{family}'")
    fields = fields_of(family)
    knobs = {path: _knob(family, path, table) for path, table in _leaves(data.get("knobs"), "knobs", fields)}
    fixed = dict(_leaves(data.get("fixed", {}), "fixed", fields))
    plain = {key: data[key] for key in ("summary", "source", "strategy") if key in data}
    space: Space = parse(Space, plain | {"name": name, "family": family, "fixed": fixed, "knobs": knobs})
    return space


def _leaves(table: Any, section: str, fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path -> value, whether the file quotes a path or spells it as nested tables.

    Raises:
        UsageError: the section is missing or is not a table.
    """
    if not isinstance(table, dict):
        raise UsageError(f'[{section}] must be a table of dotted paths, e.g. "train.learning_rate" = ...')
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and _holds(path, fields):
            yield from _leaves(value, section, fields, f"{path}.")
        else:
            yield path, value


def _holds(prefix: str, fields: Mapping[str, Any]) -> bool:
    return any(path.startswith(f"{prefix}.") for path in fields)


def _knob(family: str, path: str, table: Any) -> Any:
    if path not in fields_of(family):
        raise unknown_setting(family, path)
    if table == DECLARED:
        return declared_knob(family, path).model_dump(mode="json")
    if not isinstance(table, dict):
        raise UsageError(
            f"knob '{path}' is {json.dumps(table, default=str)}; give a table with low and high or with choices, "
            f'or the word "{DECLARED}"'
        )
    for key in table:
        if key not in Knob.model_fields:
            raise unknown_name(f"key of knob '{path}'", key, Knob.model_fields)
    return table
