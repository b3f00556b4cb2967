"""Reconstructed surfaces, cut in two: what is kept, measured and shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from saliency_support import ISSN, asked, performed, recipe_of

from shapesys.errors import ShapesysError
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.extraction import extract
from shapesys.geometry.io import read_mesh
from shapesys.geometry.write import write_mesh
from shapesys.reproduction import saliency_parts
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import CutVariant, SalientParts
from shapesys.reproduction.saliency_parts import SurfaceExperiment
from shapesys.training.run_dir import write_json

MEASURES = {name: f"parts/{name}" for name in ("extracted", "cut", "salient_area", "salient_mean", "specific_mean")}
SHAPES = ["chair/chair-00000001", "mug/mug-00000000"]


def salient_parts() -> SalientParts:
    network = {one.name: getattr(ISSN, one.name) for one in dataclasses.fields(ISSN)}
    cuts = (
        CutVariant(**network | {"label": "by value"}, cut_at=0.25, cut_by="saliency"),
        CutVariant(**network | {"label": "by area"}, cut_at=0.75, cut_by="area"),
    )
    return recipe_of(SalientParts, "test.parts", cuts, MEASURES, shapes=1, resolution={"tiny": 32})


def surfaces_of(request: Request) -> list[SurfaceExperiment]:
    found = salient_parts().phases(request)[1]
    assert all(isinstance(one, SurfaceExperiment) for one in found)
    return found  # type: ignore[return-value]


@pytest.fixture
def balls(made: Request) -> Request:
    """A chair that came out as a ball whose saliency is its height, and a mug without a surface."""
    ball = extract(WithAttribute(Sphere(), "saliency", lambda points: points[:, 1]), 32).mesh
    for one, name in zip(surfaces_of(made), SHAPES, strict=True):
        one.folder.mkdir()
        empty = {name: "no surface"} if name.startswith("mug") else {}
        write_json(one.folder / "surfaces.json", {"facts": {"shapes": [name]}, "empty": empty})
        if not empty:
            write_mesh(ball, one.folder / f"{name.replace('/', '__')}.glb")
    return made


def test_surfaces_are_made_once_for_all_cuts() -> None:
    making, reconstructing, cutting = salient_parts().phases(asked("store", "root"))
    assert [one.name for one in making] == ["issn-chair-s0", "issn-mug-s0"]
    assert [one.name for one in reconstructing] == ["surfaces-issn-chair-s0", "surfaces-issn-mug-s0"]
    assert [one.name for one in cutting] == ["parts-issn-saliency-0.25-s0", "parts-issn-area-0.75-s0"]


def test_parts_are_kept_as_meshes_measured_and_shown(balls: Request) -> None:
    by_value, by_area = performed([*salient_parts().phases(balls)[2]])
    metrics = by_value.summary["overall"]["metrics"]
    assert (metrics["parts/extracted"]["mean"], metrics["parts/cut"]["mean"]) == (0.5, 0.5)
    assert metrics["parts/salient_area"]["mean"] == pytest.approx(0.25, abs=5e-3)
    assert metrics["parts/salient_mean"]["mean"] == pytest.approx(0.375, abs=5e-3)
    assert by_area.summary["overall"]["metrics"]["parts/salient_area"]["mean"] == pytest.approx(0.25, abs=1e-4)
    assert by_value.summary["overall"]["counts"]["empty"] == 1
    [salient] = Path(by_value.run).glob("salient/*.glb")
    [specific] = Path(by_value.run).glob("specific/*.glb")
    assert read_mesh(salient).attributes["saliency"].min() == pytest.approx(0.25, abs=1e-6)
    assert read_mesh(specific).attributes["saliency"].max() == pytest.approx(0.25, abs=1e-6)
    for finding in (by_value, by_area):
        assert [(picture.group, *picture.column) for picture in finding.pictures] == [
            ("chair", "chair-00000001", place) for place in range(3)
        ]
        assert [picture.caption for picture in finding.pictures][1:] == ["category-salient", "instance-specific"]
        assert all(Path(picture.path).is_file() for picture in finding.pictures)


def test_a_network_reconstructs_unseen_shapes_and_only_once(made: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    chairs = surfaces_of(made)[0]
    chairs.perform()
    [(name, surface)] = chairs.surfaces().items()
    assert name == SHAPES[0]
    assert isinstance(surface, str) or "saliency" in surface.attributes
    monkeypatch.setattr(saliency_parts, "extract", None)
    chairs.perform()
    finer = dataclasses.replace(chairs, resolution=40)
    with pytest.raises(TypeError):
        finer.perform()


def test_missing_surfaces_name_the_experiment_that_failed(made: Request) -> None:
    [cut, _] = salient_parts().phases(made)[2]
    with pytest.raises(ShapesysError, match="no surfaces by surfaces-issn-chair-s0, which failed"):
        cut.perform()


def test_what_was_kept_says_what_it_depends_on(made: Request) -> None:
    mugs = surfaces_of(made)[1]
    mugs.perform()
    facts = json.loads((mugs.folder / "surfaces.json").read_text())["facts"]
    assert (facts["step"], facts["shapes"], facts["resolution"]) == (2, [SHAPES[1]], 32)
