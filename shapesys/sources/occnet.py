"""ShapeNet as Occupancy Networks (Mescheder et al., CVPR 2019) prepare it, which ConvONet trains on, too.

``<synset>/<model>/points.npz`` holds 100,000 queries, uniform in a cube that is a tenth wider than the shape on all
sides together, and ``pointcloud.npz`` as many surface points. Watertight meshes were never published. ``metadata.yaml``
names the synsets; each synset's folder has ``train.lst``, ``val.lst`` and ``test.lst``. Pictures by Choy et al. lie in
``<synset>/<model>/img_choy2016/``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import ClassVar

from shapesys.errors import ShapesysError
from shapesys.geometry.formats.geometry import Limits
from shapesys.sources.base import Census, ShapeRef
from shapesys.sources.choy_images import OF_OCCNET, occnet_images
from shapesys.sources.cloud_files import folder_of, locate
from shapesys.sources.files import safe
from shapesys.sources.onet_source import Models, OnDisk, OnetSettings, OnetSource
from shapesys.sources.shape_image import ShapeImage
from shapesys.sources.shapenet_synsets import SYNSETS

QUERIES, SURFACE = "points.npz", "pointcloud.npz"

_FILE = re.compile(rf"^((?:.*/)?[^/]+/)([^/]+)/({re.escape(QUERIES)}|{re.escape(SURFACE)})$")
_RENDERINGS = frozenset({OF_OCCNET.rstrip("/")})
_NAMED = re.compile(r"""id["']?\s*:\s*["']?([^"',\s}]+)["']?\s*,?\s*["']?name["']?\s*:\s*["']?([^"'\n,}]+)""")
"""An entry of metadata.yaml, in the one layout that is published (which is JSON, too) or with a line per field."""


class OccNetSettings(OnetSettings):
    """Settings of the source `occnet`."""


class OccNetSource(OnetSource):
    """ShapeNet as Occupancy Networks and ConvONet train on it: queries with inside bits, surface points, no meshes.

    Samples lie in the published frame, the unit cube of the mesh before it was made watertight. ``--frame as_given``
    keeps it; ``--frame unit_cube`` is the unit cube of the surface points, which differs a little.

    Queries in half precision are jittered once, by the shape's id; the released loaders do so at every access. Jitter
    takes some queries to the other side of a near surface, as their rounding has done before.

    Names come from the built-in table of synsets, for other folders from ``metadata.yaml`` where there is one;
    `categories` takes names (``chair``) and folders (``03001627``).

    The view `images` holds the pictures of ``img_choy2016/`` with the matrices of their cameras, as they are.
    """

    name: ClassVar[str] = "occnet"
    Settings: ClassVar[type[OccNetSettings]] = OccNetSettings

    def census(self) -> Census:
        paths = self.root.paths(skip=_RENDERINGS)
        models = _models(paths)
        if not models:
            raise ShapesysError(
                f"no samples under '{self.settings.root}': expected <synset>/<model>/{QUERIES} and {SURFACE}, with "
                "train.lst, val.lst and test.lst beside the models, as in Occupancy Networks' dataset of ShapeNet"
            )
        names = self._metadata(paths) | SYNSETS

        def category_of(folder: str) -> str | None:
            last = folder.rstrip("/").rpartition("/")[2]
            return safe(names.get(last, last)) if last else None

        return self._census(paths, models, category_of)

    @property
    def gives_images(self) -> bool:
        return True

    def images(self, ref: ShapeRef, count: int) -> list[ShapeImage]:
        return occnet_images(self._read, folder_of(ref.locator["files"][0]) + OF_OCCNET, count)

    def _metadata(self, paths: list[str]) -> dict[str, str]:
        """Folder -> first name, as metadata.yaml has them."""
        path = locate(paths, "metadata.yaml")
        text = self.root.read(path, Limits()).decode("utf-8", "replace") if path else ""
        return {folder: name.strip() for folder, name in _NAMED.findall(text)}


def _models(paths: list[str]) -> Models:
    files: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for path in paths:
        if match := _FILE.match(path):
            files[match[1], match[2]][match[3]] = path
    found: defaultdict[str, dict[str, OnDisk]] = defaultdict(dict)
    for (folder, model), held in files.items():
        missing = [name for name in (QUERIES, SURFACE) if name not in held]
        found[folder][model] = (
            OnDisk(reason=f"no {missing[0]} in its folder") if missing else OnDisk((held[QUERIES], held[SURFACE]))
        )
    return found
