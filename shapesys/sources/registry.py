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
    "bsds500": "shapesys.sources.bsds500:BSDS500Source",
    "cloud_folder": "shapesys.sources.cloud_folder:CloudFolderSource",
    "folder": "shapesys.sources.folder:FolderSource",
    "ikea_manual": "shapesys.sources.ikea_manual:IkeaManualSource",
    "image_folder": "shapesys.sources.image_folder:ImageFolderSource",
    "modelnet40": "shapesys.sources.modelnet40:ModelNet40Source",
    "modelnet40_hdf5": "shapesys.sources.modelnet40_hdf5:ModelNet40Hdf5Source",
    "modelnet40_normal": "shapesys.sources.modelnet40_normal:ModelNet40NormalSource",
    "procedural": "shapesys.sources.procedural:ProceduralSource",
    "procedural_rooms": "shapesys.sources.procedural_rooms:ProceduralRoomSource",
    "s3dis": "shapesys.sources.s3dis:S3disSource",
    "scannet": "shapesys.sources.scannet:ScanNetSource",
    "shapenet": "shapesys.sources.shapenet:ShapeNetSource",
    "shapenet_part": "shapesys.sources.shapenet_part:ShapeNetPartSource",
    "shapenet_part_hdf5": "shapesys.sources.shapenet_part_hdf5:ShapeNetPartHdf5Source",
    "toy_images": "shapesys.sources.toy_images:ToyImageSource",
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
