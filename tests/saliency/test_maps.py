"""Maps by each method are what its parts say of the stored points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.families.base import FieldPrediction
from shapesys.geometry.surface_variation import surface_variation
from shapesys.saliency import maps
from shapesys.saliency.config import MapSettings
from shapesys.saliency.maps import field_maps, geometry_maps, gradient_maps, stored_points
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.run_dir import RunDirectory

SETTINGS = MapSettings(points=64, neighbours=5, observed_queries=512)
CPU = torch.device("cpu")


def test_geometry_is_the_variation_of_a_prefix_of_the_cloud(store: Store) -> None:
    names = store.shape_ids()
    found = geometry_maps(store, names, SETTINGS).values
    assert list(found) == names
    cloud = store.read("cloud", [names[3]], ["points"])["points"][0]
    np.testing.assert_array_equal(found[names[3]], surface_variation(cloud[:64], 5))


@pytest.mark.parametrize("split", ["train", "test"])
def test_fields_answer_at_the_stored_points(store: Store, network: RunDirectory, split: str) -> None:
    names = store.shape_ids(split)
    found = field_maps(network, store, names, SETTINGS, CPU).values
    assert sorted(found) == names
    settings = EvaluateConfig(observed_queries=512, seed=SETTINGS.seed)
    for prediction in Evaluator.open(chosen_of(network), store.url, settings, None, CPU).predict(names):
        assert isinstance(prediction, FieldPrediction)
        points = stored_points(store, [prediction.shape_id], 64)[0]
        expected = prediction.field.attributes(points)["saliency"]
        np.testing.assert_array_equal(found[prediction.shape_id], expected)
        assert found[prediction.shape_id].dtype == np.float32


def test_a_classifier_stands_by_the_category_that_it_is_told(store: Store, classifier: RunDirectory) -> None:
    names = store.shape_ids("test")
    true = {name: name.partition("/")[0] for name in names}
    found = gradient_maps(classifier, store, names, SETTINGS, CPU).values
    told = gradient_maps(classifier, store, names, SETTINGS, CPU, true).values
    other = gradient_maps(classifier, store, names, SETTINGS, CPU, true | {names[0]: "mug"}).values
    for name in names:
        np.testing.assert_array_equal(told[name], found[name])
        assert np.array_equal(other[name], found[name]) == (name != names[0])


def test_maps_are_those_of_each_shape_however_many_are_made_together(
    store: Store, network: RunDirectory, classifier: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = store.shape_ids("train")

    def by_both() -> list[dict[str, np.ndarray]]:
        return [
            make(run, store, names, SETTINGS, CPU).values
            for make, run in ((field_maps, network), (gradient_maps, classifier))
        ]

    together = by_both()
    monkeypatch.setattr(maps, "SHAPES_AT_ONCE", 3)
    for one, other in zip(together, by_both(), strict=True):
        assert list(one) == list(other) == names
        for name in names:
            np.testing.assert_allclose(other[name], one[name], rtol=1e-4, atol=1e-7)


def test_a_category_or_a_run_that_does_not_fit_is_refused(
    store: Store, network: RunDirectory, classifier: RunDirectory
) -> None:
    names = store.shape_ids("test")
    with pytest.raises(UsageError, match="run 'issn' is of family 'issn', which classifies no clouds"):
        gradient_maps(network, store, names, SETTINGS, CPU)
    with pytest.raises(UsageError, match="'pointnet' predicts no saliency; issn, issn_csl, and sal"):
        field_maps(classifier, store, names, SETTINGS, CPU)
    with pytest.raises(UsageError, match="unknown setting 'iterationz'"):
        field_maps(network, store, names, SETTINGS.override({"inference": {"iterationz": 3}}), CPU)
    with pytest.raises(ShapesysError, match="lamp"):
        gradient_maps(classifier, store, names, SETTINGS, CPU, dict.fromkeys(names, "lamp"))


def test_clouds_that_are_too_small_are_named(store: Store) -> None:
    name = store.shape_ids()[0]
    with pytest.raises(ShapesysError, match=f"saliency of 97 points was asked for, but the cloud of '{name}' has 96"):
        stored_points(store, [name], 97)
    assert stored_points(store, [name], 96).shape == (1, 96, 3)
    assert stored_points(store, [], 5).shape == (0, 5, 3)


def test_a_shape_that_cannot_be_observed_is_without_a_map_and_the_others_have_theirs(
    store: Store, network: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = store.shape_ids("test")
    whole = field_maps(network, store, names, SETTINGS, CPU)
    lacking, read = names[1], Store.read_chunk

    def without_signs(self: Store, view: str, chunk: int, shape_ids: Sequence[str], columns: Any) -> Any:
        if lacking in shape_ids:
            raise ShapesysError(f"'{lacking}' has no view '{view}'")
        return read(self, view, chunk, shape_ids, columns)

    monkeypatch.setattr(Store, "read_chunk", without_signs)
    found = field_maps(network, store, names, SETTINGS, CPU)
    assert found.failed == {lacking: f"'{lacking}' has no view 'sdf'"}
    assert sorted(found.values) == [name for name in names if name != lacking]
    for name, values in found.values.items():
        np.testing.assert_allclose(values, whole.values[name], rtol=1e-4, atol=1e-7)
    with pytest.raises(ShapesysError, match="has no view 'sdf'"):
        field_maps(network, store, [lacking], SETTINGS, CPU)


def test_a_cloud_that_is_too_small_costs_its_own_map_alone(
    store: Store, network: RunDirectory, classifier: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = store.shape_ids("test")
    small, read = names[2], Store.read

    def shortened(self: Store, view: str, shape_ids: Sequence[str], columns: Sequence[str]) -> Any:
        found = read(self, view, shape_ids, columns)
        return {"points": [found["points"][0][:50]]} if list(shape_ids) == [small] and view == "cloud" else found

    monkeypatch.setattr(Store, "read", shortened)
    for made in (
        geometry_maps(store, names, SETTINGS),
        gradient_maps(classifier, store, names, SETTINGS, CPU),
        field_maps(network, store, names, SETTINGS, CPU),
    ):
        assert sorted(made.values) == [name for name in names if name != small]
        assert list(made.failed) == [small]
        assert "has 50" in made.failed[small]
