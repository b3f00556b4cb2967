"""Everything that runs on Ray. Nothing else in the package imports it."""

import os

# Ray reads these when its parts are first imported, which importing any module of this package may do.
for _name, _value in {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # What goes wrong is raised; printed as well, it would be told twice.
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    # Of Ray's own calls that nobody asks about, such as those to an actor that was lost with its node.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Seconds until a dead training worker is noticed.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}.items():
    os.environ.setdefault(_name, _value)
