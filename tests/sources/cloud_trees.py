"""Small trees in the layouts of published data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def cloud(seed: int, count: int = 20) -> np.ndarray:
    """(count, 6) positions in the unit ball and unit normals, to six decimals."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.5, 0.5, (count, 3))
    normals = rng.normal(size=(count, 3))
    return np.round(np.concatenate([points, normals / np.linalg.norm(normals, axis=1, keepdims=True)], axis=1), 6)


def text(rows: np.ndarray, separator: str = " ") -> str:
    return "".join(separator.join(f"{value:.6f}" for value in row) + "\n" for row in rows)


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def write_hdf5(path: Path, **columns: np.ndarray) -> None:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, compression="gzip" if values.ndim > 1 else None)
