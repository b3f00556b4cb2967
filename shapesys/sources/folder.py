"""Any folder of mesh files: subfolders are categories, folders of numbered files can be the parts of one shape."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import MESH_SUFFIXES, check_suffix, read_bytes
from shapesys.sources.base import Census, Plane, ShapeRef, Skipped, Split
from shapesys.sources.files import FileSettings, FileSource, safe
from shapesys.sources.splits import as_split, hash_split, parse_split_file, variant_groups

_COMPANIONS = frozenset({
    ".mtl", ".bin", ".png", ".jpg", ".jpeg", ".webp", ".ktx2", ".tga", ".bmp", ".tif", ".tiff", ".gif", ".dds", ".hdr",
    ".exr", ".txt", ".md", ".rst", ".json", ".csv", ".tsv", ".html", ".pdf", ".yaml", ".yml", ".toml", ".xml", ".log",
})  # fmt: skip
_DOCUMENTS = ("license", "licence", "copying", "readme", "notice", "authors", "changelog", "manifest")


class FolderSettings(FileSettings):
    """Settings of the source `folder`."""

    category: str = setting("", help="put every shape into this one category, whatever its folder")
    parts: Literal["auto", "always", "never"] = setting(
        "auto",
        help="whether <category>/<item>/ holds the part meshes of one shape: auto = when all its meshes have numbers "
        "as names (00.obj, 01.obj); always; never",
    )
    split_file: str = setting("", help='JSON {"train": [ids], "test": [ids]} or CSV with the columns id and split')
    keep_variants_together: bool = setting(
        True, help="names that differ by a trailing number only (vase_01, vase_02) go to the same split"
    )
    mirror_plane: tuple[float, float, float, float] | None = setting(
        None, help="nx ny nz d of the plane n.x = d that all shapes are built around, if there is one"
    )


@dataclass(frozen=True)
class _Item:
    """One shape on disk before it has a split; `folder_split` where a folder is called train, val or test."""

    id: str
    category: str
    files: tuple[str, ...]
    parts: bool
    folder_split: Split | None


class FolderSource(FileSource):
    """Any directory of OBJ, OFF, PLY, STL, GLB and glTF files.

    The first folder below the root is the category (files directly in the root take the root's name); the rest of the
    path, joined by ``-``, is the name. A folder called train, val or test on the way is the split. Otherwise the split
    file decides, or a hash of the category and the name without trailing number.
    """

    name: ClassVar[str] = "folder"
    Settings: ClassVar[type[FolderSettings]] = FolderSettings
    settings: FolderSettings

    def census(self) -> Census:
        paths = [path for path in self.root.paths() if not path.endswith("/")]
        meshes = [path for path in paths if PurePosixPath(path).suffix.lower() in MESH_SUFFIXES]
        if not meshes:
            raise ShapesysError(
                f"no mesh under '{self.settings.root}': expected {', '.join(MESH_SUFFIXES)} files, in one subfolder "
                f"per category ({len(paths)} other files found)"
            )
        skipped, notes = _others(sorted(set(paths) - set(meshes)))
        items, clashes = _without_clashes(self._items(meshes))
        categories = {item.category for item in items}
        unwanted = categories - self._only_wanted(categories)
        notes += self._hint(items)
        shapes, unsplit = self._with_splits(items)
        return Census.of(
            [shape for shape in shapes if shape.category not in unwanted],
            [*skipped, *clashes, *(entry for entry in unsplit if entry.id.partition("/")[0] not in unwanted)],
            notes,
        )

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        return self.settings.mirror_plane

    def _hint(self, items: list[_Item]) -> list[str]:
        """A note where the categories seem to lie one folder deeper than the root suggests."""
        categories = {item.category for item in items}
        deeper = {PurePosixPath(item.files[0]).parts[1] for item in items if item.files[0].count("/") > 1}
        if self.settings.category or len(categories) > 1 or not 1 < len(deeper) <= len(items) // 2:
            return []
        only = categories.pop()
        return [
            f"every shape is in the category '{only}'; to make its {len(deeper)} subfolders the categories, "
            f"give '{self.settings.root.rstrip('/')}/{only}' as root"
        ]

    def _items(self, meshes: list[str]) -> list[_Item]:
        folders: dict[PurePosixPath, list[str]] = defaultdict(list)
        for path in meshes:
            folders[PurePosixPath(path).parent].append(path)
        found: list[_Item] = []
        for folder, files in folders.items():
            if self._is_parts(folder, files):
                found.append(self._item(folder, sorted(files, key=_by_number), parts=True))
            else:
                found += [self._item(PurePosixPath(path).with_suffix(""), [path], parts=False) for path in files]
        return found

    def _is_parts(self, folder: PurePosixPath, files: list[str]) -> bool:
        if self.settings.parts == "never" or len(folder.parts) < (1 if self.settings.category else 2):
            return False
        return self.settings.parts == "always" or all(PurePosixPath(path).stem.isdecimal() for path in files)

    def _item(self, path: PurePosixPath, files: list[str], parts: bool) -> _Item:
        *folders, last = path.parts
        splits = [split for split in map(as_split, folders) if split is not None]
        folders = [folder for folder in folders if as_split(folder) is None]
        if self.settings.category:
            category, rest = self.settings.category, folders
        else:
            category, rest = (folders[0], folders[1:]) if folders else (self.root.name, [])
        category = safe(category)
        return _Item(
            id=f"{category}/{safe('-'.join([*rest, last]))}",
            category=category,
            files=tuple(files),
            parts=parts,
            folder_split=splits[0] if splits else None,
        )

    def _with_splits(self, items: list[_Item]) -> tuple[list[ShapeRef], list[Skipped]]:
        chosen = self._splits(items)
        shapes = [
            ShapeRef(item.id, item.category, split, self.name, {"files": list(item.files), "parts": item.parts})
            for item in items
            if (split := chosen.get(item.id)) is not None
        ]
        if not self.settings.split_file:
            return shapes, []
        absent = [
            Skipped(item.id, "split", f"not in the split file '{self.settings.split_file}'")
            for item in items
            if item.id not in chosen
        ]
        unknown = sorted(chosen.keys() - {item.id for item in items})
        missing = [
            Skipped(name, "split", f"in the split file '{self.settings.split_file}', not under the root")
            for name in unknown
        ]
        return shapes, [*absent, *missing]

    def _splits(self, items: list[_Item]) -> dict[str, Split]:
        """Id -> split; ids that the split file names and nobody has are kept, to be reported."""
        if self.settings.split_file:
            return _matched(self._read_split_file(), items)
        groups: dict[str, str] = {item.id: item.id for item in items}
        if self.settings.keep_variants_together:
            by_category: dict[str, list[str]] = defaultdict(list)
            for item in items:
                by_category[item.category].append(item.id)
            groups = {name: group for names in by_category.values() for name, group in variant_groups(names).items()}
        val, test, seed = self.settings.val_fraction, self.settings.test_fraction, self.settings.split_seed
        return {item.id: item.folder_split or hash_split(groups[item.id], val, test, seed) for item in items}

    def _read_split_file(self) -> dict[str, Split]:
        name = self.settings.split_file
        try:
            data = read_bytes(Path(name)) if Path(name).is_file() else self.root.read(name, Limits())
        except ShapeRejected as problem:
            raise ShapesysError(f"split file '{name}', as given and under the root: {problem.reason}") from None
        return parse_split_file(data, name)


def _matched(listed: dict[str, Split], items: list[_Item]) -> dict[str, Split]:
    """Translate what a split file calls shapes (id, path, path without ending, or bare name if unique) into ids."""
    names = Counter(item.id.partition("/")[2] for item in items)
    aliases: dict[str, str] = {}
    for item in items:
        bare = item.id.partition("/")[2]
        if names[bare] == 1:
            aliases[bare] = item.id
        first = PurePosixPath(item.files[0])
        for alias in [str(first.parent)] if item.parts else [str(first), str(first.with_suffix(""))]:
            aliases[alias] = item.id
    aliases |= {item.id: item.id for item in items}
    return {aliases.get(name, name): split for name, split in listed.items()}


def _without_clashes(items: list[_Item]) -> tuple[list[_Item], list[Skipped]]:
    """The first of the items that claim one id, by order of `MESH_SUFFIXES`; the others are skipped."""
    kept: dict[str, _Item] = {}
    skipped: list[Skipped] = []
    for item in sorted(items, key=lambda item: (item.id, _preference(item.files[0]), item.files)):
        if item.id in kept:
            first = kept[item.id].files[0]
            skipped.append(Skipped(item.files[0], "census", f"same id '{item.id}' as '{first}', which is used"))
        else:
            kept[item.id] = item
    return list(kept.values()), skipped


def _others(paths: list[str]) -> tuple[list[Skipped], list[str]]:
    """Files that are no accepted mesh: companions are counted in a note, the others become rejected rows."""
    skipped: list[Skipped] = []
    companions: Counter[str] = Counter()
    for path in paths:
        name = PurePosixPath(path)
        if name.suffix.lower() in _COMPANIONS or name.name.lower().startswith(_DOCUMENTS):
            companions[name.suffix.lower() or name.name] += 1
            continue
        try:
            check_suffix(name.name)
        except ShapeRejected as problem:
            skipped.append(Skipped(path, problem.stage, problem.reason))
    listed = ", ".join(f"{count} {suffix}" for suffix, count in companions.most_common())
    return skipped, [f"other files beside the meshes, not shapes: {listed}"] if companions else []


def _preference(path: str) -> int:
    return MESH_SUFFIXES.index(PurePosixPath(path).suffix.lower())


def _by_number(path: str) -> tuple[int, str]:
    label = PurePosixPath(path).stem
    return (int(label) if label.isdecimal() else 0, path)
