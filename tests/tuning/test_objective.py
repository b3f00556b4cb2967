from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.surfaces import Truth, measure
from shapesys.families import registry
from shapesys.families.base import Family, Observation, TrainingData
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.normalise import Normalisation
from shapesys.metrics.aggregate import summarise
from shapesys.metrics.names import better_direction, is_floor, split_name
from shapesys.tuning.config import TuneConfig
from shapesys.tuning.objective import check_metric, default_metric, direction, metric_names, value_of

CHAMFER, DEEPSDF, SYMMETRY = "chamfer/onet.chamfer_l1", "chamfer/deepsdf", "d_sym/min_max"
FAMILY = registry.load("issn")


def summary(*rows: dict[str, Any], missing: int = 0) -> dict[str, Any]:
    """What an evaluation of these shapes leaves; `status` is ok where not told."""
    named = [{"shape_id": f"mug/{n}", "category": "mug", "status": "ok", **row} for n, row in enumerate(rows)]
    absent = [{"shape_id": f"mug/absent{n}", "category": "mug"} for n in range(missing)]
    expected = [{"shape_id": row["shape_id"], "category": "mug"} for row in named]
    return summarise(named, [CHAMFER, DEEPSDF, SYMMETRY], [*expected, *absent]).to_json()


def test_the_value_is_the_statistic_over_all_shapes() -> None:
    found = summary({CHAMFER: 0.1}, {CHAMFER: 0.2}, {CHAMFER: 0.9})
    assert value_of(found, CHAMFER) == pytest.approx(0.4)
    assert value_of(found, CHAMFER, "median") == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("failed", "missing", "words"),
    [
        (1, 0, "1 of 3 shapes failed; an average over the rest would flatter it"),
        (0, 1, "1 of 3 shapes is missing; an average"),
        (0, 3, "3 of 5 shapes are missing; an average"),
        (2, 1, "2 of 5 shapes failed and 1 of 5 shapes is missing"),
    ],
)
def test_no_average_over_the_shapes_that_happen_to_have_a_score(failed: int, missing: int, words: str) -> None:
    rows = [{CHAMFER: 0.1}, {CHAMFER: 0.2}, *[{"status": "failed"}] * failed]
    with pytest.raises(ShapesysError, match=words):
        value_of(summary(*rows, missing=missing), CHAMFER)


def test_empty_reconstructions_count_where_the_convention_scores_them_and_stop_the_trial_where_not() -> None:
    found = summary({CHAMFER: 0.1, DEEPSDF: 0.1}, {CHAMFER: 3**0.5, DEEPSDF: None, "status": "empty"})
    assert value_of(found, CHAMFER) == pytest.approx((0.1 + 3**0.5) / 2)
    with pytest.raises(
        ShapesysError, match=r"1 of 2 reconstructions are empty, for which 'chamfer/deepsdf' defines no"
    ):
        value_of(found, DEEPSDF)


def test_shapes_without_a_symmetry_say_nothing_of_the_reconstruction() -> None:
    found = summary({SYMMETRY: 0.1}, {SYMMETRY: None, "status": "empty"}, {SYMMETRY: 0.3})
    assert value_of(found, SYMMETRY) == pytest.approx(0.2)


def test_a_metric_without_a_single_score_is_no_objective() -> None:
    with pytest.raises(ShapesysError, match="the mean of 'd_sym/min_max' is None: no shape has a score"):
        value_of(summary({CHAMFER: 0.1}), SYMMETRY)
    with pytest.raises(ShapesysError, match="has unknown metric 'chamfer/onet'; did you mean"):
        value_of(summary({CHAMFER: 0.1}), "chamfer/onet")
    with pytest.raises(ShapesysError, match="is inf"):
        value_of({"overall": {"counts": {"ok": 1}, "metrics": {CHAMFER: {"mean": float("inf")}}}}, CHAMFER)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (CHAMFER, "min"),
        ("hausdorff/unit_sphere", "min"),
        ("ssr/min_max", "min"),
        (SYMMETRY, "min"),
        ("fscore/le0.01:unit_cube", "max"),
        ("precision/le0.01:unit_cube", "max"),
        ("recall/le0.01:unit_cube", "max"),
        ("normal_consistency/onet", "max"),
        ("iou/uniform_box", "max"),
    ],
)
def test_directions(metric: str, expected: str) -> None:
    assert direction(metric) == expected


def test_every_metric_that_is_measured_has_a_direction() -> None:
    for name in metric_names(FAMILY, EvaluateConfig()):
        assert direction(name) in ("min", "max")


def test_what_has_no_direction_is_no_objective() -> None:
    with pytest.raises(UsageError, match="'cost/extract_seconds'"):
        direction("cost/extract_seconds")
    assert better_direction(CHAMFER, {"higher_is_better": True}) == 1
    assert better_direction(CHAMFER, {"higher_is_better": None}) == 0
    assert better_direction("ioux/uniform") == 0


def test_names() -> None:
    assert split_name(CHAMFER) == ("chamfer", "onet.chamfer_l1")
    assert split_name("iou") == ("iou", "")
    assert is_floor(f"{CHAMFER}/floor")
    assert not is_floor(CHAMFER)


def test_names_are_those_that_an_evaluation_gives() -> None:
    settings = EvaluateConfig(
        resolution=24, samples=500, saliency_points=50, chamfer=("sal", "tdgn"), fscore=(0.05,), fscore_strict=True,
        saliency_scaling="none",
    )  # fmt: skip
    objective = FAMILY.build(FAMILY.config(latent_dim=4, hidden=16, layers=3, skip_at=2), TrainingData(1))
    queries = {"points": np.zeros((200, 3), np.float32), "distance": np.zeros(200, np.float32)}
    observations = [Observation("ball/1", queries)]
    [prediction] = FAMILY.infer(objective, observations, FAMILY.inference(iterations=1, points=100), 0)
    measured = measure(prediction, ball(), settings)
    assert metric_names(FAMILY, settings) == [record.name for record in measured.records]
    carried = prediction.field.attributes(queries["points"])
    assert set(carried) == set(FAMILY.attributes(FAMILY.config())), "what the family declares"
    assert set(metric_names(FAMILY, settings)) >= {"chamfer/sal", "fscore/lt0.05:unit_cube", "ssr/none", "d_sym/none"}


def ball() -> Truth:
    mesh = extract(Sphere(), 24).mesh
    cloud = np.asarray(mesh.vertices[:50], np.float32)
    inside = (np.zeros((1, 3), np.float32), np.ones(1, bool))
    return Truth("ball", "val", mesh, Normalisation((0.0, 0.0, 0.0), 1.0), cloud, lambda: None, inside)


def plain_family() -> Family:
    return dataclasses.replace(FAMILY, attributes=lambda config: ())


def test_a_family_without_saliency_has_no_saliency_metrics() -> None:
    plain = metric_names(plain_family(), EvaluateConfig())
    assert plain == [name for name in metric_names(FAMILY, EvaluateConfig()) if not name.startswith(("ssr", "d_sym"))]
    assert CHAMFER in plain
    with pytest.raises(UsageError, match="unknown metric 'ssr/min_max'"):
        check_metric("ssr/min_max", plain_family(), EvaluateConfig())


def test_the_default_metric_is_the_first_that_is_measured() -> None:
    assert TuneConfig().metric == "auto"
    assert default_metric(FAMILY, EvaluateConfig()) == CHAMFER
    assert default_metric(FAMILY, EvaluateConfig(chamfer=("sal",))) == "chamfer/sal"


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("chamfer", "'chamfer' lacks its convention; choose one of: chamfer/onet.chamfer_l1, chamfer/onet.chamfer_l2,"),
        ("iou", "choose one of: iou/uniform_box$"),
        ("chamfer/onet.chamfer_l", "did you mean chamfer/onet.chamfer_l"),
        ("chamfer/convonet", "unknown metric 'chamfer/convonet'; did you mean"),
        ("chamfer/onet.chamfer_l1/floor", "unknown metric"),
        ("cost/extract_seconds", "unknown metric 'cost/extract_seconds'; known: chamfer/"),
    ],
)
def test_metrics_that_a_trial_would_not_have_are_refused(metric: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_metric(metric, FAMILY, EvaluateConfig())


def test_the_settings_decide_what_there_is() -> None:
    check_metric("chamfer/convonet", FAMILY, EvaluateConfig(chamfer=("convonet",)))
    with pytest.raises(UsageError, match="unknown metric"):
        check_metric(CHAMFER, FAMILY, EvaluateConfig(chamfer=("convonet",)))
    with pytest.raises(UsageError, match="unknown Chamfer convention 'convonett'; did you mean convonet"):
        check_metric(CHAMFER, FAMILY, EvaluateConfig(chamfer=("convonett",)))


def test_the_core_of_tuning_loads_neither_ray_nor_mlflow_nor_optuna() -> None:
    code = "import sys\nimport shapesys.tuning.proposer, shapesys.tuning.spaces, shapesys.tuning.config\n"
    code += "print(*sorted({'ray', 'mlflow', 'optuna', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []
