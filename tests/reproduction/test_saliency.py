"""Recipes about saliency maps: what they plan, and that maps are made where they have to be and nowhere else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from saliency_support import (
    CATEGORIES,
    ISSN,
    PCA,
    PCSM,
    POINTS,
    another_code,
    asked,
    every_split,
    performed,
    table_of_maps,
)

from shapesys.errors import ShapesysError
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency_experiments import maps_of
from shapesys.reproduction.saliency_files import CATEGORIES as CATEGORIES_FILE
from shapesys.reproduction.saliency_files import read_maps
from shapesys.saliency.predicted import read_categories
from shapesys.samples.saliency_maps import read_saliency_maps
from shapesys.samples.store import Store

MAKERS = ["pca", "pcsm-s0", "issn-chair-s0", "issn-mug-s0"]


def files(root: str) -> dict[str, int]:
    """Experiment -> when its maps of test shapes were written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in Path(root).glob("*/maps-test.parquet")}


def test_maps_come_first_a_network_per_category_and_geometry_once_for_all_seeds() -> None:
    making, measuring = table_of_maps().phases(asked("store", "root", (0, 1)))
    assert [one.name for one in making] == [*MAKERS, "pcsm-s1", "issn-chair-s1", "issn-mug-s1"]
    assert [one.name for one in measuring] == [
        f"measure-{key}-s{seed}" for seed in (0, 1) for key in ("pca", "pcsm", "issn")
    ]
    assert len({one.name for one in (*making, *measuring)}) == len(making) + len(measuring)


def test_makers_are_the_same_whichever_recipe_asks() -> None:
    request = asked("store", "root")
    ours = table_of_maps("test.one").phases(request)[0]
    others = table_of_maps("test.other", (ISSN, PCSM, PCA)).phases(request)[0]
    assert {one.name: one for one in ours} == {one.name: one for one in others}


def test_a_recipe_may_measure_some_of_its_categories() -> None:
    recipe = dataclasses.replace(table_of_maps(), measured={"tiny": ("mug",)})
    making, measuring = recipe.phases(asked("store", "root"))
    assert [one.name for one in making] == ["pca", "pcsm-s0", "issn-mug-s0"]
    assert {one.categories for one in measuring} == {("mug",)}  # type: ignore[attr-defined]


def test_every_shape_that_is_measured_has_a_map_by_every_method(made: Request) -> None:
    shapes = Store.open(made.store).shape_ids("test")
    recipe = table_of_maps()
    for variant in (PCA, PCSM, ISSN):
        maps = read_maps(maps_of(recipe, made, variant, 0), variant.label)
        assert (sorted(maps.values), maps.method) == (shapes, variant.label)
        assert {len(values) for values in maps.values.values()} == {POINTS}
        assert all(np.ptp(values) > 0 for values in maps.values.values())
    told = read_categories(Path(made.root) / "pcsm-s0" / CATEGORIES_FILE)
    assert sorted(told) == Store.open(made.store).shape_ids("test")
    assert set(told.values()) <= set(CATEGORIES)


def test_maps_that_are_there_are_not_made_again(made: Request) -> None:
    before = files(made.root)
    assert sorted(before) == sorted(MAKERS)
    assert {one.name: one.was_done() for one in table_of_maps().phases(made)[0]} == dict.fromkeys(MAKERS, True)
    performed(table_of_maps().phases(made)[0])
    assert files(made.root) == before


def test_maps_of_shapes_that_no_measure_asks_for_are_not_made(saliency_store: str, tmp_path: Path) -> None:
    request = asked(saliency_store, str(tmp_path))
    performed(table_of_maps(variants=(PCA,)).phases(request)[0])
    [test] = (tmp_path / "pca").glob("*.parquet")
    assert sorted(read_saliency_maps(test).values) == Store.open(saliency_store).shape_ids("test")
    [every] = [one for one in every_split(request) if one.name == "pca"]
    before = files(request.root)
    assert not every.was_done()
    every.perform()
    assert every.was_done()
    assert files(request.root) == before
    train = read_saliency_maps(tmp_path / "pca" / "maps-train.parquet")
    assert sorted(train.values) == Store.open(saliency_store).shape_ids("train")


def test_other_settings_make_maps_again_by_the_same_networks(made: Request) -> None:
    before = files(made.root)
    fewer = dataclasses.replace(table_of_maps(), map_settings={"points": 32, "neighbours": 5, "observed_queries": 512})
    performed(fewer.phases(made)[0])
    assert all(when > before[name] for name, when in files(made.root).items())
    for name in MAKERS:
        maps = read_saliency_maps(Path(made.root) / name / "maps-test.parquet")
        assert {len(values) for values in maps.values.values()} == {32}
    assert [len(list(Path(made.root).glob(f"{name}/checkpoints/*"))) for name in ("pointnet-s0", "issn-mug-s0")] == [
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"neighbours": 6}, ["pca"]),
        ({"alpha": 6.0}, ["pcsm-s0"]),
        ({"seed": 1}, ["issn-chair-s0", "issn-mug-s0"]),
    ],
)
def test_a_setting_makes_those_maps_again_that_depend_on_it(
    made: Request, changes: dict[str, float], again: list[str]
) -> None:
    before, recipe = files(made.root), table_of_maps()
    performed(dataclasses.replace(recipe, map_settings={**recipe.map_settings, **changes}).phases(made)[0])
    assert sorted(name for name, when in files(made.root).items() if when > before[name]) == again


def test_other_weights_of_the_same_step_make_the_maps_of_their_category_again(made: Request) -> None:
    before = files(made.root)
    another_code(Path(made.root) / "issn-mug-s0")
    performed(table_of_maps().phases(made)[0])
    assert [name for name, when in files(made.root).items() if when > before[name]] == ["issn-mug-s0"]


def test_maps_of_another_store_are_made_again(made: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "digest", lambda self: "another")
    before = files(made.root)
    performed(table_of_maps(variants=(PCA,)).phases(made)[0])
    assert read_saliency_maps(Path(made.root) / "pca" / "maps-test.parquet").store_digest == "another"
    assert files(made.root)["pca"] > before["pca"]


def test_missing_maps_name_the_experiment_that_failed(made: Request) -> None:
    (Path(made.root) / "issn-mug-s0" / "maps-test.parquet").unlink()
    measuring = {one.name: one for one in table_of_maps().phases(made)[1]}
    with pytest.raises(ShapesysError, match="no maps by ISSN of issn-mug-s0, whose experiment failed"):
        measuring["measure-issn-s0"].perform()
    assert measuring["measure-pca-s0"].perform()


def test_maps_of_an_earlier_experiment_do_not_pass_for_those_of_one_that_failed(made: Request) -> None:
    recipe = table_of_maps()
    other = dataclasses.replace(made, changes={"train.epochs": 3})
    refused = next(one for one in recipe.phases(other)[0] if one.name == "issn-mug-s0")
    told = r"exists with other settings(.|\n)*choose another --run, or --folder of a reproduction"
    with pytest.raises(ShapesysError, match=told):
        refused.perform()
    with pytest.raises(ShapesysError, match="there are no maps by ISSN of issn-mug-s0, whose experiment failed"):
        read_maps(maps_of(recipe, made, ISSN, 0), "ISSN")
    performed([one for one in recipe.phases(made)[0] if one.name == "issn-mug-s0"])
    assert read_maps(maps_of(recipe, made, ISSN, 0), "ISSN").values


def test_a_table_measures_test_shapes_and_draws_maps_and_planes(made: Request) -> None:
    findings = performed(table_of_maps().phases(made)[1])
    assert [finding.variant for finding in findings] == ["PCA", "PCSM", "ISSN"]
    for finding in findings:
        ssr = finding.summary["overall"]["metrics"]["ssr/min_max"]
        assert ssr["count"] == 4
        assert 0 <= ssr["min"] <= ssr["mean"] <= ssr["max"] <= 1
        assert [picture.column[0] for picture in finding.pictures if not picture.group] == ["chair", "mug"]
        assert all(Path(picture.path).is_file() for picture in finding.pictures)
    planes = [[one.caption for one in finding.pictures if one.group] for finding in findings]
    assert [len(captions) for captions in planes] == [2, 0, 0]
    assert all(": stored" in caption for caption in planes[0])
