"""Any folder of point clouds: subfolders are categories, labels are read where the files have them."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import field_validator

from shapesys.config.base import setting
from shapesys.errors import ShapesysError, unknown_name
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import CLOUD_SUFFIXES, COLUMN_NAMES, parse_cloud
from shapesys.sources.base import Census, ShapeRef, Split, digest_of
from shapesys.sources.cloud_files import CloudSettings, CloudSource
from shapesys.sources.files import safe
from shapesys.sources.splits import as_split, hash_split, variant_groups

_SUFFIXES = frozenset(CLOUD_SUFFIXES)
_TEXT = frozenset({".txt", ".csv"})
_DOCUMENTS = ("license", "licence", "copying", "readme", "notice", "authors", "changelog", "manifest", "labels")


class CloudFolderSettings(CloudSettings):
    """Settings of the source `cloud_folder`."""

    category: str = setting("", help="put every cloud into this one category, whatever its folder")
    columns: tuple[str, ...] = setting(
        (), help="what the columns of text and NPY files are: x y z, nx ny nz, red green blue, label, or _ to pass over"
    )
    labels: tuple[str, ...] = setting((), help="what the labels 0, 1, ... mean; larger labels are rejected then")
    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share held out for validation, where no folder says")
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, where no folder says")

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for name in columns:
            if name not in COLUMN_NAMES:
                raise ValueError(str(unknown_name("column", name, COLUMN_NAMES)))
        named = Counter(name for name in columns if name != "_")
        if columns and (not {"x", "y", "z"} <= named.keys() or max(named.values()) > 1):
            raise ValueError("x, y and z must be among the columns, and none twice")
        return columns


class CloudFolderSource(CloudSource):
    """Any directory of PLY, PCD, XYZ, TXT, CSV, NPY and NPZ clouds (and vertices of OBJ and OFF), in the files' frame.

    The first folder below the root is the category (files directly in the root take the root's name); the rest of the
    path, joined by ``-``, is the name. A folder called train, val or test on the way is the split; elsewhere a hash of
    the name decides, and names that differ by a trailing number only go to the same split.
    """

    name: ClassVar[str] = "cloud_folder"
    Settings: ClassVar[type[CloudFolderSettings]] = CloudFolderSettings
    settings: CloudFolderSettings

    def census(self) -> Census:
        paths = [path for path in self.root.paths() if not path.endswith("/")]
        clouds = [path for path in paths if _is_cloud(path)]
        if not clouds:
            raise ShapesysError(
                f"no point cloud under '{self.settings.root}': expected {', '.join(CLOUD_SUFFIXES)} files, in one "
                f"subfolder per category ({len(paths)} other files found)"
            )
        named = {path: self._id(path) for path in clouds}
        splits = self._splits(named)
        shapes = [
            ShapeRef(shape, shape.partition("/")[0], splits[path], self.name, {"files": [path]})
            for path, shape in named.items()
        ]
        others = Counter(PurePosixPath(path).suffix.lower() or path for path in paths if path not in named)
        counted = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common())
        notes = [f"other files beside the clouds, not shapes: {counted}"] if others else []
        return Census.of(self._of_wanted(shapes), notes=notes)

    def load(self, ref: ShapeRef) -> Cloud:
        path = ref.locator["files"][0]
        cloud = parse_cloud(self._read(path), path, self.settings.limits, self.settings.columns)
        return checked(cloud, len(self.settings.labels) or None)

    def digest(self, ref: ShapeRef) -> str:
        return digest_of(*self.settings.columns, "labels", *self.settings.labels, super().digest(ref))

    def part_names(self, category: str) -> tuple[str, ...]:
        """The setting `labels`, for every category."""
        return self.settings.labels

    def _id(self, path: str) -> str:
        *folders, last = PurePosixPath(path).with_suffix("").parts
        folders = [folder for folder in folders if as_split(folder) is None]
        if self.settings.category:
            category, rest = self.settings.category, folders
        else:
            category, rest = (folders[0], folders[1:]) if folders else (self.root.name, [])
        return f"{safe(category)}/{safe('-'.join([*rest, last]))}"

    def _splits(self, named: dict[str, str]) -> dict[str, Split]:
        """Path -> split."""
        settings = self.settings
        members: dict[str, list[str]] = defaultdict(list)
        for shape in named.values():
            members[shape.partition("/")[0]].append(shape)
        groups = {name: group for shapes in members.values() for name, group in variant_groups(shapes).items()}
        return {
            path: next(
                (split for folder in PurePosixPath(path).parts[:-1] if (split := as_split(folder)) is not None),
                hash_split(groups[shape], settings.val_fraction, settings.test_fraction, settings.split_seed),
            )
            for path, shape in named.items()
        }


def _is_cloud(path: str) -> bool:
    name = PurePosixPath(path)
    suffix = name.suffix.lower()
    # A notice_board.ply is no notice: of these endings, only text is written for people too.
    return suffix in _SUFFIXES and not (suffix in _TEXT and name.name.lower().startswith(_DOCUMENTS))
