"""`ray job submit -- python jobs/report.py ...`: the same as `shapesys report ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["report", *sys.argv[1:]]))
