"""Everything that runs on Ray. Nothing else in the package imports it."""

import os

# Ray Data reads these when it is first imported, which importing any module of this package may do.
for _name, _value in {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)
