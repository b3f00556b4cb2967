"""Runs one benchmark file in this fresh process: ``python -m shapesys.cli.bench_file FILE OUT [--quick]``."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

REQUIRED = {"name", "ours_s", "peers"}


def main(path: str, out: str, *flags: str) -> None:
    """Call the file's ``run(quick=...)`` and write its rows as JSON."""
    rows = load(Path(path)).run(quick="--quick" in flags)
    for row in rows:
        missing = REQUIRED - row.keys()
        if missing:
            raise ValueError(f"{path}: a row lacks {', '.join(sorted(missing))}: {row}")
    Path(out).write_text(json.dumps(rows), encoding="utf-8")


def load(path: Path) -> Any:
    """The benchmark file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    # Benchmarks share helpers that stand beside them.
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise ValueError(f"{path} has no function run(quick=False) -> list of rows")
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
