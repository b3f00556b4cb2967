"""Pictures that are joined to what a family reads of a shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from shapesys.config.base import Config
from shapesys.geometry.mesh import Mesh
from shapesys.samples.image_views import view_tensors
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.base import Census, ShapeRef, Source
from shapesys.training.plan import StepPlan, Window
from shapesys.training.reader import Reader


class Blocks(Source):
    """Two boxes."""

    name = "blocks"
    Settings = Config

    def census(self) -> Census:
        return Census.of(ShapeRef(f"block/{side}", "block", "train", self.name) for side in (1, 2))

    def load(self, ref: ShapeRef) -> Mesh:
        solid = trimesh.creation.box((1, 1, int(ref.id[-1])))
        return Mesh(np.asarray(solid.vertices, np.float32), np.asarray(solid.faces, np.int32))

    def digest(self, ref: ShapeRef) -> str:
        return ref.id


def _store(folder: Path) -> Store:
    settings = PrepareConfig(views=("inside", "images")).override(
        {"images.views": 3, "images.size": 16, "inside.chunk": 100, "inside.count": 200, "inside.surface": 50}
    )
    prepare_locally(Blocks(), str(folder), settings, isolate=False)
    return Store.open(str(folder))


def test_an_epoch_reads_one_view_of_every_shape_and_the_next_epoch_the_next(tmp_path: Path) -> None:
    store, ids = _store(tmp_path), ("block/1", "block/2")
    reader = Reader(store, "inside", ("points",), ids, 0, np.ones(2), Vocabulary(("block",)), picture=24)
    for epoch in range(5):
        batch = reader.read(StepPlan(epoch, epoch, (1, 0), (Window(epoch % 2, 10, 40),)))
        assert batch["points"].shape == (2, 30, 3)
        np.testing.assert_array_equal(batch["picture"], view_tensors(store, epoch % 3, ids[::-1], 24))


def test_shapes_that_are_not_trained_on_show_their_first_view(tmp_path: Path) -> None:
    store, ids = _store(tmp_path), ("block/1", "block/2")
    reader = Reader(store, "inside", ("points",), ids, 0, np.ones(2), Vocabulary(("block",)), training=False, picture=8)
    batch = reader.read(StepPlan(5, 5, (0,), (Window(0, 0, 1),)))
    np.testing.assert_array_equal(batch["picture"], view_tensors(store, 0, ids[:1], 8))
