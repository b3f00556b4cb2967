"""Small trees in the layouts of Occupancy Networks and ConvONet."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def queries(seed: int = 0, count: int = 50, kind: str = "f2", **changes: Any) -> bytes:
    """``points.npz`` of a ball of radius 0.5, as published: half precision, packed bits."""
    points = np.random.default_rng(seed).uniform(-0.55, 0.55, (count, 3)).astype(kind)
    inside = np.linalg.norm(points.astype(float), axis=1) < 0.5
    arrays = {"points": points, "occupancies": np.packbits(inside), "loc": np.zeros(3), "scale": 1.0}
    return npz(**(arrays | changes))


def surface(seed: int = 0, count: int = 40, **changes: Any) -> bytes:
    """``pointcloud.npz`` of the same ball."""
    normals = np.random.default_rng([seed, 1]).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    arrays = {
        "points": (0.5 * normals).astype("f2"), "normals": normals.astype("f2"), "loc": np.zeros(3), "scale": 1.0
    }  # fmt: skip
    return npz(**(arrays | changes))


def array(data: bytes, name: str) -> np.ndarray:
    with np.load(io.BytesIO(data)) as arrays:
        found: np.ndarray = arrays[name]
        return found


def bits(data: bytes) -> np.ndarray:
    return np.unpackbits(array(data, "occupancies"))[: len(array(data, "points"))].astype(bool)
