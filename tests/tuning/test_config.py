from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tuning_support import KNOB, make_sweep

from shapesys.config.base import field_paths
from shapesys.errors import ShapesysError, UsageError
from shapesys.families.issn.config import ISSNConfig
from shapesys.tuning.config import MAY_CHANGE, Sweep, TuneConfig, claim_sweep, load_sweep
from shapesys.tuning.ledger import Ledger, Trial
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return create_sweep(tmp_path, "sweep")


def claim_and_begin(directory: SweepDirectory, sweep: Sweep) -> None:
    claim_sweep(directory, sweep)
    Ledger(directory.ledger).begin(Trial("000-s0", 0, 0, {KNOB: 0.1}))


def changed(sweep: Sweep, changes: dict[str, Any]) -> Sweep:
    found: Sweep = sweep.override(changes)
    return found


def test_a_claimed_sweep_is_read_back_as_it_was(directory: SweepDirectory) -> None:
    sweep = make_sweep({KNOB: {"low": 0.1, "high": 0.3}, "inference.cloud_stds": {"choices": [[0.1], [0.2, 0.3]]}})
    assert claim_sweep(directory, sweep) is False
    Ledger(directory.ledger).begin(Trial("000-s0", 0, 0, {KNOB: 0.1}))
    found = load_sweep(directory)
    assert found == sweep
    assert isinstance(found.base.model, ISSNConfig)
    assert claim_sweep(directory, found) is True


@pytest.mark.parametrize(
    "change",
    [
        {"tune.trials": 99},
        {"tune.hours": 2.5},
        {"tune.concurrent": 3},
        {"tune.gpus_per_trial": 0.5},
        {"base.scale.num_workers": 2},
        {"space.summary": "in better words"},
    ],
)
def test_how_far_and_where_a_sweep_goes_may_change(directory: SweepDirectory, change: dict[str, Any]) -> None:
    claim_and_begin(directory, make_sweep())
    assert claim_sweep(directory, changed(make_sweep(), change)) is True
    assert load_sweep(directory) == changed(make_sweep(), change), "the newest word holds"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"tune.metric": "iou/uniform_box"}, "tune.metric: 'chamfer/onet.chamfer_l1' there, 'iou/uniform_box' now"),
        ({"tune.seeds": 2}, "tune.seeds: 1 there, 2 now"),
        ({"tune.rungs": 2}, "tune.rungs: 3 there, 2 now"),
        ({"tune.search_seed": 1}, "tune.search_seed: 0 there, 1 now"),
        ({"tune.strategy": "random"}, "tune.strategy"),
        ({"base.train.epochs": 99}, "base.train.epochs: 9 there, 99 now"),
        ({"base.data.store": "elsewhere"}, "base.data.store"),
        ({"evaluate.resolution": 32}, "evaluate.resolution"),
        ({"evaluate.split": "test"}, "evaluate.split: 'val' there, 'test' now"),
    ],
)
def test_what_a_sweep_compares_may_not(directory: SweepDirectory, change: dict[str, Any], shown: str) -> None:
    claim_and_begin(directory, make_sweep())
    before = directory.definition.read_text()
    with pytest.raises(ShapesysError, match="sweep 'sweep' exists with other settings") as caught:
        claim_sweep(directory, changed(make_sweep(), change))
    assert shown in str(caught.value)
    assert "choose another --run" in str(caught.value)
    assert directory.definition.read_text() == before


def test_other_knobs_are_another_sweep(directory: SweepDirectory) -> None:
    claim_and_begin(directory, make_sweep())
    with pytest.raises(ShapesysError, match=rf"space.knobs.{KNOB}.choices: \[0.1, 0.2, 0.3\] there, \[0.1, 0.2\] now"):
        claim_sweep(directory, make_sweep({KNOB: {"choices": [0.1, 0.2]}}))


def test_all_may_change_until_the_first_trial_begins(directory: SweepDirectory) -> None:
    claim_sweep(directory, make_sweep())
    directory.tracking.write_text("{}")
    assert claim_sweep(directory, make_sweep()) is False
    assert directory.tracking.exists(), "the same sweep goes on in the same tracked run"
    assert claim_sweep(directory, make_sweep(seeds=2)) is False
    assert load_sweep(directory).tune.seeds == 2
    assert not directory.tracking.exists(), "it holds the other settings"


@pytest.mark.parametrize("gpus", [0.0, 0.25, 1.0, 2.0, None])
def test_gpus_are_a_share_or_whole(gpus: float | None) -> None:
    assert make_sweep(gpus_per_trial=gpus).tune.gpus_per_trial == gpus


def test_no_other_number_of_gpus() -> None:
    with pytest.raises(UsageError, match=r"gpus_per_trial.*1\.5 is neither a share of one GPU nor a whole number"):
        make_sweep(gpus_per_trial=1.5)


def test_what_may_change_are_settings() -> None:
    known = {f"tune.{path}" for path in field_paths(TuneConfig)}
    assert {path for path in MAY_CHANGE if path.startswith("tune.")} <= known


def test_a_file_that_is_no_sweep(directory: SweepDirectory) -> None:
    with pytest.raises(ShapesysError):
        load_sweep(directory)
    for text in ("{}", "[]", "3", '{"base": {}}'):
        directory.definition.write_text(text)
        with pytest.raises(ShapesysError, match=r"sweep.json is not a sweep: no 'base.family' in it"):
            load_sweep(directory)


def test_a_sweep_of_a_later_version_is_refused(directory: SweepDirectory) -> None:
    claim_sweep(directory, make_sweep())
    data = json.loads(directory.definition.read_text())
    for change, words in (({"schema_version": 2}, "schema_version"), ({"novelty": 1}, "unknown setting 'novelty'")):
        directory.definition.write_text(json.dumps(data | change))
        with pytest.raises(UsageError, match=words):
            load_sweep(directory)
