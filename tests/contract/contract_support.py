"""Random columns of the views a family needs, shaped as declared, and the batches and objectives made of them."""

from __future__ import annotations

import numpy as np
import torch

from shapesys.families import registry
from shapesys.families.base import Batch, Family, Need, Objective, Observation, SampleRequest, TrainingData
from shapesys.samples.image_rows import image_row
from shapesys.samples.views import VIEWS
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.image import AnnotatedImage
from shapesys.training.config import TrainJob, resolve
from shapesys.training.context import ProcessGroupContext, leave_process_group

SHAPES, QUERIES, CLOUD = 4, 96, 600
VOCABULARY = Vocabulary(("chair", "table"), {"chair": ("leg", "seat"), "table": ("leg", "top", "drawer")})
DATA = TrainingData(SHAPES, VOCABULARY, "chair")


def columns(family: Family, job: TrainJob, seed: int) -> dict[str, np.ndarray]:
    """Random columns of one shape, shaped as the views declare."""
    return _columns(family.need(job.model), seed)


def _columns(need: Need, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = _image(rng) if need.view == "superpixels" else _numbers(need.view, rng)
    return {name: made[name] for name in need.columns}


def _numbers(view: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Points in the unit box, colours in [0, 1], labels of two parts, the rest in [-0.5, 0.5]."""
    found: dict[str, np.ndarray] = {}
    count = CLOUD if view == "cloud" else QUERIES
    for column in VIEWS[view].columns:
        if not column.shape:
            continue
        axes = column.shape[column.shape.index("(") + 1 : column.shape.index(")")].split(",")[1:]
        shape = (count, *(int(axis) for axis in axes if axis.strip()))
        low, high = {"points": (-1.0, 1.0), "colors": (0.0, 1.0)}.get(column.name, (-0.5, 0.5))
        values = rng.uniform(low, high, shape).astype(np.float32)
        kind = {"labels": np.int32, "inside": np.bool_, "near": np.bool_}.get(column.name)
        found[column.name] = values if kind is None else (values > 0).astype(kind)
    return found


def _image(rng: np.random.Generator) -> dict[str, np.ndarray]:
    pixels = rng.integers(0, 256, (80, 96, 3), dtype=np.uint8)
    halves = np.broadcast_to(np.arange(96) // 48, (2, 80, 96)).astype(np.int32)
    row = image_row(AnnotatedImage(pixels, halves))
    return {name: np.frombuffer(bytes(value), np.uint8) for name, value in row.items()}


def picture(side: int, seed: int) -> dict[str, np.ndarray]:
    """What a network sees that is shown pictures of so many pixels a side; nothing for 0."""
    rng = np.random.default_rng([seed, side])
    return {"picture": rng.random((3, side, side)).astype(np.float32)} if side else {}


def rows(family: Family, job: TrainJob, index: int) -> dict[str, np.ndarray]:
    """One shape as a row of a batch."""
    found = columns(family, job, index) | picture(family.pictures(job.model), index)
    if family.sample is None:
        return found
    request = SampleRequest(f"contract/{index}", job.train.points_per_shape, index, training=True)
    return dict(family.sample(job.model, found, request))


def batch_of(family: Family, job: TrainJob, indices: list[int], dtype: torch.dtype = torch.float32) -> Batch:
    made = [rows(family, job, index) for index in indices]
    stacked = {name: torch.from_numpy(np.stack([row[name] for row in made])) for name in made[0]}
    typed = {name: value.to(dtype) if value.is_floating_point() else value for name, value in stacked.items()}
    numbers = torch.tensor(indices)
    return typed | {"shape_index": numbers, "category_index": numbers % 2, "noise_seed": numbers + 100}


def build(family: Family, job: TrainJob, seed: int = 0) -> Objective:
    torch.manual_seed(seed)
    return family.build(job.model, DATA)


def observation(family: Family, job: TrainJob, seed: int = 7) -> Observation:
    side = family.pictures(job.model)
    seen = picture(side, seed) if side else _columns(family.observed(job.model), seed)
    return Observation(f"contract/{seed}", seen, "chair")


def gradients_of_one_rank(rank: int, name: str, preset: str, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    gradients = _gradients(rank, name, preset)
    leave_process_group()
    torch.save(gradients, f"{folder}/rank{rank}.pt")


def _gradients(rank: int, name: str, preset: str) -> dict[str, torch.Tensor | None]:
    """The distributed module ends with this call, before its group does."""
    family = registry.load(name)
    job = resolve(name, preset, {"data.store": "unused"})
    objective = build(family, job).double()
    context = ProcessGroupContext(torch.device("cpu"))
    wrapped = context.wrap(objective, unused_parameters=family.traits.unused_parameters)
    mine = [[0], [1, 2, 3]][rank]
    share = len(mine) * 2 / SHAPES
    (wrapped(batch_of(family, job, mine, torch.float64)).total() * share).backward()
    return {key: parameter.grad for key, parameter in objective.named_parameters()}
