"""Where mirror planes come from, and how they are put into words."""

from __future__ import annotations

from gc import collect
from pathlib import Path
from weakref import ref

import numpy as np
import pytest

from shapesys.evaluation import planes
from shapesys.evaluation.config import PlaneSearch, SymmetryPlane
from shapesys.evaluation.planes import CategoryPlane, category_plane, equation, found_plane, planes_of, stored_plane
from shapesys.geometry.plane import Plane
from shapesys.geometry.symmetry import FoundPlane
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source


@pytest.fixture
def store(saliency_store: str) -> Store:
    return Store.open(saliency_store)


@pytest.mark.parametrize("choice", ["stored", "auto"])
def test_a_source_that_knows_its_planes_is_believed(store: Store, choice: SymmetryPlane) -> None:
    found = planes_of(store, ["chair"], PlaneSearch(choice))
    assert found.categories == {"chair": CategoryPlane("stored")}
    rows = store.shapes(categories=["chair"], columns=("symmetry_plane",)).to_pylist()
    assert {row["shape_id"]: stored_plane(row["symmetry_plane"]) for row in rows} == dict(found.shapes)
    assert None not in found.shapes.values()


def test_one_plane_is_found_for_a_category_from_training_shapes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def searched(_: Store, shape_ids: list[str], within: float, split: str) -> CategoryPlane:
        seen.extend(shape_ids)
        assert (within, split) == (0.1, "train")
        return CategoryPlane("found", Plane((1.0, 0.0, 0.0), 0.25), 0.75)

    monkeypatch.setattr(planes, "found_plane", searched)
    found = planes_of(store, ["mug"], PlaneSearch("found"))
    assert seen == store.shape_ids("train", ["mug"])
    assert set(found.shapes.values()) == {Plane((1.0, 0.0, 0.0), 0.25)}
    assert found.categories["mug"].in_words() == "found: x = 0.25, mirrors 75 % of the shapes"


def test_the_found_plane_mirrors_the_shapes(store: Store) -> None:
    names = store.shape_ids("train", ["chair"])
    found = found_plane(store, names)
    assert found.origin == "found"
    assert found.plane is not None
    [row] = store.shapes(categories=["chair"], columns=("symmetry_plane",)).to_pylist()[:1]
    assert abs(np.dot(found.plane.normal, row["symmetry_plane"][:3])) > 0.99


def test_every_shape_may_have_a_plane_of_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(clouds: list[np.ndarray], within: float) -> FoundPlane:
        [cloud] = clouds
        plane = Plane((1.0, 0.0, 0.0), float(cloud[0, 0]))
        return FoundPlane(plane.normal, plane.offset, 0.0, (0.0,), 1.0, plane, 0.0)

    monkeypatch.setattr(planes, "find_mirror_plane", searched)
    found = planes_of(store, ["chair"], PlaneSearch("each"))
    assert found.categories["chair"] == CategoryPlane("each")
    for name in store.shape_ids(categories=["chair"]):
        first = store.read("cloud", [name], ["points"])["points"][0][0]
        assert found.shapes[name] == Plane((1.0, 0.0, 0.0), float(first[0]))


def test_a_plane_may_be_named_or_left_out(store: Store) -> None:
    named = planes_of(store, ["chair", "mug"], PlaneSearch("z"))
    assert set(named.shapes.values()) == {Plane((0.0, 0.0, 1.0))}
    assert named.categories["mug"].in_words() == "named: z = 0"
    left_out = planes_of(store, ["chair"], PlaneSearch("none"))
    assert set(left_out.shapes.values()) == {None}
    assert left_out.categories["chair"].in_words() == "none"


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (Plane((1.0, 0.0, 0.0), 0.012), "x = 0.012"),
        (Plane((0.6, 0.0, 0.8), 0.5), "0.6 x + 0.8 z = 0.5"),
        (Plane((0.6, 0.0, -0.8), -0.5), "0.6 x - 0.8 z = -0.5"),
        (Plane((0.0, -1.0, 0.0), 0.5), "-y = 0.5"),
        (Plane((0.1, float(np.sqrt(0.99)), 0.0), 0.0), "0.1 x + 0.995 y = 0"),
        (Plane((0.11, float(np.sqrt(1 - 0.11**2)), 0.0), 0.0), "0.11 x + 0.994 y = 0"),
    ],
)
def test_equations_read_as_one_writes_them(plane: Plane, words: str) -> None:
    assert equation(plane) == words


def test_without_training_shapes_the_words_say_where_a_plane_was_found(tmp_path: Path) -> None:
    source = build_source("procedural", {"categories": ("mug",), "count": 3, "val_fraction": 0.0, "test_fraction": 1.0})
    settings = PrepareConfig(views=("cloud",), cloud=CloudConfig(points=512))
    prepare_locally(source, str(tmp_path / "tests"), settings, isolate=False)
    tests = Store.open(str(tmp_path / "tests"))
    known = planes_of(tests, ["mug"], PlaneSearch("found")).categories["mug"]
    assert known.in_words().endswith("of the shapes of split test, for lack of training shapes")


def test_the_threshold_of_symmetry_reaches_the_search(store: Store) -> None:
    shares = [
        planes_of(store, ["chair"], PlaneSearch("found", within)).categories["chair"].symmetric_share
        for within in (1e-4, 0.5)
    ]
    assert shares == [0.0, 1.0]


def test_a_search_is_remembered_while_its_store_is_and_no_longer(saliency_store: str) -> None:
    opened = Store.open(saliency_store)
    category_plane(opened, "chair", PlaneSearch("found"))
    assert opened in planes._KNOWN
    gone = ref(opened)
    del opened
    collect()
    assert gone() is None


def test_shapes_of_other_splits_are_not_searched(store: Store) -> None:
    assert set(planes_of(store, ["chair"], PlaneSearch("each"), "test").shapes) == set(
        store.shape_ids("test", ["chair"])
    )
