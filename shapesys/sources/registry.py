"""Source names -> classes, imported on first use. Other packages add theirs by the entry point group below."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from shapesys.config.base import parse
from shapesys.errors import unknown_name
from shapesys.sources.base import Source

ENTRY_POINT_GROUP = "shapesys.sources"

BUILT_IN = {
    "folder": "shapesys.sources.folder:FolderSource",
    "modelnet40": "shapesys.sources.modelnet40:ModelNet40Source",
    "procedural": "shapesys.sources.procedural:ProceduralSource",
    "shapenet": "shapesys.sources.shapenet:ShapeNetSource",
}


def source_names() -> list[str]:
    """All registered names, sorted; imports none of the sources."""
    return sorted(_import_paths())


def source_class(name: str) -> type[Source]:
    """The class registered under a name.

    Raises:
        UsageError: no such name; the message lists the nearest ones.
    """
    paths = _import_paths()
    if name not in paths:
        raise unknown_name("source", name, paths)
    module, _, attribute = paths[name].partition(":")
    found: type[Source] = getattr(import_module(module), attribute)
    return found


def build_source(name: str, settings: dict[str, Any]) -> Source:
    """A source from plain data, validated against its `Settings`.

    Raises:
        UsageError: unknown name, unknown setting, or a value out of bounds.
    """
    cls = source_class(name)
    build: Any = cls
    source: Source = build(parse(cls.Settings, settings))
    return source


def _import_paths() -> dict[str, str]:
    others = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINT_GROUP)}
    return others | BUILT_IN
