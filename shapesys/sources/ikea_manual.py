"""IKEA-Manuals-at-Work (Liu et al., 2024; CC-BY-4.0): ``parts/<Category>/<item>/00.obj, 01.obj, ...``, assembled.

The files number the parts of each item afresh; `shapesys.sources.furniture_roles` finds what each part is for, and
`CLASSES` names the part classes of a category by these roles. Roles too rare to be learnt are joined: shelves of chairs
and benches (steps, racks for shoes) count as bars, upright panels of tables as legs, since they bear the top. Desks are
tables, as in ShapeNet. The nine items of ``Misc`` (plant stands, a ladder) and the one shelf are left out unless asked
for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from shapesys.config.base import setting
from shapesys.errors import ShapesysError
from shapesys.geometry.mesh import Mesh
from shapesys.sources.base import Census, ShapeRef, digest_of
from shapesys.sources.files import FileSettings, FileSource, join_parts, safe
from shapesys.sources.furniture_roles import RULE_VERSION, Role, face_roles
from shapesys.sources.splits import hash_split, stem

Category = Literal["bench", "chair", "misc", "shelf", "table"]

CLASSES: dict[str, dict[Role, str]] = {
    "bench": {Role.TOP: "seat", Role.PANEL: "panel", Role.LEG: "leg", Role.BAR: "bar", Role.SHELF: "bar"},
    "chair": {Role.TOP: "seat", Role.PANEL: "back", Role.LEG: "leg", Role.BAR: "bar", Role.SHELF: "bar"},
    "misc": {Role.TOP: "top", Role.PANEL: "panel", Role.LEG: "leg", Role.BAR: "bar", Role.SHELF: "shelf"},
    "shelf": {Role.TOP: "top", Role.PANEL: "panel", Role.LEG: "leg", Role.BAR: "bar", Role.SHELF: "shelf"},
    "table": {Role.TOP: "top", Role.PANEL: "leg", Role.LEG: "leg", Role.BAR: "bar", Role.SHELF: "shelf"},
}
"""Category -> what the parts of each role are called."""

_CATEGORY_OF = {
    "Bench": "bench", "Chair": "chair", "Desk": "table", "Misc": "misc", "Shelf": "shelf", "Table": "table",
}  # fmt: skip
_PART = re.compile(r"^(?:.*/)?([A-Z][a-z]+)/([^/]+)/(\d+)\.obj$")


class IkeaManualSettings(FileSettings):
    """Settings of the source `ikea_manual`. A series (applaro, applaro_2, ...) goes into one split as a whole."""

    categories: tuple[Category, ...] = setting(
        ("bench", "chair", "table"), help="only these categories; all when empty"
    )
    split_seed: int = setting(2, help="changes which series are held out; with 2, some items of each default category")


class IkeaManualSource(FileSource):
    """IKEA furniture in its assembled frame, y up; face labels are part classes."""

    name: ClassVar[str] = "ikea_manual"
    Settings: ClassVar[type[IkeaManualSettings]] = IkeaManualSettings
    settings: IkeaManualSettings

    def census(self) -> Census:
        wanted = set(self.settings.categories or CLASSES)
        items: dict[tuple[str, str], list[str]] = defaultdict(list)
        for path in self.root.paths():
            found = _PART.match(path)
            if found and found[1] in _CATEGORY_OF:
                items[_CATEGORY_OF[found[1]], found[2]].append(path)
        if not items:
            raise ShapesysError(
                f"no furniture under '{self.settings.root}': expected <Category>/<item>/00.obj, 01.obj, ... with the "
                f"categories {', '.join(_CATEGORY_OF)}"
            )
        shapes = [self._shape(*item, files) for item, files in items.items() if item[0] in wanted]
        left_out = sum(category not in wanted for category, _ in items)
        return Census.of(shapes, notes=[f"{left_out} items of other categories left out"] if left_out else [])

    def load(self, ref: ShapeRef) -> Mesh:
        parts = [self._part(path) for path in ref.locator["files"]]
        roles = np.concatenate(face_roles(parts, has_back=ref.category == "chair"))
        names = self.part_names(ref.category)
        label_of = np.array([names.index(CLASSES[ref.category][role]) for role in Role], dtype=np.int32)
        return replace(join_parts(parts), face_labels=label_of[roles])

    def digest(self, ref: ShapeRef) -> str:
        return digest_of(str(RULE_VERSION), ref.category, super().digest(ref))

    def part_names(self, category: str) -> tuple[str, ...]:
        """Names of the part classes, in the order of their roles."""
        return tuple(dict.fromkeys(CLASSES.get(category, {}).values()))

    def _shape(self, category: str, item: str, files: list[str]) -> ShapeRef:
        settings = self.settings
        split = hash_split(stem(item), settings.val_fraction, settings.test_fraction, settings.split_seed)
        return ShapeRef(f"{category}/{safe(item)}", category, split, self.name, {"files": sorted(files, key=_number)})


def _number(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".obj"))
