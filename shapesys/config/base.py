"""The frozen, typed base of every configuration and the `setting` that declares one field.

A field is declared once. Its type, help, bounds and search range give the command-line flag, the JSON, the
MLflow parameter, the search space check and the diff between two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shapesys.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Search:
    """The range a hyperparameter search may draw a field from.

    Attributes:
        low, high: inclusive bounds (uniform, or log-uniform where `log`).
        choices: the values to choose from; excludes low and high.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None


def setting(default: Any = ..., *, help: str, search: Search | None = None, needs: str = "", **bounds: Any) -> Any:
    """A configuration field: `default` (`...` where required), its help text, and bounds (ge, gt, le, lt, ...).

    Args:
        needs: another field of the same section, without which (where it is 0, off or empty) this one does nothing; or
            ``field=value``, where it does with that value alone.
    """
    extra: dict[str, Any] = {name: value for name, value in (("search", search), ("needs", needs)) if value}
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class Config(BaseModel):
    """Base of all configurations: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    def stands_for(self) -> dict[str, Any]:
        """What settings stand for that name something else, such as a schedule: plain data, on which results depend as
        on the settings themselves. Empty where there is no such setting."""
        return {}

    def override(self, changes: dict[str, Any]) -> Any:
        """A validated copy with dotted-path changes, e.g. ``{"model.latent_dim": 128}``.

        Raises:
            UsageError: an unknown path (with the nearest names) or a value outside the field's bounds.
        """
        known = flat(self)
        data = self.model_dump()
        for path, value in changes.items():
            node: Any = data
            *parents, leaf = path.split(".")
            for parent in parents:
                node = node.get(parent) if isinstance(node, dict) else None
            if not isinstance(node, dict) or leaf not in node:
                raise unknown_name("setting", path, known)
            node[leaf] = value
        return parse(type(self), data)


def parse(model: type[Config], data: dict[str, Any]) -> Any:
    """Validate plain data; every problem becomes one line that names the field, the value and what is allowed."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError("\n".join(_explain(model, problem) for problem in error.errors())) from None


def _explain(model: type[Config], problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return str(unknown_name("setting", path, field_paths(model)))
    if problem["type"] == "missing" and path in (known := field_paths(model)):
        return f"setting '{path}' is needed: {known[path].description}"
    message = problem["msg"].removeprefix("Value error, ")
    # Settings that do not go together are named in the message; all of them would be too many to read.
    got = "" if isinstance(problem["input"], dict) else f" (got {problem['input']!r})"
    return f"setting '{path}': {message}{got}"


def flat(config: Config) -> dict[str, Any]:
    """Dotted path -> JSON-ready value of every leaf field."""
    return dict(_leaves(config.model_dump(mode="json"), ""))


def _leaves(data: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in data.items():
        path = f"{prefix}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, dict) and value else [(path, value)]
    return found


def field_paths(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Dotted path -> pydantic FieldInfo of every leaf field of a configuration class."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            found |= field_paths(nested, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = info
    return found


def search_ranges(model: type[BaseModel]) -> dict[str, Search]:
    """Dotted path -> declared search range, for the fields that have one."""
    return _declared(model, "search")


def idle(config: Config, path: str) -> str | None:
    """The path of the field without which the one at `path` does nothing, where it is off; else None."""
    if not (needs := _declared(type(config), "needs").get(path)):
        return None
    field, _, value = needs.partition("=")
    above, dot, _ = path.rpartition(".")
    needed = f"{above}{dot}{field}"
    found = flat(config)[needed]
    return None if (found == value if value else found) else needed


def changed(config: Config, changes: Mapping[str, Any]) -> Any:
    """A configuration with some of its settings (dotted path -> value) changed.

    Raises:
        UsageError: no such setting, a value out of bounds, or a change that does nothing.
    """
    found = config.override(dict(changes))
    for path in changes:
        if needed := idle(found, path):
            raise UsageError(
                f"setting '{path}' does nothing where '{needed}' is {flat(found)[needed]!r}; change that, too, or "
                "leave it out"
            )
    return found


def _declared(model: type[BaseModel], what: str) -> dict[str, Any]:
    """Dotted path -> what its declaration says of this, for the fields where it says anything."""
    extras = {path: info.json_schema_extra for path, info in field_paths(model).items()}
    return {path: extra[what] for path, extra in extras.items() if isinstance(extra, dict) and what in extra}


Difference = tuple[str, Any, Any]


def diff(left: Config, right: Config) -> list[Difference]:
    """The dotted paths whose values differ, with both values; a path only one side has shows None on the other."""
    a, b = flat(left), flat(right)
    return [(path, a.get(path), b.get(path)) for path in sorted(a.keys() | b.keys()) if a.get(path) != b.get(path)]


Precision = Literal["float32", "bfloat16"]
