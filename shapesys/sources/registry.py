"""Source names -> classes, imported on first use. Other packages add theirs by the entry point group below."""

from __future__ import annotations

from typing import Any

from shapesys.config.base import parse
from shapesys.config.plugins import Plugins
from shapesys.sources.base import Source

_SOURCES = Plugins(
    "source",
    "shapesys.sources",
    {
        "bsds500": "shapesys.sources.bsds500:BSDS500Source",
        "cloud_folder": "shapesys.sources.cloud_folder:CloudFolderSource",
        "convonet_rooms": "shapesys.sources.convonet_rooms:ConvONetRoomsSource",
        "dfaust": "shapesys.sources.dfaust:DFaustSource",
        "folder": "shapesys.sources.folder:FolderSource",
        "ikea_manual": "shapesys.sources.ikea_manual:IkeaManualSource",
        "image_folder": "shapesys.sources.image_folder:ImageFolderSource",
        "matterport": "shapesys.sources.matterport:MatterportSource",
        "modelnet40": "shapesys.sources.modelnet40:ModelNet40Source",
        "modelnet40_hdf5": "shapesys.sources.modelnet40_hdf5:ModelNet40Hdf5Source",
        "modelnet40_normal": "shapesys.sources.modelnet40_normal:ModelNet40NormalSource",
        "occnet": "shapesys.sources.occnet:OccNetSource",
        "procedural": "shapesys.sources.procedural:ProceduralSource",
        "procedural_rooms": "shapesys.sources.procedural_rooms:ProceduralRoomSource",
        "procedural_scans": "shapesys.sources.procedural_scans:ProceduralScanSource",
        "procedural_scenes": "shapesys.sources.procedural_scenes:ProceduralSceneSource",
        "s3dis": "shapesys.sources.s3dis:S3disSource",
        "scannet": "shapesys.sources.scannet:ScanNetSource",
        "shapenet": "shapesys.sources.shapenet:ShapeNetSource",
        "shapenet_part": "shapesys.sources.shapenet_part:ShapeNetPartSource",
        "shapenet_part_hdf5": "shapesys.sources.shapenet_part_hdf5:ShapeNetPartHdf5Source",
        "toy_images": "shapesys.sources.toy_images:ToyImageSource",
    },
)


def source_names() -> list[str]:
    """All registered names, sorted; imports none of the sources."""
    return _SOURCES.names()


def source_class(name: str) -> type[Source]:
    """The class registered under a name.

    Raises:
        UsageError: no such name; the message lists the nearest ones.
    """
    found: type[Source] = _SOURCES.load(name)
    return found


def build_source(name: str, settings: dict[str, Any]) -> Source:
    """A source from plain data, validated against its `Settings`.

    Args:
        settings: by name; one inside of another by its dotted path or by nested dictionaries.

    Raises:
        UsageError: unknown name, unknown setting, or a value out of bounds.
    """
    cls = source_class(name)
    build: Any = cls
    source: Source = build(parse(cls.Settings, _nested(settings)))
    return source


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """``{"scanner.points": 9}`` as ``{"scanner": {"points": 9}}``."""
    found = {name: value for name, value in settings.items() if "." not in name}
    sections: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        section, dot, rest = path.partition(".")
        if dot:
            sections.setdefault(section, {})[rest] = value
    return found | {name: found.get(name, {}) | _nested(inner) for name, inner in sections.items()}
