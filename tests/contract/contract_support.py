"""Random columns of the views a family needs, shaped as declared, and the batches and objectives made of them."""

from __future__ import annotations

import numpy as np
import torch

from shapesys.families import registry
from shapesys.families.base import Batch, Family, Objective, Observation
from shapesys.samples.views import VIEWS
from shapesys.training.config import TrainJob, resolve
from shapesys.training.context import ProcessGroupContext

SHAPES, QUERIES = 4, 96


def columns(family: Family, seed: int) -> dict[str, np.ndarray]:
    """Random columns of one shape, shaped as the views declare: points in the unit box, the rest in [-0.5, 0.5]."""
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for need in family.needs:
        declared = {column.name: column.shape for column in VIEWS[need.view].columns}
        for name in need.columns:
            trailing = [int(axis) for axis in declared[name].strip("()").split(",")[1:] if axis.strip()]
            spread = 1.0 if name == "points" else 0.5
            found[name] = rng.uniform(-spread, spread, (QUERIES, *trailing)).astype(np.float32)
    return found


def batch_of(family: Family, indices: list[int], dtype: torch.dtype = torch.float32) -> Batch:
    rows = [columns(family, index) for index in indices]
    stacked = {name: torch.from_numpy(np.stack([row[name] for row in rows])).to(dtype) for name in rows[0]}
    numbers = torch.tensor(indices)
    return stacked | {"shape_index": numbers, "noise_seed": numbers + 100}


def build(family: Family, job: TrainJob, seed: int = 0) -> Objective:
    torch.manual_seed(seed)
    return family.build(job.model, SHAPES)


def observation(family: Family, seed: int = 7) -> Observation:
    return Observation(f"contract/{seed}", columns(family, seed))


def gradients_of_one_rank(rank: int, name: str, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    family = registry.load(name)
    job = resolve(name, "tiny", {"data.store": "unused"})
    objective = build(family, job).double()
    context = ProcessGroupContext(torch.device("cpu"))
    wrapped = context.wrap(objective, unused_parameters=family.traits.unused_parameters)
    mine = [[0], [1, 2, 3]][rank]
    share = len(mine) * 2 / SHAPES
    (wrapped(batch_of(family, mine, torch.float64)).total() * share).backward()
    torch.save({key: p.grad for key, p in objective.named_parameters()}, f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()
