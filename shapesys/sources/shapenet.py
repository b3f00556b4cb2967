"""ShapeNetCore v1 and v2 as published (Chang et al., 2015): ``<synset>/<model>/``, with or without taxonomy.json."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import read_bytes
from shapesys.sources.base import Census, Plane, ShapeRef, Skipped, Split
from shapesys.sources.choy_images import METADATA, ORDER, Key, choy_images, choy_split, rendered_models
from shapesys.sources.files import FileSettings, FileSource, safe
from shapesys.sources.root import Root
from shapesys.sources.shape_image import ShapeImage
from shapesys.sources.shapenet_synsets import SYNSETS
from shapesys.sources.splits import as_split, hash_split

MESH_PATH = {"1": "model.obj", "2": "models/model_normalized.obj"}
"""Where the mesh lies in a model's folder, by version."""

MIRROR_PLANE: dict[str, Plane] = {"1": (0.0, 0.0, 1.0, 0.0), "2": (1.0, 0.0, 0.0, 0.0)}
"""The plane that most categories are symmetric about, by version."""

_MODEL_FOLDER = re.compile(r"^(?:.*/)?(\d{8})/([^/]+)/(.*)$")
_NO_TEXTURES = frozenset({"images", "screenshots"})

Models = dict[tuple[str, str], dict[str, str]]
"""(synset, model) -> version -> path of the mesh; empty where the folder holds none."""


class ShapeNetSettings(FileSettings):
    """Settings of the source `shapenet`."""

    version: Literal["auto", "1", "2"] = setting(
        "auto", help="release of ShapeNetCore; the two differ in scale and alignment and are never mixed"
    )
    split_file: str = setting(
        "",
        help="the SHREC16 all.csv (id, synsetId, subSynsetId, modelId, split); found by itself in the root",
    )
    renderings: str = setting(
        "",
        help="folder of Choy et al.'s ShapeNetRendering, which then gives the view images and, without a split_file, "
        "the split: of each category's models in it, sorted, 80 % to train on (val_fraction of these held out)",
    )


class ShapeNetSource(FileSource):
    """Models as ``<category>/<model id>``; `categories` takes names (``chair``) and synsets (``03001627``).

    Names come from the built-in table, for other synsets from taxonomy.json where there is one. Without all.csv the
    split is a hash of the model id; with `renderings`, it is that of Choy et al., who rendered models of v1.
    """

    name: ClassVar[str] = "shapenet"
    Settings: ClassVar[type[ShapeNetSettings]] = ShapeNetSettings
    settings: ShapeNetSettings

    @property
    def gives_images(self) -> bool:
        return bool(self.settings.renderings)

    def images(self, ref: ShapeRef, count: int) -> list[ShapeImage]:
        root, folder = Root(self.settings.renderings), ref.locator["renderings"]
        if not folder:
            raise ShapeRejected("read", f"no renderings of '{ref.locator['model']}' in '{root.url}'")
        return choy_images(lambda path: root.read(path, self.settings.limits), folder, count)

    def census(self) -> Census:
        paths = self.root.paths(skip=_NO_TEXTURES)
        models = _models(paths)
        if not models:
            raise ShapesysError(
                f"no ShapeNetCore models under '{self.settings.root}': expected <synset>/<model>/model.obj (v1) or "
                "<synset>/<model>/models/model_normalized.obj (v2), where <synset> has eight digits such as 03001627"
            )
        names, notes = self._category_names(paths, {synset for synset, _ in models})
        wanted = self._wanted_synsets(names)
        models = {key: found for key, found in models.items() if key[0] in wanted}
        version = self._version(models)
        rendered = self._rendered(wanted)
        splits = self._splits(paths, rendered)
        entries = [
            self._shape(f"{names[synset]}/{safe(model)}", found, version, splits, (synset, model), rendered)
            for (synset, model), found in models.items()
        ]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        absent = sorted(key for key in (splits or {}) if key[0] in wanted and key not in models)
        skipped += [
            Skipped(f"{names[synset]}/{safe(model)}", "split", f"in {self._listed}, not on disk")
            for synset, model in absent
        ]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        return Census.of(shapes, skipped, [f"ShapeNetCore v{version}", *notes, *_summary(skipped)])

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        """As the releases' README files have it: +y up in both; v1 faces +x, v2 faces -z."""
        return MIRROR_PLANE["1" if ref.locator["files"][0].endswith(MESH_PATH["1"]) else "2"]

    @property
    def _listed(self) -> str:
        """What the split is from, in words."""
        return "the renderings" if self.settings.renderings and not self.settings.split_file else "all.csv"

    def _rendered(self, synsets: set[str]) -> dict[Key, str]:
        """(synset, model) -> folder, of the categories that are wanted; empty without `renderings`.

        Raises:
            ShapesysError: they are not there.
        """
        if not self.settings.renderings:
            return {}
        found = rendered_models(Root(self.settings.renderings).paths())
        if not found:
            raise ShapesysError(
                f"no renderings under '{self.settings.renderings}': expected <synset>/<model>/rendering/00.png and on, "
                f"with {ORDER} and {METADATA} beside them"
            )
        return {key: folder for key, folder in found.items() if key[0] in synsets}

    def _shape(
        self,
        shape: str,
        found: dict[str, str],
        version: str,
        splits: Splits | None,
        key: Key,
        rendered: Mapping[Key, str],
    ) -> ShapeRef | Skipped:
        if version not in found:
            return Skipped(shape, "census", f"no {MESH_PATH[version]} in its folder")
        split: Split | None
        if splits is None:
            val, test = self.settings.val_fraction, self.settings.test_fraction
            split = hash_split(key[1], val, test, self.settings.split_seed)
        else:
            split = splits.get(key)
        if split is None:
            return Skipped(shape, "split", f"not in {self._listed}")
        locator = {"files": [found[version]], "synset": key[0], "model": key[1], "version": version}
        if self.gives_images:
            locator["renderings"] = rendered.get(key, "")
        return ShapeRef(shape, shape.partition("/")[0], split, self.name, locator)

    def _version(self, models: Models) -> str:
        counts = Counter(version for found in models.values() for version in found)
        if self.settings.version != "auto":
            return self.settings.version
        if len(counts) > 1:
            raise ShapesysError(
                f"'{self.settings.root}' holds both releases of ShapeNetCore ({counts['1']} models of v1, "
                f"{counts['2']} of v2), which differ in scale and alignment; choose one by 'version'"
            )
        if not counts:
            raise ShapesysError(
                f"none of the {len(models)} model folders under '{self.settings.root}' holds {MESH_PATH['1']} (v1) or "
                f"{MESH_PATH['2']} (v2)"
            )
        return next(iter(counts))

    def _category_names(self, paths: list[str], synsets: set[str]) -> tuple[dict[str, str], list[str]]:
        """Synset -> safe category name, for the synsets on disk."""
        names, notes = dict(SYNSETS), []
        taxonomy = next((path for path in paths if path.rpartition("/")[2] == "taxonomy.json"), None)
        if taxonomy is not None and not synsets <= SYNSETS.keys():
            try:
                names = _taxonomy_names(self.root.read(taxonomy, Limits())) | SYNSETS
            except (ShapeRejected, ValueError, KeyError, TypeError) as problem:
                notes.append(f"taxonomy.json passed over: {problem}")
        return {synset: safe(names.get(synset, synset)) for synset in synsets}, notes

    def _wanted_synsets(self, names: dict[str, str]) -> set[str]:
        synset_of = {name: synset for synset, name in names.items()}
        self._only_wanted(set(synset_of) | set(names))
        return {synset_of.get(name, name) for name in self.settings.categories} or set(names)

    def _splits(self, paths: list[str], rendered: Mapping[Key, str]) -> Splits | None:
        name = self.settings.split_file
        if self.gives_images and not name:
            return choy_split(rendered, self.settings.val_fraction, self.settings.split_seed)
        found = name or next((path for path in paths if path == "all.csv"), None)
        if found is None:
            return None
        try:
            local = bool(name) and Path(name).is_file()
            return _parse_all_csv(read_bytes(Path(name)) if local else self.root.read(found, Limits()), found)
        except ShapeRejected as problem:
            raise ShapesysError(f"split file '{found}', as given and under the root: {problem.reason}") from None


Splits = dict[tuple[str, str], Split]


def _models(paths: list[str]) -> Models:
    versions = {mesh: version for version, mesh in MESH_PATH.items()}
    found: Models = {}
    for path in paths:
        match = _MODEL_FOLDER.match(path)
        if match is None:
            continue
        synset, model, rest = match.groups()
        versions_of_model = found.setdefault((synset, model), {})
        if rest in versions:
            versions_of_model[versions[rest]] = path
    return found


def _taxonomy_names(data: bytes) -> dict[str, str]:
    """First name of every synset; the published file has one entry twice."""
    return {entry["synsetId"]: entry["name"].split(",")[0].strip() for entry in json.loads(data)}


def _parse_all_csv(data: bytes, name: str) -> Splits:
    """(synset, model) -> split. Ids stay text: a spreadsheet that took them for numbers lost leading zeros.

    Raises:
        ShapesysError: columns missing or an unknown split.
    """
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace")))
    columns = {"synsetId", "modelId", "split"}
    if not columns <= set(reader.fieldnames or ()):
        raise ShapesysError(
            f"split file '{name}' has the columns {', '.join(reader.fieldnames or ()) or 'none'}; "
            "expected id, synsetId, subSynsetId, modelId, split"
        )
    found: Splits = {}
    for row in reader:
        split = as_split(row["split"] or "")
        if split is None:
            raise ShapesysError(f"split file '{name}': unknown split '{row['split']}' of model '{row['modelId']}'")
        found[row["synsetId"].zfill(8), row["modelId"]] = split
    return found


def _summary(skipped: list[Skipped]) -> list[str]:
    reasons = Counter(entry.reason for entry in skipped)
    return [f"{count} models left out: {reason}" for reason, count in reasons.most_common()]
