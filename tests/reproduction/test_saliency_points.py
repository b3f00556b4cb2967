"""Shapes classified by their most salient points, with the category of test shapes true or predicted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saliency_support import ISSN, JUDGE, PCA, PCSM, POINTS, asked, performed, recipe_of

from shapesys.errors import ShapesysError
from shapesys.evaluation import plan
from shapesys.reproduction import saliency_points, saliency_ranking
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import LEFT_OUT, MapVariant, TopPoints, measure_name
from shapesys.reproduction.saliency_experiments import ClassifierExperiment, maps_of
from shapesys.reproduction.saliency_files import CATEGORIES, read_maps
from shapesys.reproduction.saliency_points import TopPointsExperiment
from shapesys.saliency.predicted import read_categories, write_categories
from shapesys.samples.saliency_maps import read_saliency_maps

WRONG = {"chair/chair-00000001": "mug", "mug/mug-00000004": "chair"}
"""Two of the four test shapes."""


def top_points(variants: tuple[MapVariant, ...] = (PCA, ISSN)) -> TopPoints:
    every = MapVariant("all", key="all", kind=None)
    measures = {"8": measure_name(8, "oracle"), "8 predicted": measure_name(8, "predicted")}
    return recipe_of(
        TopPoints, "test.top", (every, *variants), measures, classifier=PCSM, judge=JUDGE, counts={"tiny": (8, 16)},
        all_points=POINTS,
    )  # fmt: skip


@pytest.fixture
def mistaken(made: Request) -> Request:
    """A classifier that takes two test shapes for the other category."""
    file = Path(made.root) / "pcsm-s0" / CATEGORIES
    true = {name: name.partition("/")[0] for name in read_categories(file)}
    write_categories(file, true | WRONG)
    return made


def test_phases_make_maps_rank_points_then_classify() -> None:
    making, ranking, classifying = top_points().phases(asked("store", "root"))
    assert [one.name for one in making] == ["pcsm-s0", "pca", "issn-chair-s0", "issn-mug-s0"]
    assert [one.name for one in ranking] == ["ranked-pca-s0", "ranked-issn-s0"]
    assert [one.name for one in classifying] == [
        *("top64-all-s0", "top8-pca-s0", "top16-pca-s0", "top8-issn-s0", "top16-issn-s0")
    ]
    jobs: list[Any] = [one.job for one in classifying]  # type: ignore[attr-defined]
    assert [job.model.salient_points for job in jobs] == [0, 8, 16, 8, 16]
    assert [bool(job.data.saliency) for job in jobs] == [False, True, True, True, True]
    assert (jobs[0].train.points_per_shape, jobs[0].inference.points) == (POINTS, POINTS)


@pytest.mark.parametrize("variant", [PCSM, ISSN], ids=lambda variant: variant.key)
def test_maps_of_wrongly_predicted_shapes_alone_are_replaced(mistaken: Request, variant: MapVariant) -> None:
    [ranking] = top_points((variant,)).phases(mistaken)[1]
    ranking.perform()
    folder = Path(mistaken.root) / ranking.name
    oracle, predicted = (read_saliency_maps(folder / f"{known}.parquet") for known in ("oracle", "predicted"))
    known = read_maps(maps_of(top_points((variant,)), mistaken, variant, 0), variant.label)
    assert (oracle.facts["category"], predicted.facts["category"]) == ("true", "predicted")
    assert predicted.facts["wrong"] == WRONG
    assert set(oracle.values) == set(predicted.values) == set(known.values)
    for name, values in known.values.items():
        np.testing.assert_array_equal(oracle.of(name), values)
        assert np.array_equal(predicted.of(name), values) == (name not in WRONG)


def test_geometry_knows_no_category(mistaken: Request) -> None:
    top_points((PCA,)).phases(mistaken)[1][0].perform()
    oracle, predicted = (
        read_saliency_maps(Path(mistaken.root) / "ranked-pca-s0" / f"{known}.parquet")
        for known in ("oracle", "predicted")
    )
    assert all(np.array_equal(predicted.of(name), values) for name, values in oracle.values.items())


def test_points_are_ranked_again_only_where_maps_or_predictions_changed(
    mistaken: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("ranked again")

    ranking = top_points((ISSN,)).phases(mistaken)[1][0]
    ranking.perform()
    monkeypatch.setattr(saliency_ranking, "make_maps", refused)
    ranking.perform()
    write_categories(Path(mistaken.root) / "pcsm-s0" / CATEGORIES, {"mug/mug-00000004": "chair"})
    with pytest.raises(AssertionError, match="ranked again"):
        ranking.perform()


def test_a_classifier_is_evaluated_by_both_protocols_once(mistaken: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ranking, classifying = top_points((PCA,)).phases(mistaken)
    performed([*ranking])
    every, few, *_ = classifying
    assert not any(one.was_done() for one in classifying)
    [whole], [ranked] = every.perform(), few.perform()
    assert [one.was_done() for one in classifying[:3]] == [True, True, False]
    assert set(whole.summary["whole_set"]) == {measure_name(POINTS, "oracle")}
    numbers = {name: found["value"] for name, found in ranked.summary["whole_set"].items()}
    assert numbers.pop(LEFT_OUT) == 0
    assert set(numbers) == {measure_name(8, "oracle"), measure_name(8, "predicted")}
    assert all(value in (0, 0.25, 0.5, 0.75, 1) for value in numbers.values())
    # Geometry ranks the same points whatever the category.
    assert len(set(numbers.values())) == 1
    monkeypatch.setattr(saliency_points, "evaluate_locally", None)
    assert [every.perform(), few.perform()] == [[whole], [ranked]]


def test_points_ranked_by_an_earlier_experiment_are_not_used_where_ranking_failed(mistaken: Request) -> None:
    _, [ranking], classifying = top_points((PCA,)).phases(mistaken)
    ranking.perform()
    (Path(mistaken.root) / "pca" / "maps-train.parquet").unlink()
    with pytest.raises(ShapesysError, match="no maps by PCA of pca, whose experiment failed"):
        ranking.perform()
    with pytest.raises(ShapesysError, match="no points ranked by PCA of ranked-pca-s0, whose experiment failed"):
        classifying[1].perform()


def test_no_points_are_ranked_by_a_classifier_that_failed(mistaken: Request) -> None:
    [ranking] = top_points((PCA,)).phases(mistaken)[1]
    (Path(mistaken.root) / "pcsm-s0" / "undone").touch()
    with pytest.raises(ShapesysError, match="no predicted categories of pcsm-s0, whose experiment failed"):
        ranking.perform()


@pytest.mark.parametrize("failing", ["oracle", "predicted"])
def test_a_shape_without_a_map_is_seen_by_its_first_points_and_counted(
    mistaken: Request, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def refused(*_: object) -> None:
        raise ShapesysError("not finite")

    lost = "mug/mug-00000004"
    _, [ranking], classifying = top_points((ISSN,)).phases(mistaken)
    if failing == "oracle":
        file = Path(mistaken.root) / "issn-mug-s0" / "maps-test.parquet"
        maps = read_saliency_maps(file)
        dataclasses.replace(maps, values={}, failed=dict.fromkeys(maps.values, "not finite")).write(file)
    else:
        monkeypatch.setattr(saliency_ranking, "make_maps", refused)
    ranking.perform()
    files = {name: Path(mistaken.root) / "ranked-issn-s0" / f"{name}.parquet" for name in ("oracle", "predicted")}
    np.testing.assert_array_equal(read_saliency_maps(files[failing]).of(lost), np.zeros(POINTS))
    [finding] = classifying[1].perform()
    expected = 2 if failing == "oracle" else len(WRONG)
    assert finding.summary["whole_set"][LEFT_OUT]["value"] == expected


def test_a_classifier_trained_anew_is_evaluated_anew(mistaken: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    every = top_points((PCA,)).phases(mistaken)[2][0]
    every.perform()
    [weights] = (Path(mistaken.root) / every.name / "checkpoints").glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([weights.read_bytes()[-1] ^ 1]))
    monkeypatch.setattr(plan, "_run_here", lambda *_: pytest.fail("evaluated anew"))
    with pytest.raises(pytest.fail.Exception, match="evaluated anew"):
        every.perform()


def test_all_points_are_seen_by_the_run_of_other_recipes_where_they_are_as_many() -> None:
    # The judge trains on 32 points, and infers from as many by this change.
    request = asked("store", "root", **{"inference.points": 32})
    for count, trained in ((32, "pointnet-s0"), (POINTS, f"top{POINTS}-all-s0")):
        every = dataclasses.replace(top_points((PCA,)), all_points=count).phases(request)[2][0]
        assert isinstance(every, TopPointsExperiment)
        assert (every.name, every.trained) == (f"top{count}-all-s0", trained)


def test_a_judge_trains_as_the_recipe_says_unless_the_user_says_otherwise() -> None:
    recipe = dataclasses.replace(top_points((PCA,)), judge_settings_at={"tiny": {"train.epochs": 7}}, all_points=32)
    for changes, epochs, trained in (
        ({}, 7, "top32-all-s0"),
        # As long as in other recipes.
        ({"train.epochs": 2}, 2, "pointnet-s0"),
    ):
        every, few, *_ = recipe.phases(asked("store", "root", **{"inference.points": 32, **changes}))[2]
        assert isinstance(every, TopPointsExperiment)
        assert isinstance(few, TopPointsExperiment)
        assert (every.job.train.epochs, few.job.train.epochs, every.trained) == (epochs, epochs, trained)
    # The classifier behind the maps trains as ever.
    [classifier, *_] = recipe.phases(asked("store", "root"))[0]
    assert isinstance(classifier, ClassifierExperiment)
    assert classifier.job.train.epochs != 7


def test_a_shared_run_is_trained_once_and_its_numbers_lie_with_the_experiment(made: Request) -> None:
    making, _, classifying = top_points((PCA,)).phases(made)
    pcsm, every = making[0], classifying[0]
    assert isinstance(pcsm, ClassifierExperiment)
    assert isinstance(every, TopPointsExperiment)
    run = Path(made.root) / "pointnet-s0"
    before = (run / "history.jsonl").read_text()
    [finding] = dataclasses.replace(every, job=pcsm.job, trained=pcsm.trained).perform()
    assert Path(finding.run) == run.resolve()
    assert (run / "history.jsonl").read_text() == before
    assert (Path(made.root) / every.name / "accuracy.json").is_file()
    assert not (run / "accuracy.json").exists()


def test_a_network_trained_by_other_maps_does_not_pass_for_one_of_these(mistaken: Request) -> None:
    _, ranking, classifying = top_points((PCA,)).phases(mistaken)
    performed([*ranking])
    classifying[1].perform()
    file = Path(mistaken.root) / "ranked-pca-s0" / "oracle.parquet"
    maps = read_saliency_maps(file)
    type(maps)(maps.method, maps.store_digest, {name: -values for name, values in maps.values.items()}).write(file)
    with pytest.raises(ShapesysError, match=r"oracle\.parquet has changed since run 'top8-pca-s0' was trained by it"):
        classifying[1].perform()
