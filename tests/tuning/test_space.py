from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapesys.config.base import field_paths, parse, search_ranges
from shapesys.errors import UsageError
from shapesys.families import registry
from shapesys.training.config import job_type
from shapesys.tuning.field_rules import allowed, allows, kind_of
from shapesys.tuning.space import Knob, Space, check_space, grid, point_key, size, value_key

FIELDS = field_paths(job_type(registry.load("issn")))
CHOICES = st.lists(st.integers(-5, 5), min_size=1, max_size=5, unique=True)


def space(knobs: dict[str, Any], **more: Any) -> Space:
    found: Space = parse(Space, {"name": "s", "family": "issn", "knobs": knobs, **more})
    return found


def problem(knobs: dict[str, Any], **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        check_space(space(knobs, **more))
    return str(caught.value)


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ({}, "needs both low and high, or choices"),
        ({"low": 1.0}, "needs both low and high"),
        ({"low": 2.0, "high": 2.0}, "low = 2 is not below high = 2"),
        ({"low": 3.0, "high": 1.0}, "low = 3 is not below high = 1"),
        ({"low": 0.0, "high": 1.0, "log": True}, "log needs a low above 0, not 0"),
        ({"choices": []}, "choices is empty"),
        ({"choices": [1, 2, 1.0]}, "choices repeat 1.0"),
        ({"choices": ["a", "b", "a"]}, 'choices repeat "a"'),
        ({"choices": [[0.1, 0.2], [0.1, 0.2]]}, "choices repeat"),
        ({"choices": [1], "low": 0.0}, "choices stand alone"),
        ({"choices": [1], "log": True}, "choices stand alone"),
        ({"choices": [float("nan")]}, "JSON"),
        ({"low": "1", "high": 2.0}, "number"),
        ({"low": 0.0, "high": float("inf")}, "finite"),
        ({"low": True, "high": 2.0}, "number"),
    ],
)
def test_a_knob_that_contradicts_itself_is_refused(knob: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        space({"model.dropout": knob})
    assert "knobs.model.dropout" in str(caught.value)


def test_true_and_one_are_different_choices() -> None:
    assert Knob(choices=(True, 1)).choices == (True, 1)
    assert value_key(1) == value_key(1.0)


def test_a_space_has_knobs_that_are_not_fixed() -> None:
    with pytest.raises(UsageError, match="at least one knob"):
        space({})
    with pytest.raises(UsageError, match="model.hidden cannot be a knob and fixed at once"):
        space({"model.hidden": {"choices": [64]}}, fixed={"model.hidden": 128})


def test_every_declared_range_is_within_its_own_field() -> None:
    knobs = {
        path: {"choices": list(found.choices)}
        if found.choices
        else {"low": found.low, "high": found.high, "log": found.log}
        for path, found in search_ranges(job_type(registry.load("issn"))).items()
    }
    assert len(knobs) > 5
    check_space(space(knobs))


@pytest.mark.parametrize(
    ("path", "knob", "words"),
    [
        ("model.latent_dims", {"choices": [8]}, "did you mean model.latent_dim"),
        ("data.split", {"choices": ["train", "val"]}, "'data.split' is the same for all trials"),
        ("scale.num_workers", {"choices": [1, 2]}, "model., inference., train., data.store only"),
        ("schema_version", {"choices": [1]}, "'schema_version' is the same for all trials"),
        ("train.seed", {"choices": [0, 1]}, "'train.seed' cannot be searched: a sweep's 'seeds'"),
        ("train.epochs", {"choices": [5, 9]}, "'train.epochs' cannot be searched: trials are compared after equal"),
        ("model.dropout", {"low": 0, "high": 1}, "high 1.0 is not allowed: the setting is a number, at least 0, below"),
        ("model.dropout", {"low": -0.1, "high": 0.5}, "low -0.1 is not allowed"),
        ("train.learning_rate", {"low": 0, "high": 1}, "low 0.0 is not allowed: the setting is a number, above 0"),
        ("train.lr_factor", {"choices": [0.5, 1.5]}, "choice 1.5 is not allowed: the setting is a number, above 0, at"),
        ("model.latent_dim", {"low": 1.5, "high": 9}, "low 1.5 is not allowed: the setting is a whole number, at"),
        ("model.latent_dim", {"choices": [8, 0]}, "choice 0 is not allowed"),
        ("model.latent_dim", {"choices": ["8"]}, 'choice "8" is not allowed: the setting is a whole number'),
        ("model.latent_dim", {"choices": [True]}, "choice true is not allowed"),
        ("model.weight_norm", {"low": 0, "high": 1}, "a range needs a number, but the setting is true or false"),
        ("model.weight_norm", {"choices": ["yes"]}, 'choice "yes" is not allowed: the setting is true or false'),
        ("train.precision", {"low": 0, "high": 1}, "but the setting is one of 'float32', 'bfloat16'; give choices"),
        ("train.precision", {"choices": ["float16"]}, "is not allowed: the setting is one of 'float32', 'bfloat16'"),
        ("inference.cloud_stds", {"choices": [[0.1], 0.1]}, "choice 0.1 is not allowed: the setting is a value of"),
    ],
)
def test_a_knob_that_does_not_fit_its_setting_is_explained(path: str, knob: dict[str, Any], words: str) -> None:
    message = problem({path: knob})
    assert words in message
    assert path in message


def test_every_problem_has_its_line() -> None:
    knobs = {"model.dropout": {"low": -1, "high": 2}, "model.hiden": {"choices": [1]}}
    lines = problem(knobs, fixed={"train.seed": 1, "train.epochs": 0}).splitlines()
    assert len(lines) == 5
    assert "fixed 'train.epochs' = 0 is not allowed: the setting is a whole number, at least 1" in lines


def test_what_may_vary_is_accepted() -> None:
    knobs = {
        "model.weight_norm": {"choices": [True, False]},
        "train.precision": {"choices": ["float32", "bfloat16"]},
        "inference.cloud_stds": {"choices": [[0.1, 0.2], [0.3]]},
        "train.gradient_clip": {"low": 0, "high": 1},
        "model.latent_dim": {"low": 1, "high": 8},
    }
    check_space(space(knobs, fixed={"train.epochs": 5, "train.learning_rate": 1}))


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_value_is_allowed_where_the_job_takes_it(value: float) -> None:
    assert allows(FIELDS["model.dropout"], value) == (0 <= value < 1)
    assert allows(FIELDS["train.learning_rate"], value) == (value > 0)
    assert not allows(FIELDS["model.hidden"], value + 0.5 if value.is_integer() and abs(value) < 1e6 else 0.5)


def test_kinds_of_fields() -> None:
    kinds = {path: kind_of(FIELDS[path]) for path in ("model.hidden", "model.dropout", "model.weight_norm")}
    assert kinds == {"model.hidden": "whole", "model.dropout": "number", "model.weight_norm": "switch"}
    assert kind_of(FIELDS["model.clamp_gradient"]) == "names"
    assert kind_of(FIELDS["inference.cloud_stds"]) == "other"
    assert allowed(FIELDS["train.seed"]) == f"a whole number, at least 0, below {2**31}"


@settings(deadline=None)
@given(CHOICES, CHOICES, CHOICES)
def test_the_grid_is_every_combination_once_and_the_last_knob_varies_fastest(
    a: list[int], b: list[int], c: list[int]
) -> None:
    found = space({"model.b": {"choices": b}, "train.c": {"choices": c}, "model.a": {"choices": a}})
    points = grid(found)
    assert len(points) == size(found) == len({point_key(point) for point in points})
    assert list(points[0]) == ["model.a", "model.b", "train.c"]
    assert [tuple(point.values()) for point in points] == [(x, y, z) for x in a for y in b for z in c]


def test_a_range_has_no_grid() -> None:
    found = space({"model.dropout": {"low": 0, "high": 0.5}, "model.hidden": {"choices": [64]}})
    with pytest.raises(UsageError, match="no grid, because model.dropout can be anything in a range; give choices"):
        grid(found)


def test_sizes() -> None:
    assert size(space({"model.latent_dim": {"low": 3, "high": 7}, "model.hidden": {"choices": [64, 32]}})) == 10
    assert size(space({"model.dropout": {"low": 0, "high": 0.5}})) is None


def test_a_stored_space_is_the_same_space() -> None:
    knobs = {"train.lr_factor": {"choices": [1, 0.5]}, "inference.cloud_stds": {"choices": [[0.1], [0.2, 0.1]]}}
    found = space(knobs, fixed={"train.epochs": 3})
    stored = parse(Space, json.loads(json.dumps(found.model_dump(mode="json"), sort_keys=True)))
    assert stored == found
    assert grid(stored) == grid(found)
    assert json.loads(json.dumps(grid(found))) == grid(found)
