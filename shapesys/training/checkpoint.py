"""Checkpoints: folders that anyone can open, written whole or not at all.

    checkpoints/step_00000200/
      model.safetensors    weights and buffers, without codes
      codes.safetensors    latent codes (S, D), one row per training shape
      codes.json           the S shape ids, in row order
      vocabulary.json      names of the categories and parts that labels number
      frame.json           where the shapes lay, where that was not the usual unit sphere
      config.json          the job, so that the folder needs nothing else
      state.pt             optimiser state and position, tensors and plain values only
      validation.json      the family's measure on held-out shapes, where checkpoints are chosen by it

Codes belong to shape ids, never to positions: loading for another list of shapes is refused.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.families.base import Objective, TrainingData
from shapesys.geometry.normalise import Framing
from shapesys.samples.shape_ids import category_of
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import TrainJob, load_job
from shapesys.training.run_dir import RunDirectory, read_json, write_json

_UNIT_SPHERE = Framing()
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

    @property
    def run(self) -> RunDirectory:
        """The run that it belongs to."""
        return RunDirectory(self.path.parents[1])

    def digest(self) -> str:
        """SHA-256 of all that it predicts with: weights, codes, whose they are, labels and settings.

        Steps tell checkpoints of one run apart; trained anew, other weights have the same.
        """
        named = [self.path / f"{name}.json" for name in ("config", "codes", "vocabulary", "frame")]
        files = [*filter(Path.is_file, named), *sorted(self.path.glob("*.safetensors"))]
        return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()

    def job(self) -> TrainJob:
        return load_job(self.path / "config.json")

    def shape_ids(self) -> list[str]:
        return list(read_json(self.path / "codes.json"))

    def vocabulary(self) -> Vocabulary:
        """What the network's labels mean."""
        path = self.path / "vocabulary.json"
        if path.is_file():
            return Vocabulary.from_json(read_json(path))
        # Checkpoints of versions without labels: the categories are in the ids.
        return Vocabulary(tuple(sorted({category_of(shape_id) for shape_id in self.shape_ids()})))

    def framing(self) -> Framing:
        """How shapes get the frame that it was trained in."""
        path = self.path / "frame.json"
        return Framing.of_settings(read_json(path)) if path.is_file() else Framing()

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
            raise ShapesysError(
                f"checkpoint {self.path} does not fit the model, which may be another version's; train anew: {error}"
            ) from None

    def measure(self) -> float | None:
        """How good it is on held-out shapes, the higher the better; None where that was not measured."""
        path = self.path / "validation.json"
        return float(read_json(path)["measure"]) if path.is_file() else None

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Refuse a network whose labels mean something else.

        Raises:
            ShapesysError: the store's categories or parts are others than those trained on.
        """
        held = self.vocabulary()
        if (self.path / "vocabulary.json").is_file() and held != vocabulary:
            raise ShapesysError(
                f"checkpoint {self.path} was trained on other labels ({_labels(held)} there, {_labels(vocabulary)} "
                "now); train a new run"
            )

    def check_framing(self, framing: Framing, store: str) -> None:
        """Refuse shapes that lie elsewhere than those it was trained on; margins may differ.

        Raises:
            UsageError: the store has its shapes in another frame.
        """
        own = self.framing().name
        if own != framing.name:
            raise UsageError(
                f"checkpoint {self.path} was trained on shapes in the frame {own}, but those of {store} are in "
                f"{framing.name}; prepare them in another --store with --frame {own}"
            )

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
    data = TrainingData.of(shape_ids, checkpoint.vocabulary(), job.data.interest)
    objective = registry.load(job.family).build(job.model, data)
    checkpoint.load_into(objective, shape_ids)
    return objective.to(device or torch.device("cpu")).eval(), job, shape_ids


def save(
    folder: Path,
    step: int,
    job: TrainJob,
    objective: nn.Module,
    shape_ids: Sequence[str],
    optimiser: Any,
    vocabulary: Vocabulary,
    measure: float | None = None,
    framing: Framing = _UNIT_SPHERE,
) -> Checkpoint:
    """Write a checkpoint and make it visible in one rename.

    Args:
        optimiser: None of what has nothing to optimise.
        measure, framing: as `Checkpoint.measure` and `Checkpoint.framing` give them back.
    """
    final = folder / _name(step)
    part = folder / f".{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in objective.state_dict().items()}
    save_file({k: v for k, v in weights.items() if not k.startswith(_CODES)}, part / "model.safetensors")
    save_file({k: v for k, v in weights.items() if k.startswith(_CODES)}, part / "codes.safetensors")
    write_json(part / "codes.json", list(shape_ids))
    write_json(part / "vocabulary.json", vocabulary.to_json())
    write_json(part / "config.json", job.model_dump(mode="json"))
    if framing != _UNIT_SPHERE:
        write_json(part / "frame.json", framing.to_settings())
    if measure is not None:
        write_json(part / "validation.json", {"measure": measure})
    torch.save({"optimiser": optimiser.state_dict() if optimiser else {}, "step": step}, part / "state.pt")
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


def best(folder: Path) -> Checkpoint | None:
    """The best checkpoint below `folder`, the older of equals; None where none was measured on held-out shapes."""
    found = [Checkpoint(path) for path in sorted(folder.glob(f"{_PREFIX}*"))]
    measured = [(measure, one) for one in found if (measure := one.measure()) is not None]
    return max(measured, key=lambda pair: pair[0])[1] if measured else None


def chosen_of(run: RunDirectory) -> Checkpoint:
    """The checkpoint that stands for a run: the best one where it is chosen on held-out shapes, else the newest.

    Raises:
        ShapesysError: it has none.
    """
    newest = newest_of(run)
    return best(run.checkpoints) or newest


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    chosen = best(folder)
    for path in sorted(folder.glob(f"{_PREFIX}*"))[:-keep]:
        if chosen is None or path != chosen.path:
            shutil.rmtree(path, ignore_errors=True)


def _name(step: int) -> str:
    return f"{_PREFIX}{step:08d}"


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ShapesysError(f"checkpoint file {path} cannot be read: {error}") from None


def _labels(vocabulary: Vocabulary) -> str:
    return f"{', '.join(vocabulary.categories)} with {vocabulary.part_count} parts"


def _first(ids: list[str]) -> str:
    return f", e.g. '{ids[0]}'" if ids else ""
