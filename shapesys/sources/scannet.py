"""ScanNet v1 and v2 (Dai et al., CVPR 2017): scanned rooms, ``scans/<scene>/<scene>_vh_clean_2.ply`` and labels.

The 20 classes of the benchmark are the labels 0 to 19, in the order of their NYU40 numbers; everything else, annotated
or not, is `unannotated`, the last. Scenes of ``scans_test`` have no labels and are left out.
"""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import unit_normals
from shapesys.geometry.formats.geometry import Geometry
from shapesys.geometry.formats.text import whole_numbers
from shapesys.geometry.io import parse_geometry
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.samples.seeds import stable_hash
from shapesys.samples.vocabulary import UNANNOTATED
from shapesys.sources.base import Census, ShapeRef, Skipped, Split, digest_of
from shapesys.sources.cloud_files import CloudSource, ScanSettings, skipped_notes, split_lists
from shapesys.sources.splits import hash_split
from shapesys.sources.surface_cloud import cloud_on_surface

CATEGORY = "room"
BENCHMARK = {
    1: "wall", 2: "floor", 3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 9: "window",
    10: "bookshelf", 11: "picture", 12: "counter", 14: "desk", 16: "curtain", 24: "refrigerator",
    28: "shower curtain", 33: "toilet", 34: "sink", 36: "bathtub", 39: "otherfurniture",
}  # fmt: skip
"""NYU40 number -> name of the classes that the benchmark evaluates."""

LIST = "scannetv2_{split}.txt"

_MESH = re.compile(r"^((?:.*/)?(scene\d{4}_\d{2})/\2)_vh_clean_2\.ply$")
_RECORDINGS = frozenset({"scans_test"})
_MOST_NYU40 = 65_535


class ScanNetSettings(ScanSettings):
    """Settings of the source `scannet`.

    The official lists are the split where they are found. Elsewhere rooms are split by a hash, all scans of one room
    together.
    """

    lists: str = setting("", help="folder of scannetv2_train.txt and scannetv2_val.txt; found by itself in the root")
    align: bool = setting(True, help="turn rooms so that walls follow the axes, as <scene>.txt says")
    sampled: int = setting(
        0,
        ge=0,
        help="points drawn on the triangles, uniform over the area, with colour and label of the nearest corner; 0: "
        "the vertices as they are",
    )
    val_fraction: float = setting(0.1, ge=0.0, lt=1.0, help="share held out for validation, where there is no list")
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, where there is no list")


class ScanNetSource(CloudSource):
    """ScanNet, one cloud per scan: the vertices of its mesh, metres, z up, with colours, normals and class labels.

    ConvONet and SA-ConvONet reconstruct 100,000 points that are drawn on the finer mesh ``_vh_clean.ply``, in a unit
    cube whose floor is y = -0.5, with y and z exchanged, which mirrors rooms. `sampled` draws them on the mesh that has
    labels; rooms are not mirrored, and z stays up unless `up` says otherwise.
    """

    name: ClassVar[str] = "scannet"
    Settings: ClassVar[type[ScanNetSettings]] = ScanNetSettings
    settings: ScanNetSettings

    def census(self) -> Census:
        paths = self.root.paths(skip=_RECORDINGS)
        scenes = [match for path in paths if (match := _MESH.match(path))]
        if not scenes:
            raise ShapesysError(
                f"no scans under '{self.settings.root}': expected scans/scene0000_00/scene0000_00_vh_clean_2.ply and "
                "..._vh_clean_2.labels.ply"
            )
        splits = split_lists(self.root, paths, LIST, self.settings.lists)
        entries = [self._scene(match, splits, set(paths)) for match in scenes]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        found = {match[2] for match in scenes}
        skipped += [
            Skipped(f"{CATEGORY}/{scene}", "split", "in a list, not on disk") for scene in sorted(set(splits) - found)
        ]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        return Census.of(self._of_wanted(shapes), skipped, skipped_notes(skipped))

    def load(self, ref: ShapeRef) -> Cloud:
        mesh_file, label_file, *about = ref.locator["files"]
        found, labelled = self._geometry(mesh_file), self._geometry(label_file)
        points, normals = _posed(found, self._alignment(about))
        cloud = Cloud(points, unit_normals(normals), _colors(found), _labels(labelled, len(points)))
        checked(cloud, len(BENCHMARK) + 1)
        if self.settings.sampled:
            cloud = cloud_on_surface(Mesh(points, found.faces), self.settings.sampled, stable_hash(ref.id), cloud)
        return self.settings.stood(cloud)

    def digest(self, ref: ShapeRef) -> str:
        sampled = (f"sampled {self.settings.sampled}",) if self.settings.sampled else ()
        found, stated = super().digest(ref), (*sampled, *self.settings.stated())
        return digest_of(*stated, found) if stated else found

    def part_names(self, category: str) -> tuple[str, ...]:
        """The 20 classes of the benchmark, and what is none of them."""
        return (*BENCHMARK.values(), UNANNOTATED) if category == CATEGORY else ()

    def _scene(self, match: re.Match[str], splits: dict[str, Split], present: set[str]) -> ShapeRef | Skipped:
        scene, shape = match[2], f"{CATEGORY}/{match[2]}"
        if f"{match[1]}_vh_clean_2.labels.ply" not in present:
            return Skipped(shape, "census", "no ..._vh_clean_2.labels.ply beside the scan")
        split = splits.get(scene) if splits else self._hashed(scene)
        if split is None:
            return Skipped(shape, "split", "in none of the lists")
        files = [match[0], f"{match[1]}_vh_clean_2.labels.ply"]
        if self.settings.align and f"{match[1]}.txt" in present:
            files.append(f"{match[1]}.txt")
        return ShapeRef(shape, CATEGORY, split, self.name, {"files": files})

    def _hashed(self, scene: str) -> Split:
        settings = self.settings
        room = scene.rpartition("_")[0]
        return hash_split(room, settings.val_fraction, settings.test_fraction, settings.split_seed)

    def _geometry(self, path: str) -> Geometry:
        return parse_geometry(self._read(path), path, self.settings.limits)

    def _alignment(self, about: list[str]) -> Floats:
        """The 4x4 matrix ``axisAlignment = ...`` of a scene's text file; the identity where there is none."""
        for line in self._read(about[0]).decode("ascii", "replace").splitlines() if about else []:
            key, _, value = line.partition("=")
            if key.strip() != "axisAlignment":
                continue
            try:
                return np.array([float(word) for word in value.split()]).reshape(4, 4)
            except ValueError:
                raise ShapeRejected("read", f"'{about[0]}': axisAlignment is '{value.strip()[:80]}'") from None
        return np.eye(4)


def _posed(found: Geometry, pose: Floats) -> tuple[Floats, Floats | None]:
    """Points, and normals as the area-weighted mean over the faces around each vertex, in the aligned frame."""
    points = np.asarray(found.vertices, dtype=np.float64) @ pose[:3, :3].T + pose[:3, 3]
    if not len(found.faces):
        return points, None
    if found.faces.min() < 0 or found.faces.max() >= len(points):
        raise ShapeRejected("read", f"a face refers to a vertex outside 0 to {len(points) - 1}")
    cross = Mesh(points, found.faces).face_cross
    corners = found.faces.reshape(-1)
    sums = [np.bincount(corners, np.repeat(cross[:, axis], 3), minlength=len(points)) for axis in range(3)]
    return points, np.stack(sums, axis=1)


def _colors(found: Geometry) -> Floats | None:
    names = ("red", "green", "blue")
    if not found.attributes.keys() >= set(names):
        return None
    return np.stack([found.attributes[name] for name in names], axis=1).astype(np.float64) / 255.0


def _labels(found: Geometry, count: int) -> Ints:
    if "label" not in found.attributes or len(found.vertices) != count:
        raise ShapeRejected(
            "read", f"{len(found.vertices)} labelled vertices beside {count} scanned ones, or no property 'label'"
        )
    try:
        numbers = whole_numbers(found.attributes["label"].astype(np.float64), "label")
    except ValueError as error:
        raise ShapeRejected("read", str(error)) from None
    if numbers.min() < 0 or numbers.max() > _MOST_NYU40:
        raise ShapeRejected("read", f"labels range from {numbers.min()} to {numbers.max()}, no NYU40 numbers")
    table = np.full(_MOST_NYU40 + 1, len(BENCHMARK), dtype=np.int32)
    table[list(BENCHMARK)] = np.arange(len(BENCHMARK), dtype=np.int32)
    return table[numbers]
