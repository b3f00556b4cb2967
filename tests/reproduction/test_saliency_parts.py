"""Reconstructed surfaces, cut in two: what is kept, measured and shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from saliency_support import ISSN, another_code, asked, performed, recipe_of

from shapesys.errors import ShapesysError
from shapesys.evaluation.evaluator import Evaluator
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.fields.extraction import extract
from shapesys.geometry.io import read_mesh
from shapesys.geometry.write import write_mesh
from shapesys.reproduction import saliency_parts
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import CutVariant, SalientParts
from shapesys.reproduction.saliency_parts import NoSurface, SurfaceExperiment
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
        why = ("empty", "no surface") if name.startswith("mug") else None
        write_json(one.folder / "surfaces.json", {name: why})
        if not why:
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
    assert isinstance(surface, NoSurface) or "saliency" in surface.attributes
    monkeypatch.setattr(saliency_parts, "extract", None)
    chairs.perform()
    finer = dataclasses.replace(chairs, resolution=40)
    with pytest.raises(TypeError):
        finer.perform()


def test_missing_surfaces_name_the_experiment_that_failed(made: Request) -> None:
    [cut, _] = salient_parts().phases(made)[2]
    with pytest.raises(ShapesysError, match="no surfaces of surfaces-issn-chair-s0, whose experiment failed"):
        cut.perform()


def test_other_weights_of_the_same_step_make_surfaces_again(made: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    mugs = surfaces_of(made)[1]
    mugs.perform()
    monkeypatch.setattr(saliency_parts, "extract", None)
    mugs.perform()
    another_code(Path(made.root) / "issn-mug-s0")
    with pytest.raises(TypeError):
        mugs.perform()


def test_a_network_that_failed_makes_no_surfaces_and_old_ones_are_not_cut(made: Request) -> None:
    making, reconstructing, [cut, _] = salient_parts().phases(made)
    performed([*reconstructing])
    other = dataclasses.replace(made, changes={"train.epochs": 3})
    with pytest.raises(ShapesysError, match="exists with other settings"):
        salient_parts().phases(other)[0][1].perform()
    with pytest.raises(ShapesysError, match="there are no networks of issn-mug-s0, whose experiment failed"):
        reconstructing[1].perform()
    with pytest.raises(ShapesysError, match="no surfaces of surfaces-issn-mug-s0, whose experiment failed"):
        cut.perform()
    performed([*making, *reconstructing])
    assert cut.perform()


def test_networks_of_surfaces_make_no_maps(saliency_store: str, tmp_path: Path) -> None:
    performed(salient_parts().phases(asked(saliency_store, str(tmp_path)))[0][:1])
    assert list(tmp_path.glob("issn-chair-s0/checkpoints/*"))
    assert not list(tmp_path.glob("*/maps*"))


def test_a_shape_that_cannot_be_predicted_is_a_row_that_failed(made: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    _, reconstructing, [cut, _] = salient_parts().phases(made)

    def refuse(self: Evaluator, shape_ids: list[str]) -> None:
        raise ShapesysError(f"{shape_ids[0]} has no queries")

    reconstructing[0].perform()
    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "predict", refuse)
        reconstructing[1].perform()
    [finding] = cut.perform()
    assert finding.summary["overall"]["counts"]["failed"] == 1
