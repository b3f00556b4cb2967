"""Latent codes of the shapes that a user names: of a run's store by their ids, or in files of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from shapesys.config.base import changed
from shapesys.errors import UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.reconstruct import observe_file
from shapesys.evaluation.suites import suite_of
from shapesys.families import registry
from shapesys.families.base import Family, FieldPrediction, LatentSpace, Objective, Observation
from shapesys.fields.field import Field
from shapesys.geometry.cloud_io import CLOUD_SUFFIXES
from shapesys.geometry.io import MESH_SUFFIXES
from shapesys.geometry.mesh import Floats
from shapesys.sources.image_files import IMAGE_SUFFIXES
from shapesys.training.checkpoint import Checkpoint, chosen_of, restore
from shapesys.training.config import TrainJob
from shapesys.training.context import pick_device
from shapesys.training.run_dir import RunDirectory

_ENDINGS = {*MESH_SUFFIXES, *CLOUD_SUFFIXES, *IMAGE_SUFFIXES}


@dataclass(frozen=True)
class GivenShape:
    """A shape as a network knows it.

    Attributes:
        name: its id, or its file.
        label: its id, or its file's name without folder and ending.
        code: (D,) float32.
        origin: ``trained``, or ``found`` at test time from what is observed of the shape.
        points: (n, 3) on its surface, where shapes may lie anywhere and it was seen in space; else None.
    """

    name: str
    label: str
    code: Floats
    origin: Literal["trained", "found"]
    points: Floats | None


@dataclass
class CodedShapes:
    """A run that is asked for the codes of shapes, and for what codes stand for.

    Its store is opened when a shape is named by id, and not before.
    """

    checkpoint: Checkpoint
    family: Family
    latent: LatentSpace
    job: TrainJob
    settings: EvaluateConfig
    store: str
    _opened: Evaluator | None = field(default=None, init=False)

    @classmethod
    def open(cls, run: RunDirectory, settings: EvaluateConfig, store: str | None = None) -> CodedShapes:
        """A run by its chosen checkpoint.

        Args:
            settings: how codes are found: queries, seed, and changes to the run's inference settings.
            store: in place of the one that the run was trained on.

        Raises:
            UsageError: the run tells its shapes by no codes, or an unknown inference setting.
            ShapesysError: it has no checkpoint.
        """
        checkpoint = chosen_of(run)
        job = checkpoint.job()
        family = registry.load(job.family)
        latent = _latent_of(run, family, job)
        # A misspelt one shall not cost a search.
        changed(job.inference, settings.inference)
        return cls(checkpoint, family, latent, job, settings, store or job.data.store)

    def shape(self, name: str) -> GivenShape:
        """A file's shape where there is a file of that name, else that of the store.

        Raises:
            UsageError: neither a file nor an id; names the nearest ids.
            ShapesysError: the file or what is needed of the store cannot be used.
        """
        path = Path(name)
        if path.is_file():
            return self._of_file(path)
        if path.suffix.lower() in _ENDINGS:
            raise UsageError(
                f"there is no file {name}; give a mesh, a scan, a picture, or the id of a shape in {self.store}"
            )
        code, origin = self._evaluator.code(name)
        anywhere = not self._evaluator.store.framing.is_unit_sphere
        return GivenShape(name, name, code, origin, self._evaluator.points_of(name) if anywhere else None)

    def field(self, code: Floats, name: str) -> Field:
        """What a code (D,) stands for, whether or not a shape has it."""
        # One by itself: how a batched product rounds depends on what else is in it.
        [prediction] = self.latent.decoded(self._objective, code[None], [name])
        return prediction.field

    def _of_file(self, path: Path) -> GivenShape:
        framing, seed, need = self.checkpoint.framing(), self.settings.seed, self.family.observed(self.job.model)
        inference = changed(self.job.inference, self.settings.inference)
        queries = self.settings.observed_queries
        picture = self.family.pictures(self.job.model)
        observed = observe_file(path, self.family, need, inference, framing, queries, seed, picture=picture)
        seen = Observation(path.stem, observed.columns)
        code = self.latent.found(self._objective, [seen], inference, seed)[0]
        anywhere = not framing.is_unit_sphere and len(observed.points) > 0
        return GivenShape(str(path), path.stem, code, "found", observed.points if anywhere else None)

    @property
    def _evaluator(self) -> Evaluator:
        if self._opened is None:
            self._opened = Evaluator.open(self.checkpoint, self.store, self.settings, None, pick_device("auto"))
            self.checkpoint.check_framing(self._opened.store.framing, self._opened.store.url)
        return self._opened

    @cached_property
    def _objective(self) -> Objective:
        """That of the evaluator, where a shape of the store was asked for; two files need no store."""
        return self._opened.objective if self._opened else restore(self.checkpoint, pick_device("auto"))[0]


def _latent_of(run: RunDirectory, family: Family, job: TrainJob) -> LatentSpace:
    fits = family.one_network_each(job.model)
    if family.latent is not None and not fits:
        return family.latent
    if family.predicts is not FieldPrediction:
        why = f"predicts {suite_of(family).predicts}, no surfaces"
    elif fits:
        why = "fits one network to each shape, none of which has a code"
    else:
        why = f"is of family '{family.name}', which tells its shapes by no codes"
    others = [name for name in registry.names() if registry.load(name).latent is not None]
    raise UsageError(
        f"run '{run.name}' {why}, so that nothing lies between two of its shapes; name a run with latent codes: one "
        f"network for all shapes, of family {', '.join(others)}"
    )
