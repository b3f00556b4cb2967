"""`ray job submit -- python jobs/saliency.py ...`: the same as `shapesys saliency ...`."""

from __future__ import annotations

import sys

from shapesys.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["saliency", *sys.argv[1:]]))
