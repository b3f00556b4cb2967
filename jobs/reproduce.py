"""`ray job submit -- python jobs/reproduce.py ...`: the same as `shapesys reproduce ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["reproduce", *sys.argv[1:]]))
