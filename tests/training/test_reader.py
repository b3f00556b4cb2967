"""What a family that samples by itself is given of a chunked view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from shapesys.config.base import Config
from shapesys.families.base import Arrays, SampleRequest
from shapesys.geometry.mesh import Mesh
from shapesys.samples.image_views import image_tensor, view_tensors
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


def _sample(columns: Arrays, request: SampleRequest) -> Arrays:
    return {"image": image_tensor(columns["image"], 24)}


def test_an_epoch_reads_one_view_of_every_shape_and_the_next_epoch_the_next(tmp_path: Path) -> None:
    settings = PrepareConfig(views=("images",)).override({"images.views": 3, "images.size": 16})
    prepare_locally(Blocks(), str(tmp_path), settings, isolate=False)
    store, ids = Store.open(str(tmp_path)), ("block/1", "block/2")
    reader = Reader(store, "images", ("image",), ids, 0, np.ones(2), Vocabulary(("block",)), _sample)
    for epoch in range(5):
        batch = reader.read(StepPlan(epoch, epoch, (1, 0), (Window(0, 0, 1),)))
        np.testing.assert_array_equal(batch["image"], view_tensors(store, epoch % 3, ids[::-1], 24))
