"""`ray job submit -- python jobs/benchmark.py ...`: the same as `shapesys bench ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["bench", *sys.argv[1:]]))
