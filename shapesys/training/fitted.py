"""Runs of one network per shape, and the networks that they have fitted: what was fitted is not fitted again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training import checkpoint
from shapesys.training.config import TrainJob, claim
from shapesys.training.fitting import Fitted, fresh_network
from shapesys.training.loop import make_optimiser
from shapesys.training.run_dir import RunDirectory, make_folder

TELL_SECONDS = 1.0
"""Between words of how far a fit is."""
STALE_SECONDS = 30.0
"""After which a fit that says nothing is taken to be dead."""
_TOLD = ".done"


def begin(run: RunDirectory, job: TrainJob) -> None:
    """Claim a run for fits by a job's settings; its checkpoint holds them, and one network that knows nothing.

    Raises:
        ShapesysError: no store, or the run holds fits by other settings.
    """
    framing = Store.open(job.data.store).framing
    claim(run, job)
    if checkpoint.latest(run.checkpoints) is None:
        start = fresh_network(job, "")
        optimiser = make_optimiser(start, job.train)
        checkpoint.save(run.checkpoints, 0, job, start, (), optimiser, Vocabulary(), framing=framing)


@dataclass(frozen=True)
class FittedNetworks:
    """One file of weights per shape, in the run's folder.

    Attributes:
        run: whose settings they were fitted by, which do not change.
        samples: shape id -> digest of the samples that its network is fitted to; other samples get networks of their
            own, such as another store's of the same shape.
    """

    run: RunDirectory
    samples: Callable[[str], str]

    def load(self, job: TrainJob, shape_id: str, device: torch.device) -> Fitted | None:
        """What was fitted to the shape; None where nothing was, or a file is damaged."""
        path = self._path(shape_id)
        if not path.is_file():
            return None
        objective = fresh_network(job, shape_id)
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            objective.load_state_dict(weights)
            facts = {name: float(value) for name, value in json.loads(told["facts"]).items()}
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError):
            return None
        return Fitted(shape_id, objective.to(device).eval().requires_grad_(False), facts)

    def save(self, fitted: Fitted) -> None:
        """Keep a network; whoever reads finds the old file or the new one, never half of one."""
        path = self._path(fitted.shape_id)
        make_folder(path.parent, "--runs-root or --run")
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        weights = {name: value.detach().cpu().contiguous() for name, value in fitted.objective.state_dict().items()}
        save_file(weights, part, {"facts": json.dumps(dict(fitted.facts))})
        part.replace(path)

    def half_done(self, shape_ids: Sequence[str]) -> HalfDoneFile:
        """Where the state of these shapes' fit is kept until they are done."""
        parts = [f"{shape_id} {self.samples(shape_id)}" for shape_id in shape_ids]
        named = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return HalfDoneFile(self.run.half_done / f"{named}.pt", len(shape_ids))

    def _path(self, shape_id: str) -> Path:
        return self.run.network(shape_id, self.samples(shape_id))


def shapes_under_way(run: RunDirectory) -> float:
    """How many shapes' worth of fitting is done of those that are being fitted, wherever that is."""
    found = 0.0
    for path in run.half_done.glob(f"*{_TOLD}"):
        try:
            if time.time() - path.stat().st_mtime < STALE_SECONDS:
                found += float(path.read_text())
        except (OSError, ValueError):
            # It has just been finished, or is being written.
            continue
    return found


@dataclass
class HalfDoneFile:
    """The state of some shapes' fit, for a process that goes on with it; and beside it how far it is."""

    path: Path
    shapes: int
    _told_at: float = field(default=0.0, init=False)

    def load(self) -> Mapping[str, Any] | None:
        """What was saved; None where nothing was, or it is damaged."""
        if not self.path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # a damaged file can make the restricted unpickler raise anything
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """A reader finds the old state or the new one, never half of one."""
        make_folder(self.path.parent, "--runs-root or --run")
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        torch.save(dict(state), part)
        part.replace(self.path)

    def tell(self, share: float) -> None:
        """Write how much is done, now and then."""
        if time.monotonic() - self._told_at > TELL_SECONDS:
            with suppress(OSError):  # no fit ends because nobody hears of it
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.with_suffix(_TOLD).write_text(f"{share * self.shapes:.4f}")
            self._told_at = time.monotonic()

    def drop(self) -> None:
        """When the networks themselves are there."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(_TOLD).unlink(missing_ok=True)
