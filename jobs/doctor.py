"""`ray job submit -- python jobs/doctor.py ...`: the same as `shapesys doctor ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["doctor", *sys.argv[1:]]))
