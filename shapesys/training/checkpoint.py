"""Checkpoints: folders that anyone can open, written whole or not at all.

    checkpoints/step_00000200/
      model.safetensors    weights and buffers, without codes
      codes.safetensors    latent codes (S, D), one row per training shape
      codes.json           the S shape ids, in row order
      config.json          the job, so that the folder needs nothing else
      state.pt             optimiser state and position, tensors and plain values only

Codes belong to shape ids, never to positions: loading for another list of shapes is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from shapesys.errors import ShapesysError
from shapesys.families import registry
from shapesys.families.base import Objective
from shapesys.training.config import TrainJob, load_job
from shapesys.training.run_dir import RunDirectory, read_json, write_json

_CODES = "codes."
_PREFIX = "step_"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk."""

    path: Path

    @property
    def step(self) -> int:
        """Optimiser steps taken."""
        return int(self.path.name.removeprefix(_PREFIX))

    def job(self) -> TrainJob:
        return load_job(self.path / "config.json")

    def shape_ids(self) -> list[str]:
        return list(read_json(self.path / "codes.json"))

    def load_into(self, objective: nn.Module, shape_ids: Sequence[str]) -> None:
        """Weights and codes into `objective`, whose rows stand for `shape_ids`.

        Raises:
            ShapesysError: the checkpoint belongs to other shapes, or a file is missing or damaged.
        """
        self._check_ids(shape_ids)
        weights = _read(self.path / "model.safetensors") | _read(self.path / "codes.safetensors")
        try:
            objective.load_state_dict(weights)
        except RuntimeError as error:
            raise ShapesysError(f"checkpoint {self.path} does not fit the model: {error}") from None

    def optimiser_state(self) -> dict[str, Any]:
        """The optimiser's state dict."""
        try:
            state = torch.load(self.path / "state.pt", map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can make the restricted unpickler raise anything
            raise ShapesysError(f"checkpoint file {self.path / 'state.pt'} cannot be read: {error}") from None
        return dict(state["optimiser"])

    def _check_ids(self, shape_ids: Sequence[str]) -> None:
        held = self.shape_ids()
        if held == list(shape_ids):
            return
        missing, extra = sorted(set(held) - set(shape_ids)), sorted(set(shape_ids) - set(held))
        raise ShapesysError(
            f"checkpoint {self.path} holds codes of {len(held)} shapes, but {len(shape_ids)} were given "
            f"({len(missing)} missing{_first(missing)}, {len(extra)} unknown{_first(extra)}); "
            "train a new run for another set of shapes"
        )


def restore(checkpoint: Checkpoint, device: torch.device | None = None) -> tuple[Objective, TrainJob, list[str]]:
    """The trained objective in evaluation mode, its job and its shape ids, from the folder alone."""
    job, shape_ids = checkpoint.job(), checkpoint.shape_ids()
    objective = registry.load(job.family).build(job.model, len(shape_ids))
    checkpoint.load_into(objective, shape_ids)
    return objective.to(device or torch.device("cpu")).eval(), job, shape_ids


def save(
    folder: Path, step: int, job: TrainJob, objective: nn.Module, shape_ids: Sequence[str], optimiser: Any
) -> Checkpoint:
    """Write a checkpoint and make it visible in one rename."""
    final = folder / f"{_PREFIX}{step:08d}"
    part = folder / f".{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in objective.state_dict().items()}
    save_file({k: v for k, v in weights.items() if not k.startswith(_CODES)}, part / "model.safetensors")
    save_file({k: v for k, v in weights.items() if k.startswith(_CODES)}, part / "codes.safetensors")
    write_json(part / "codes.json", list(shape_ids))
    write_json(part / "config.json", job.model_dump(mode="json"))
    torch.save({"optimiser": optimiser.state_dict(), "step": step}, part / "state.pt")
    if final.exists():
        shutil.rmtree(final)
    part.rename(final)
    return Checkpoint(final)


def latest(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint below `folder`, or None."""
    found = sorted(folder.glob(f"{_PREFIX}*"))
    return Checkpoint(found[-1]) if found else None


def newest_of(run: RunDirectory) -> Checkpoint:
    """The newest checkpoint of a run.

    Raises:
        ShapesysError: it has none.
    """
    newest = latest(run.checkpoints)
    if newest is None:
        raise ShapesysError(f"run '{run.name}' has no checkpoint yet; train it first: shapesys train ...")
    return newest


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints."""
    for path in sorted(folder.glob(f"{_PREFIX}*"))[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ShapesysError(f"checkpoint file {path} cannot be read: {error}") from None


def _first(ids: list[str]) -> str:
    return f", e.g. '{ids[0]}'" if ids else ""
