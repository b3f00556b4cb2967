"""`ray job submit -- python jobs/tune.py ...`: the same as `shapesys tune ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["tune", *sys.argv[1:]]))
