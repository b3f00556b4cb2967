"""`ray job submit -- python jobs/evaluate.py ...`: the same as `shapesys evaluate ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["evaluate", *sys.argv[1:]]))
