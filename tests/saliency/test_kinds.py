"""What maps of each kind depend on."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from shapesys.saliency.config import MapSettings
from shapesys.saliency.kinds import Kind, used_by

OTHER: dict[str, Any] = {
    "points": 7, "neighbours": 3, "alpha": 6.0, "observed_queries": 101, "inference": {"iterations": 2}, "seed": 5,
}  # fmt: skip
USERS: dict[str, set[Kind]] = {
    "points": {"geometry", "fields", "classifier"},
    "neighbours": {"geometry"},
    "alpha": {"classifier"},
    "observed_queries": {"fields"},
    "inference": {"fields"},
    "seed": {"fields"},
}


@pytest.mark.parametrize("name", MapSettings.model_fields)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_setting_counts_for_the_kinds_that_read_it(kind: Kind, name: str) -> None:
    changed = MapSettings().override({name: OTHER[name]})
    assert (used_by(kind, changed) != used_by(kind, MapSettings())) == (kind in USERS[name])
