"""`ray job submit -- python jobs/fit.py ...`: the same as `shapesys fit ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["fit", *sys.argv[1:]]))
