"""`ray job submit -- python jobs/train.py ...`: the same as `shapesys train ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["train", *sys.argv[1:]]))
