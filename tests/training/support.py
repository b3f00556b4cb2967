"""A sample store of analytic spheres and boxes, held in memory: what the loop needs and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from shapesys.geometry.normalise import Framing
from shapesys.training.config import TrainJob
from shapesys.training.run_dir import RunDirectory

MakeRun = Callable[..., tuple[TrainJob, RunDirectory]]


@dataclass(frozen=True)
class AnalyticStore:
    """Duck-typed `Store`: shape i is a sphere whose radius depends on i; queries are uniform in the unit box."""

    count: int = 6
    chunks: int = 3
    chunk_size: int = 64
    clouds_are_ordered: bool = True
    framing: ClassVar[Framing] = Framing()
    url: ClassVar[str] = "analytic"

    def shapes(
        self, split: object = None, categories: object = (), view: object = None, columns: object = ()
    ) -> pa.Table:
        ids = [f"sphere/{index:03d}" for index in range(self.count)]
        plain = {"shape_id": ids, "category": ["sphere"] * self.count, "scale": [1.0] * self.count}
        return pa.table(plain | {"parts": pa.array([[]] * self.count, pa.list_(pa.string()))})

    def chunk_count(self, view: str) -> int:
        return self.chunks

    def read_chunk(self, view: str, chunk: int, shape_ids: object, columns: Sequence[str]) -> dict[str, np.ndarray]:
        ids = [int(str(name).split("/")[1]) for name in shape_ids]  # type: ignore[attr-defined]
        rows = [np.random.default_rng([index, chunk]).uniform(-1, 1, (self.chunk_size, 3)) for index in ids]
        points = np.stack(rows).astype(np.float32)
        radius = 0.4 + 0.05 * np.asarray(ids, dtype=np.float32)
        made = {"points": points, "distance": np.linalg.norm(points, axis=2) - radius[:, None]}
        return {name: made[name] for name in columns}
