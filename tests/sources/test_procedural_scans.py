"""Scans of generated shapes: the shapes of the source `procedural`, seen under named conditions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import trimesh

from shapesys.cli.main import run
from shapesys.errors import UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import unit_sphere
from shapesys.geometry.scan import Scan
from shapesys.geometry.scanner_settings import CONDITIONS, ScannerSettings
from shapesys.sources.base import Source
from shapesys.sources.procedural import generate
from shapesys.sources.procedural_scans import Condition, ProceduralScanSettings
from shapesys.sources.registry import build_source, source_class

MUGS = {"categories": ["mug"], "count": 10, "seed": 7}


def scans(**settings: Any) -> Source:
    return build_source("procedural_scans", {**MUGS, "scanner.points": 500, **settings})


def loaded(source: Source) -> Scan:
    found = source.load(source.shapes()[0])
    assert isinstance(found, Scan)
    return found


def points_of(source: Source) -> np.ndarray:
    observed = loaded(source).observed
    assert isinstance(observed, Cloud)
    return observed.points


def off_the_truth(source: Source) -> np.ndarray:
    """(n,) distances of the points from the clean shape, in its radii."""
    truth = loaded(source).truth
    surface = trimesh.Trimesh(truth.vertices, truth.faces)
    return trimesh.proximity.closest_point(surface, points_of(source))[1] / unit_sphere(truth, 1.0).scale


def test_shapes_splits_and_truth_are_those_of_the_shapes_unscanned() -> None:
    source, plain = scans(), build_source("procedural", MUGS)
    assert [(ref.id, ref.split) for ref in source.shapes()] == [(ref.id, ref.split) for ref in plain.shapes()]
    assert {ref.source for ref in source.shapes()} == {"procedural_scans"}
    assert source.gives is Scan
    assert isinstance(loaded(source).truth, Mesh)
    np.testing.assert_array_equal(loaded(source).truth.vertices, generate("mug", 7).vertices)
    assert source.symmetry_plane(source.shapes()[0]) == (1.0, 0.0, 0.0, 0.0)
    assert source.part_names("mug") == plain.part_names("mug")


def test_scans_lie_on_the_truth_unless_the_condition_says_otherwise() -> None:
    assert off_the_truth(scans()).max() < 1e-5
    noise = off_the_truth(scans(condition="noisy"))
    assert 0.001 < np.median(noise) < 0.01
    stray = off_the_truth(scans(condition="outliers"))
    assert (stray > 1e-5).sum() == pytest.approx(50, abs=3), "a tenth, some of which are repeated"
    assert off_the_truth(scans(condition="holes")).max() < 1e-5


def test_a_setting_that_is_given_wins_over_the_condition() -> None:
    assert set(Condition.__args__) == set(CONDITIONS)
    sparse = build_source("procedural_scans", {**MUGS, "condition": "sparse"})
    assert len(points_of(sparse)) == CONDITIONS["sparse"]["points"]
    assert len(points_of(scans(condition="sparse"))) == 500
    assert len(points_of(build_source("procedural_scans", {**MUGS, "scanner": {"points": 70}}))) == 70
    given = ProceduralScanSettings(condition="noisy", scanner=ScannerSettings(points=9))
    assert given.scanner.range_std == 0.0, "a scanner that is given whole has no open settings"


def test_recorded_settings_give_the_same_scans_again() -> None:
    source = scans(condition="noisy")
    recorded = source.settings.model_dump(mode="json")
    again = build_source("procedural_scans", recorded)
    np.testing.assert_array_equal(points_of(again), points_of(source))
    np.testing.assert_array_equal(points_of(pickle.loads(pickle.dumps(source))), points_of(source))


def test_every_shape_is_scanned_by_other_draws() -> None:
    """Draws for outliers depend on the shape in little but their place, so a shared seed would show there."""
    source = scans(**{"scanner.outliers": 0.5})
    first, second = (source.load(ref).observed.normals for ref in source.shapes()[:2])
    assert (np.abs(np.einsum("ij,ij->i", first, second)) > 0.999).mean() < 0.02
    assert len({source.digest(ref) for ref in source.shapes()}) == 10
    twins = scans(twins=True)
    assert len({twins.digest(ref) for ref in twins.shapes()}) == 20


def test_the_digest_covers_all_that_determines_a_scan() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"scan_seed": 1}, {"condition": "noisy"}, {"scanner.points": 501}, {"scanner.falloff": 0.5},
        {"scanner.normals": False}, {"seed": 8},
    ]  # fmt: skip
    digests = [source.digest(source.shapes()[0]) for source in (scans(**change) for change in changes)]
    assert len(set(digests)) == len(changes)
    more = scans(count=11)
    assert more.digest(more.shapes()[0]) == digests[0]
    same = scans(condition="noisy", **{f"scanner.{name}": 0.0 for name in ("range_std", "isotropic_std")})
    assert same.digest(same.shapes()[0]) == digests[0], "what results counts, not how it was asked for"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"condition": "nosy"}, "condition.*'clean'"),
        ({"scanner.pionts": 3}, "did you mean scanner.points"),
        ({"scanner.points": 0}, "scanner.points"),
        ({"scanner": 3}, "setting 'scanner'"),
        ({"val_fraction": 0.9, "test_fraction": 0.9}, "exceed 1"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_source("procedural_scans", {**MUGS, **settings})


def test_the_scanner_has_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert source_class("procedural_scans").gives is Scan
    asked = ["prepare", "--source", "procedural_scans", "--store", "unused", "--condition", "noisy", "--dry-run"]
    assert run([*asked, "--scanner.points", "90", "--count", "3", "--categories", "mug"]) == 0
    assert "3 shapes" in capsys.readouterr().out
    assert run([*asked, "--scanner.outliers", "1"]) == 2
    assert "scanner.outliers" in capsys.readouterr().err
