"""`ray job submit -- python jobs/prepare.py ...`: the same as `shapesys prepare ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["prepare", *sys.argv[1:]]))
