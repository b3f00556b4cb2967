"""The kind of a family's predictions decides what is measured, and which settings mean anything."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from shapesys.errors import UsageError
from shapesys.evaluation import config
from shapesys.evaluation.config import SETTINGS_OF, EvaluateConfig
from shapesys.evaluation.suites import SUITES, refuse_foreign, suite_of
from shapesys.families import registry
from shapesys.families.base import Family, PointPrediction, Prediction, SuperpixelPrediction
from shapesys.metrics import superpixel

ISSN = registry.load("issn")


def family(predicts: type[Prediction]) -> Family:
    return replace(ISSN, predicts=predicts)


def test_every_kind_of_prediction_has_a_suite() -> None:
    assert set(SUITES) == set(get_args(Prediction))
    assert suite_of(ISSN).predicts == "surfaces"
    assert suite_of(family(PointPrediction)).predicts == "labels"
    assert {suite.predicts for suite in SUITES.values()} == set(SETTINGS_OF)


def test_every_setting_belongs_to_one_kind_or_to_all() -> None:
    known = set(EvaluateConfig.model_fields)
    claimed = [name for names in SETTINGS_OF.values() for name in names]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= known
    assert known - set(claimed) == {"split", "categories", "seed", "inference"}


def test_results_depend_on_the_settings_that_apply_and_on_no_other() -> None:
    settings = EvaluateConfig(resolution=64, part_argmax="free")
    assert settings.applying_to("labels").keys() == {
        "split", "categories", "seed", "inference", "accuracy_ranks", "part_argmax",
    }  # fmt: skip
    assert settings.applying_to("labels") == EvaluateConfig(part_argmax="free").applying_to("labels")
    assert json.loads(json.dumps(settings.applying_to("surfaces"))) == settings.applying_to("surfaces")
    assert "annotator" not in settings.applying_to("surfaces")


@pytest.mark.parametrize(
    ("name", "predicts", "words"),
    [
        ("resolution", PointPrediction, "--resolution measures surfaces, but run 'x' predicts labels; leave it out"),
        ("part_argmax", SuperpixelPrediction, "--part-argmax measures labels, but run 'x' predicts superpixels"),
        ("annotator", PointPrediction, "--annotator measures superpixels, but run 'x' predicts labels"),
    ],
)
def test_a_flag_of_another_kind_is_refused(name: str, predicts: type[Prediction], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        refuse_foreign(["split", name], suite_of(family(predicts)), "run 'x'")


def test_flags_of_the_own_kind_and_of_all_pass() -> None:
    refuse_foreign(["split", "seed", "resolution"], suite_of(ISSN), "run 'x'")
    with pytest.raises(UsageError, match="--evaluate.part-argmax measures"):
        refuse_foreign(["part_argmax"], suite_of(ISSN), "family 'issn'", "evaluate.")


def test_choices_are_those_of_the_metrics() -> None:
    # Named twice, since the metrics need SciPy, and the flags' help does not.
    assert get_args(config.Annotator) == get_args(superpixel.Annotator)
    assert get_args(config.Undersegmentation) == get_args(superpixel.Undersegmentation)
    defaults, own = superpixel.SuperpixelSettings(), EvaluateConfig()
    assert (defaults.annotator, defaults.boundary_share, defaults.undersegmentation) == (
        own.annotator, own.boundary_share, own.undersegmentation,
    )  # fmt: skip
