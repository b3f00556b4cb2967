"""Saliency maps beside a store: one value for each of the first points of every shape's cloud, in one Parquet file.

Whatever made them (a trained field, a classifier's gradient, plain geometry), everything that reads maps reads this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.samples.filesystem import Folder

Map = NDArray[np.float32]

_FACTS = b"shapesys"
_SCHEMA = pa.schema([("shape_id", pa.string()), ("saliency", pa.list_(pa.float32()))])


@dataclass(frozen=True)
class SaliencyMaps:
    """The maps of one method.

    Attributes:
        method: who made them, for people.
        store_digest: of the store whose clouds they belong to; maps of other clouds would be silently wrong.
        values: shape id -> (n,) finite saliency of the first n points of the stored cloud, higher for more salient.
        facts: what else is worth knowing, as plain data: settings of the method, how the category was known.
        failed: shape id -> why it has no map.
    """

    method: str
    store_digest: str
    values: Mapping[str, Map]
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for shape_id, values in self.values.items():
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise ShapesysError(
                    f"the saliency map of '{shape_id}' by {self.method} has shape {values.shape} and "
                    f"{int((~np.isfinite(values)).sum())} values that are not finite; each point needs a finite one"
                )

    def of(self, shape_id: str, points: int | None = None) -> Map:
        """The map of a shape, or its first values.

        Args:
            points: how many values are needed; all where None.

        Raises:
            ShapesysError: there is none, or it is shorter.
        """
        found = self.values.get(shape_id)
        if found is None:
            why = self.failed.get(shape_id, "make one for every shape")
            raise ShapesysError(f"there is no saliency map of '{shape_id}' by {self.method}; {why}")
        if points is not None and points > len(found):
            raise ShapesysError(
                f"the saliency map of '{shape_id}' by {self.method} covers {len(found)} points, but {points} are used; "
                "make maps of more points, or use fewer"
            )
        return found if points is None else found[:points]

    def check_store(self, digest: str) -> None:
        """Refuse maps of other clouds.

        Raises:
            ShapesysError: the store is not the one they were made for.
        """
        if digest != self.store_digest:
            raise ShapesysError(
                f"these saliency maps by {self.method} were made for another store, or for this one before it changed; "
                "make them again"
            )

    def write(self, path: str | Path) -> None:
        """Write atomically, shapes sorted by id."""
        ids = sorted(self.values)
        lengths = np.cumsum([0, *(len(self.values[shape_id]) for shape_id in ids)]).astype(np.int32)
        flat = np.concatenate([self.values[shape_id] for shape_id in ids]) if ids else np.empty(0, np.float32)
        lists = pa.ListArray.from_arrays(pa.array(lengths), pa.array(flat.astype(np.float32)))
        facts = {"method": self.method, "store_digest": self.store_digest, "facts": dict(self.facts)}
        facts |= {"failed": dict(sorted(self.failed.items()))} if self.failed else {}
        table = pa.Table.from_arrays([pa.array(ids, pa.string()), lists], schema=_SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()}), sink)
        file = Path(path)
        Folder(str(file.parent)).write(file.name, sink.getvalue().to_pybytes())


def read_saliency_maps(path: str | Path) -> SaliencyMaps:
    """The maps in a file.

    Raises:
        ShapesysError: missing, damaged, or not a file of saliency maps.
    """
    if not Path(path).is_file():
        raise ShapesysError(f"there is no file of saliency maps at {path}; make one with 'shapesys saliency'")
    try:
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {})[_FACTS])
        table = table.cast(_SCHEMA)
    except (OSError, KeyError, ValueError) as error:
        raise ShapesysError(f"{path} is damaged or holds no saliency maps; remove it and make them again") from error
    column = table["saliency"].combine_chunks()
    offsets, flat = column.offsets.to_numpy(), column.values.to_numpy()
    ids = table["shape_id"].to_pylist()
    values = {name: flat[offsets[row] : offsets[row + 1]] for row, name in enumerate(ids)}
    return SaliencyMaps(facts["method"], facts["store_digest"], values, facts["facts"], facts.get("failed", {}))


def merged(pieces: Sequence[SaliencyMaps]) -> SaliencyMaps:
    """Maps of one method that were made apart, such as category by category; later pieces replace earlier ones.

    Raises:
        ShapesysError: there are none, or they belong to different stores or methods.
    """
    if not pieces:
        raise ShapesysError("there are no saliency maps to put together")
    first = pieces[0]
    for piece in pieces:
        if (piece.method, piece.store_digest) != (first.method, first.store_digest):
            raise ShapesysError(
                f"saliency maps by {first.method} and by {piece.method} cannot be put together: they are of different "
                "methods or stores"
            )
    values = {name: found for piece in pieces for name, found in piece.values.items()}
    failed = {name: why for piece in pieces for name, why in piece.failed.items() if name not in values}
    return replace(first, values=values, failed=failed)
