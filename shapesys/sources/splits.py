"""Which shape trains and which is held out: by a file, or by a hash that never changes its mind."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from shapesys.errors import ShapesysError
from shapesys.sources.base import SPLITS, Split

_TRAILING_NUMBER = re.compile(r"[\s_.-]*\d+$")
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def as_split(name: str) -> Split | None:
    """`train`, `val` or `test` for a name as data sets write them; None for any other word."""
    return _SPLIT_NAMES.get(name.strip().lower())


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuse shares that leave nothing to train on.

    Raises:
        ValueError: they do.
    """
    if val_fraction + test_fraction >= 1.0:
        raise ValueError(f"val_fraction {val_fraction} + test_fraction {test_fraction} leave nothing to train on")


def hash_split(key: str, val_fraction: float, test_fraction: float, seed: int = 0) -> Split:
    """The split of a key, from the key alone: adding or removing other shapes never moves it.

    The first 8 bytes of SHA-256 of ``<seed>:<key>`` give a number in [0, 1); below `test_fraction` it is a test
    shape, below `test_fraction` + `val_fraction` a validation shape. The fractions hold on average.
    """
    share = int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8], "big") / 2.0**64
    if share < test_fraction:
        return "test"
    return "val" if share < test_fraction + val_fraction else "train"


def exact_splits(mixed: Sequence[str], val_fraction: float, test_fraction: float) -> list[Split]:
    """The splits of the shapes of one category, of which a fixed number is held out: the nearest to each share.

    Args:
        mixed: a digest of each shape; the first in their order are test shapes, the next validation shapes.
    """
    held = round(test_fraction * len(mixed))
    seen = held + round(val_fraction * len(mixed))
    rank = {row: place for place, row in enumerate(sorted(range(len(mixed)), key=lambda row: (mixed[row], row)))}
    return ["test" if rank[row] < held else "val" if rank[row] < seen else "train" for row in range(len(mixed))]


def stem(name: str) -> str:
    """The name without its trailing number: ``roman_pottery_07`` -> ``roman_pottery``; a bare number stays."""
    return _TRAILING_NUMBER.sub("", name) or name


def variant_groups(names: Iterable[str]) -> dict[str, str]:
    """Name -> group, for the names of one category: near-variants share their `stem` and belong into one split.

    A stem that covers half of the category or more (``chair_0001``, ``chair_0002``, ...) is a numbering rather than a
    family of variants; its names stay groups of their own.
    """
    names = list(names)
    sizes = Counter(stem(name) for name in names)
    return {name: stem(name) if 2 * sizes[stem(name)] < len(names) else name for name in names}


def parse_split_file(data: bytes, name: str) -> dict[str, Split]:
    """Shape id -> split, from JSON ``{"train": [ids], ...}`` or CSV with the columns ``id`` and ``split``.

    Raises:
        ShapesysError: another layout, an unknown split name, or an id in two splits.
    """
    try:
        pairs = _from_json(data) if name.lower().endswith(".json") else _from_csv(data)
    except (ValueError, AttributeError, TypeError) as error:
        raise ShapesysError(f"cannot read the split file '{name}': {error}") from None
    found: dict[str, Split] = {}
    for shape, word in pairs:
        split = as_split(word)
        if split is None:
            raise ShapesysError(f"split file '{name}': unknown split '{word}' of '{shape}'; known: {', '.join(SPLITS)}")
        if found.setdefault(shape, split) != split:
            raise ShapesysError(f"split file '{name}': '{shape}' is in both {found[shape]} and {split}")
    return found


def _from_json(data: bytes) -> list[tuple[str, str]]:
    table = json.loads(data)
    if not isinstance(table, dict) or not all(isinstance(ids, list) for ids in table.values()):
        raise ValueError('expected JSON such as {"train": ["chair/a", ...], "test": [...]}')
    # Published lists are known to hold empty entries.
    return [(str(shape).strip(), word) for word, ids in table.items() for shape in ids if str(shape).strip()]


def _from_csv(data: bytes) -> list[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    if not {"id", "split"} <= set(reader.fieldnames or ()):
        raise ValueError(f"expected CSV with the columns id and split, found {', '.join(reader.fieldnames or ())}")
    return [(row["id"].strip(), row["split"]) for row in reader if row["id"] and row["id"].strip()]
