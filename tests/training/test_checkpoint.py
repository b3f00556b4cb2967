"""What tells checkpoints apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapesys.errors import UsageError
from shapesys.geometry.normalise import Framing
from shapesys.training.checkpoint import Checkpoint

PREDICTING = ["config.json", "codes.json", "vocabulary.json", "model.safetensors", "codes.safetensors"]


def written(folder: Path, **changed: str) -> Checkpoint:
    folder.mkdir()
    for name in (*PREDICTING, "state.pt", "validation.json"):
        (folder / name).write_text(changed.get(name, name))
    return Checkpoint(folder)


@pytest.mark.parametrize("name", PREDICTING)
def test_the_digest_depends_on_all_that_predicts(tmp_path: Path, name: str) -> None:
    before = written(tmp_path / "step_00000002")
    after = written(tmp_path / "step_00000004", **{name: "other"})
    assert before.digest() != after.digest()


def test_the_digest_depends_on_nothing_else(tmp_path: Path) -> None:
    one = written(tmp_path / "step_00000002")
    later = written(tmp_path / "step_00000004", **{"state.pt": "of another optimiser", "validation.json": "better"})
    assert one.digest() == later.digest()


def test_where_shapes_lay_is_known_of_every_checkpoint(tmp_path: Path) -> None:
    """Those from before there was a choice were trained in the unit sphere."""
    one = written(tmp_path / "step_00000002")
    usual = one.digest()
    assert one.framing() == Framing()
    one.check_framing(Framing("unit_sphere", 1.2), "stores/wide")
    (one.path / "frame.json").write_text(json.dumps(Framing("mean").to_settings()))
    assert one.framing() == Framing("mean")
    assert one.digest() != usual
    with pytest.raises(UsageError, match="in the frame mean, but those of stores/a are in unit_sphere;.*--frame mean"):
        one.check_framing(Framing(), "stores/a")


def test_checkpoints_of_versions_without_labels_have_a_digest(tmp_path: Path) -> None:
    one = written(tmp_path / "step_00000002")
    labelled = one.digest()
    (one.path / "vocabulary.json").unlink()
    assert one.digest() != labelled
