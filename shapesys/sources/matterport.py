"""Matterport3D (Chang et al., 3DV 2017): scanned houses, as meshes of the whole and of their regions.

``<scan>/house_segmentations/<scan>.ply`` is a house, ``<scan>/region_segmentations/region<k>.ply`` one of its regions,
which are like rooms; another mesh of the house's name, such as ``<scan>/poisson_meshes/<scan>.ply``, stands in for the
first.
Coordinates are metres, z is up. The split of the benchmark is in ``tasks/benchmark/scenes_{train,val,test}.txt`` of the
repository niessner/Matterport.

ConvONet and SA-ConvONet draw 500,000 points on one house, JmbYfDe2QKZ, after cutting away the upper half and one side
of every region, and exchange y and z, which mirrors the house. Here houses are whole and not mirrored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import ClassVar, Literal

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.io import parse_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.validation import clean
from shapesys.samples.seeds import stable_hash
from shapesys.sources.base import Census, ShapeRef, Skipped, Split, digest_of
from shapesys.sources.cloud_files import CloudSource, ScanSettings, skipped_notes, split_lists
from shapesys.sources.files import join_parts, safe
from shapesys.sources.splits import hash_split
from shapesys.sources.surface_cloud import cloud_on_surface

CATEGORY_OF = {"houses": "house", "regions": "region"}
LIST = "scenes_{split}.txt"
HOUSE_FOLDER = "house_segmentations"

_HOUSE = re.compile(r"^(?:.*/)?([^/]+)/(?:.*/)?\1\.ply$")
_REGION = re.compile(r"^(?:.*/)?([^/]+)/region_segmentations/region(\d+)\.ply$")
_IMAGES = frozenset(
    {
        "matterport_camera_poses", "matterport_color_images", "matterport_depth_images", "matterport_hdr_images",
        "matterport_skybox_images", "undistorted_color_images", "undistorted_depth_images", "undistorted_normal_images",
    }
)  # fmt: skip
"""Thousands of files each."""


class MatterportSettings(ScanSettings):
    """Settings of the source `matterport`.

    The benchmark's lists are the split where they are found, elsewhere a hash of the scan; all regions of a house go to
    one split.
    """

    pieces: Literal["houses", "regions"] = setting(
        "houses", help="a shape is a house (its own mesh, else its regions together), or one of its regions"
    )
    points: int = setting(500_000, ge=16, help="points drawn on a piece, uniform over its area")
    lists: str = setting("", help="folder of scenes_train.txt and the other lists; found by itself in the root")
    val_fraction: float = setting(0.1, ge=0.0, lt=1.0, help="share held out for validation, where there is no list")
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, where there is no list")


class MatterportSource(CloudSource):
    """Matterport3D: points with normals, drawn on the meshes of scanned houses or of their regions, in metres, z up."""

    name: ClassVar[str] = "matterport"
    Settings: ClassVar[type[MatterportSettings]] = MatterportSettings
    settings: MatterportSettings

    def census(self) -> Census:
        paths = self.root.paths(skip=_IMAGES)
        pieces = _houses(paths) if self.settings.pieces == "houses" else _regions(paths)
        if not pieces:
            raise ShapesysError(
                f"no {self.settings.pieces} under '{self.settings.root}': expected <scan>/{HOUSE_FOLDER}/<scan>.ply or "
                "<scan>/region_segmentations/region0.ply, as in the unpacked archives of Matterport3D"
            )
        splits = split_lists(self.root, paths, LIST, self.settings.lists)
        entries = [self._entry(scan, name, files, splits) for (scan, name), files in pieces.items()]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        absent = sorted(set(splits) - {scan for scan, _ in pieces})
        category = CATEGORY_OF[self.settings.pieces]
        skipped += [Skipped(f"{category}/{safe(scan)}", "split", "in a list, not on disk") for scan in absent]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        return Census.of(self._of_wanted(shapes), skipped, skipped_notes(skipped))

    def load(self, ref: ShapeRef) -> Cloud:
        parts = [self._mesh(path) for path in ref.locator["files"]]
        mesh = parts[0] if len(parts) == 1 else join_parts(parts)
        return self.settings.stood(checked(cloud_on_surface(mesh, self.settings.points, stable_hash(ref.id))))

    def digest(self, ref: ShapeRef) -> str:
        """Over names and bytes of the files, and the number of points."""
        return digest_of(f"points {self.settings.points}", *self.settings.stated(), super().digest(ref))

    def _entry(self, scan: str, name: str, files: list[str], splits: dict[str, Split]) -> ShapeRef | Skipped:
        category = CATEGORY_OF[self.settings.pieces]
        shape = f"{category}/{safe(name)}"
        settings = self.settings
        hashed = hash_split(scan, settings.val_fraction, settings.test_fraction, settings.split_seed)
        split = splits.get(scan) if splits else hashed
        if split is None:
            return Skipped(shape, "split", "in none of the lists")
        return ShapeRef(shape, category, split, self.name, {"files": files})

    def _mesh(self, path: str) -> Mesh:
        try:
            return clean(parse_mesh(self._read(path), path, self.settings.limits)).mesh
        except ShapeRejected as problem:
            raise ShapeRejected(problem.stage, f"'{path}': {problem.reason}") from None


Pieces = dict[tuple[str, str], list[str]]
"""(scan, name of the piece) -> its meshes."""


def _houses(paths: Iterable[str]) -> Pieces:
    meshes: defaultdict[str, list[str]] = defaultdict(list)
    regions: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        if match := _REGION.match(path):
            regions[match[1]].append(path)
        elif match := _HOUSE.match(path):
            meshes[match[1]].append(path)
    best = {scan: [min(found, key=_preference)] for scan, found in meshes.items()}
    return {(scan, scan): files for scan, files in (regions | best).items()}


def _preference(path: str) -> tuple[bool, str]:
    return f"/{HOUSE_FOLDER}/" not in path, path


def _regions(paths: Iterable[str]) -> Pieces:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        if match := _REGION.match(path):
            found[match[1], f"{match[1]}-{match[2]}"].append(path)
    return {piece: files[:1] for piece, files in found.items()}
