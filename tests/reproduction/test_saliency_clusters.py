"""Shapes laid out by their most salient points, the distances measured in parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from saliency_support import ISSN, PCA, asked, performed, recipe_of

from shapesys.errors import ShapesysError
from shapesys.metrics.point_sets import hausdorff_matrix
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import Clusters, MapVariant
from shapesys.reproduction.saliency_clusters import ClusterExperiment, DistancesExperiment
from shapesys.reproduction.saliency_experiments import maps_of
from shapesys.reproduction.saliency_files import read_maps
from shapesys.saliency.cluster import clusters_of_distances, salient_set
from shapesys.saliency.maps import stored_points
from shapesys.samples.store import Store

pytest.importorskip("sklearn")

APART = MapVariant("far apart", key="apart", kind=None)


def clusters(*variants: MapVariant, **more: int) -> Clusters:
    sizes = {"count": 5, "parts": 3, "block": 1} | more
    measures = {"distances": "silhouette/hausdorff", "plane": "silhouette/embedded"}
    return recipe_of(Clusters, "test.clusters", variants or (ISSN,), measures, **sizes)


def phases_of(recipe: Clusters, request: Request) -> tuple[list[DistancesExperiment], list[ClusterExperiment]]:
    """The phases after making."""
    _, distances, laying_out = recipe.phases(request)
    assert all(isinstance(one, DistancesExperiment) for one in distances)
    assert all(isinstance(one, ClusterExperiment) for one in laying_out)
    return distances, laying_out  # type: ignore[return-value]


def test_every_variant_and_seed_has_its_parts() -> None:
    distances, laying_out = phases_of(clusters(PCA, ISSN), asked("store", "root", (0, 1)))
    names = [f"distances-{key}-s{seed}-{part}" for seed in (0, 1) for key in ("pca", "issn") for part in range(3)]
    assert [one.name for one in distances] == names
    assert [one.name for one in laying_out] == [f"clusters-{key}-s{seed}" for seed in (0, 1) for key in ("pca", "issn")]


@pytest.mark.parametrize(("parts", "block"), [(1, 32), (3, 1), (7, 3), (12, 1)])
def test_any_number_of_parts_makes_the_same_matrix_bit_by_bit(made: Request, parts: int, block: int) -> None:
    distances, [laying_out] = phases_of(clusters(parts=parts, block=block), made)
    performed([*distances])
    store = Store.open(made.store)
    matrix = laying_out.matrix(store)
    sets = distances[0].compared.sets(store)
    pairwise = np.linalg.norm(sets[:, None, :, None] - sets[None, :, None, :], axis=-1)
    expected = np.maximum(pairwise.min(axis=3).max(axis=2), pairwise.min(axis=2).max(axis=2))
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    assert len(matrix) == len(store.shape_ids("test"))
    whole_distances, [whole] = phases_of(clusters(parts=1, block=100), made)
    performed([*whole_distances])
    np.testing.assert_array_equal(whole.matrix(store), matrix)


def test_the_layout_is_that_of_the_sets(made: Request) -> None:
    recipe = clusters(ISSN)
    distances, laying_out = phases_of(recipe, made)
    performed([*distances])
    [finding] = performed([*laying_out])
    store = Store.open(made.store)
    names = store.shape_ids("test")
    maps = read_maps(maps_of(recipe, made, ISSN, 0), "ISSN")
    sets = np.stack([salient_set(stored_points(store, [name], 64)[0], maps.of(name), 5) for name in names])
    categories = [name.split("/")[0] for name in names]
    expected = clusters_of_distances(hausdorff_matrix(sets), categories, seed=0)
    assert finding.summary["whole_set"]["silhouette/hausdorff"]["value"] == expected.silhouette
    assert finding.summary["whole_set"]["silhouette/embedded"]["value"] == expected.silhouette_drawn
    assert finding.scatter is not None
    assert finding.scatter.title == f"silhouette {expected.silhouette:.2f}"
    assert finding.scatter.categories == categories
    np.testing.assert_array_equal(finding.scatter.points, expected.positions)


def test_without_a_method_the_first_points_are_compared(made: Request) -> None:
    distances, _ = phases_of(clusters(APART), made)
    store = Store.open(made.store)
    names = store.shape_ids("test")
    np.testing.assert_array_equal(distances[0].compared.sets(store), stored_points(store, names, 5))


def test_distances_are_measured_again_where_maps_changed(made: Request) -> None:
    distances, [laying_out] = phases_of(clusters(PCA), made)
    performed([*distances])
    times = [one.kept.path.stat().st_mtime_ns for one in distances]
    performed([*distances])
    assert [one.kept.path.stat().st_mtime_ns for one in distances] == times
    path = Path(made.root) / "pca" / "maps-test.parquet"
    maps = read_maps((str(path),), "PCA")
    replace(maps, values={name: -values for name, values in maps.values.items()}).write(path)
    performed([*distances])
    assert all(one.kept.path.stat().st_mtime_ns > before for one, before in zip(distances, times, strict=True))
    assert laying_out.perform()


def test_distances_of_an_earlier_experiment_do_not_pass_for_those_of_one_that_failed(made: Request) -> None:
    distances, [laying_out] = phases_of(clusters(PCA), made)
    performed([*distances])
    with pytest.raises(ShapesysError, match="the map covers 64"):
        replace(distances[1], compared=replace(distances[1].compared, count=65)).perform()
    with pytest.raises(ShapesysError, match="no distances of distances-pca-s0-1, whose experiment failed"):
        laying_out.perform()


def test_shapes_without_a_map_are_left_out_and_counted(made: Request) -> None:
    distances, [laying_out] = phases_of(clusters(PCA), made)
    performed([*distances])
    path = Path(made.root) / "pca" / "maps-test.parquet"
    maps = read_maps((str(path),), "PCA")
    lost = next(name for name in maps.values if name.startswith("mug"))
    values = {name: found for name, found in maps.values.items() if name != lost}
    replace(maps, values=values, failed={lost: "not finite"}).write(path)
    performed([*distances])
    assert lost not in distances[0].compared.shape_ids(Store.open(made.store))
    matrix = laying_out.matrix(Store.open(made.store))
    assert matrix.shape == (len(values), len(values))
    assert laying_out.parts[0].compared.left_out(Store.open(made.store)) == 1


def test_a_map_of_too_few_points_is_refused(made: Request) -> None:
    distances, _ = phases_of(clusters(PCA, count=65), made)
    with pytest.raises(ShapesysError, match="the 65 most salient points were asked for, but the map covers 64"):
        distances[0].perform()
