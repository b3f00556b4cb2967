"""`ray job submit -- python jobs/compare.py ...`: the same as `shapesys compare ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["compare", *sys.argv[1:]]))
