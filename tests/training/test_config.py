from __future__ import annotations

import pytest
from support import MakeRun

from shapesys.errors import ShapesysError, UsageError
from shapesys.training.config import changed_from_preset, claim, load_job, origins, resolve


def test_flags_override_the_preset_which_overrides_defaults() -> None:
    job = resolve("issn", "paper", {"data.store": "s", "train.epochs": 3})
    assert job.train.epochs == 3
    assert job.train.lr_step_epochs == 200
    where = origins(job, {"data.store": "s", "train.epochs": 3})
    assert where["train.epochs"] == "flag"
    assert where["model.code_weight"] == "preset paper: section 4.2"
    assert where["train.accumulate"] == "default"


def test_typos_are_met_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"did you mean .*model\.latent_dim"):
        resolve("issn", "tiny", {"data.store": "s", "model.latent_dims": 3})
    with pytest.raises(UsageError, match="unknown preset of issn 'papr'; did you mean paper"):
        resolve("issn", "papr", {"data.store": "s"})
    with pytest.raises(UsageError, match="unknown family 'isn'; did you mean issn"):
        resolve("isn", "tiny", {"data.store": "s"})


def test_values_out_of_bounds_are_named() -> None:
    with pytest.raises(UsageError, match=r"train.epochs.*greater than or equal to 1.*got 0"):
        resolve("issn", "tiny", {"data.store": "s", "train.epochs": 0})


def test_a_change_that_does_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'model.encoder_width' does nothing where 'model.encoder' is False"):
        resolve("sald", "tiny", {"data.store": "s", "model.encoder_width": 32})
    with pytest.raises(UsageError, match=r"'model.code_std' does nothing where 'model.latent_dim' is 0"):
        resolve("sal", "single", {"data.store": "s", "model.code_std": 0.1})
    with pytest.raises(UsageError, match=r"'model.periods' does nothing where 'model.start' is 'siren'"):
        resolve("digs", "single", {"data.store": "s", "model.start": "siren", "model.periods": 5.0})
    assert resolve("sald", "tiny", {"data.store": "s", "model.encoder_width": 32, "model.encoder": True})
    assert resolve("digs", "single", {"data.store": "s", "model.periods": 5.0})


def test_config_round_trips_and_other_settings_under_one_name_are_refused(make_run: MakeRun) -> None:
    job, run = make_run()
    assert load_job(run.config) == job
    assert claim(run, job), "the same job again resumes"
    (run.checkpoints / "step_00000001").mkdir(parents=True)
    with pytest.raises(ShapesysError, match=r"model.latent_dim: 4 there, 8 now"):
        make_run(model__latent_dim=8)
    make_run(scale__num_workers=2)  # where it runs does not matter


def test_a_run_without_a_checkpoint_takes_other_settings(make_run: MakeRun) -> None:
    _, run = make_run()
    run.tracking.write_text("{}")
    job, run = make_run(model__latent_dim=8)
    assert load_job(run.config) == job
    assert not run.tracking.exists(), "the tracked run holds the old settings"


def test_only_differences_from_the_preset_are_listed(make_run: MakeRun) -> None:
    job, _ = make_run()
    changed = changed_from_preset(job)
    assert changed["model.hidden"] == 32
    assert "train.learning_rate" not in changed


def test_missing_store_says_how_to_make_one() -> None:
    with pytest.raises(UsageError, match="shapesys prepare"):
        resolve("issn", "tiny", {})
