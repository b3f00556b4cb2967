"""Clouds and images of the user's own, recognised by a trained run; no store is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.config.base import Config, changed
from shapesys.errors import ShapeRejected, ShapesysError, UsageError, unknown_name
from shapesys.evaluation.evaluator import TRUE_COLUMNS
from shapesys.evaluation.labels import classes_of, without_unannotated
from shapesys.evaluation.suites import suite_of
from shapesys.families import registry
from shapesys.families.base import Family, Objective, Observation, PointPrediction, SuperpixelPrediction
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import CLOUD_SUFFIXES, parse_cloud
from shapesys.geometry.io import MESH_SUFFIXES, parse_geometry, read_bytes, read_mesh
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.neighbours import nearest
from shapesys.geometry.normalise import Framing, unit_sphere
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.validation import clean
from shapesys.metrics.recognition import predicted_parts
from shapesys.samples.cloud_samples import LEAST_POINTS, normalised_row
from shapesys.samples.settings import CloudConfig
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.image import AnnotatedImage
from shapesys.training.checkpoint import chosen_of, restore
from shapesys.training.context import pick_device
from shapesys.training.run_dir import RunDirectory
from shapesys.training.saliency import use_of


@dataclass(frozen=True)
class RecognisedCloud:
    """What a run says of a cloud.

    Attributes:
        points: (n, 3) the file's points, or those drawn on its mesh, in the file's frame.
        observed: ``cloud`` or ``mesh``, as the file was read.
        category: the category that was given or is the only one; empty where none is known.
        classes: (category, probability), the likeliest first; empty where the run predicts no class.
        parts: (n,) number of every point's part; None where the run predicts none.
    """

    points: Floats
    observed: str
    category: str
    vocabulary: Vocabulary
    classes: tuple[tuple[str, float], ...] = ()
    parts: Ints | None = None


@dataclass(frozen=True)
class SegmentedImage:
    """What a run says of an image: pixels (h, w, 3), and requested count -> (h, w) superpixels from 0."""

    pixels: NDArray[np.uint8]
    maps: Mapping[int, NDArray[np.integer]]


@dataclass(frozen=True)
class Predictor:
    """A run, restored once for any number of files, which are seen in the frame of what it was trained on."""

    run: RunDirectory
    family: Family
    objective: Objective
    inference: Config
    vocabulary: Vocabulary
    seed: int
    framing: Framing = field(default_factory=Framing)

    @property
    def predicts(self) -> str:
        """``labels`` or ``superpixels``."""
        return suite_of(self.family).predicts

    @classmethod
    def open(cls, run: RunDirectory, changes: Mapping[str, Any] | None = None, seed: int = 0) -> Predictor:
        """The run's checkpoint, ready to predict.

        Args:
            changes: changes to the run's inference settings, by name.

        Raises:
            UsageError: the run predicts surfaces or needs saliency maps, or an unknown setting.
            ShapesysError: it has no checkpoint.
        """
        checkpoint = chosen_of(run)
        job = checkpoint.job()
        family = registry.load(job.family)
        if suite_of(family).predicts == "surfaces":
            raise UsageError(f"run '{run.name}' predicts surfaces; use: shapesys reconstruct {run.path} FILE")
        if use_of(job, family).chosen:
            raise UsageError(
                f"run '{run.name}' sees the most salient points of a shape alone, and a file of your own has no map of "
                f"saliency; evaluate prepared shapes (shapesys evaluate {run.path} --saliency FILE), or predict with a "
                "run that was trained on other points"
            )
        inference = changed(job.inference, changes or {})
        objective, _, _ = restore(checkpoint, pick_device("auto"))
        return cls(run, family, objective, inference, checkpoint.vocabulary(), seed, checkpoint.framing())

    def predict(self, path: Path, category: str = "") -> RecognisedCloud | SegmentedImage:
        """What the run says of a file: a point cloud or a mesh, or an image.

        Args:
            category: of the shape, where the model must be told; empty where it is not known.

        Raises:
            UsageError: an unknown category, or one for a run that predicts it.
            ShapesysError: the file cannot be used, or the model must be told the category; says which there are.
        """
        if self.predicts == "superpixels":
            if category:
                raise UsageError(f"run '{self.run.name}' predicts superpixels, which have no category; leave it out")
            return self._image(path)
        if category and category not in self.vocabulary.categories:
            raise unknown_name("category", category, self.vocabulary.categories)
        return self._cloud(path, category)

    def _image(self, path: Path) -> SegmentedImage:
        # Imported on use: only images need an image library.
        from shapesys.samples.image_rows import image_row
        from shapesys.sources.image_files import read_image

        pixels = read_image(read_bytes(path))
        row = image_row(AnnotatedImage(pixels, np.empty((0, *pixels.shape[:2]), np.int32)))
        columns = {"image": np.frombuffer(row["image"], np.uint8)}
        [prediction] = self.family.infer(self.objective, [Observation(path.stem, columns)], self.inference, self.seed)
        assert isinstance(prediction, SuperpixelPrediction)
        return SegmentedImage(pixels, prediction.maps)

    def _cloud(self, path: Path, category: str) -> RecognisedCloud:
        observed, cloud = read_shape(path, self.seed)
        # As many points as preparation keeps by default; others get the part of the nearest of them.
        row, frame = normalised_row(cloud, CloudConfig(), self.framing)
        columns = {name: row[name] for name in self.family.needs[0].columns if name not in TRUE_COLUMNS}
        categories = self.vocabulary.categories
        told = category or (categories[0] if len(categories) == 1 else "")
        observation = Observation(path.stem, columns, told, frame.scale)
        [prediction] = self.family.infer(self.objective, [observation], self.inference, self.seed)
        assert isinstance(prediction, PointPrediction)
        if category and prediction.part_scores is None:
            raise UsageError(f"run '{self.run.name}' predicts the category itself; leave out --category {category}")
        parts = None if prediction.part_scores is None else _parts(prediction, told)
        every = None if parts is None else parts[nearest(row["points"], frame.apply(cloud.points)).indices]
        return RecognisedCloud(cloud.points, observed, told, prediction.vocabulary, _classes(prediction), every)


def read_shape(path: Path, seed: int = 0) -> tuple[str, Cloud]:
    """A mesh's surface where the file holds faces, else a point cloud, in the file's frame.

    Raises:
        ShapeRejected: it cannot be read, or has too few points.
    """
    suffix = path.suffix.lower()
    if suffix not in (*MESH_SUFFIXES, *CLOUD_SUFFIXES):
        accepted = ", ".join(dict.fromkeys((*CLOUD_SUFFIXES, *MESH_SUFFIXES)))
        raise ShapeRejected("read", f"'{suffix or path.name}' is no cloud and no mesh (accepted: {accepted})")
    data = read_bytes(path)
    if suffix not in CLOUD_SUFFIXES or (suffix in MESH_SUFFIXES and len(parse_geometry(data, path.name).faces)):
        return "mesh", _sampled(clean(read_mesh(path)).mesh, seed)
    return "cloud", checked(parse_cloud(data, path.name), least=LEAST_POINTS)


def _sampled(mesh: Mesh, seed: int) -> Cloud:
    """Points on the surface, as dense as preparation draws them, in the mesh's frame."""
    settings, frame = CloudConfig(), unit_sphere(mesh)
    # Near the origin, where single precision is precise.
    near = mesh.with_vertices(frame.apply(np.asarray(mesh.vertices, np.float64)).astype(np.float32))
    sample = sample_surface(near, settings.points * settings.oversampling, seed)
    return Cloud(frame.undo(sample.points.astype(np.float64)), sample.normals.astype(np.float64))


def _parts(prediction: PointPrediction, category: str) -> Ints:
    """Part numbers: of the category's parts where it is known, else of all."""
    vocabulary = prediction.vocabulary
    if category and not classes_of(vocabulary, category):
        raise ShapesysError(f"the model knows no parts of category '{category}'")
    own = classes_of(vocabulary, category) if category else [0]
    return predicted_parts(without_unannotated(prediction), own, "restricted" if category else "free")


def _classes(prediction: PointPrediction) -> tuple[tuple[str, float], ...]:
    if prediction.class_scores is None:
        return ()
    order = np.argsort(-prediction.class_scores, kind="stable")
    odds = np.exp(np.asarray(prediction.class_scores, np.float64))
    return tuple((prediction.vocabulary.categories[place], float(odds[place])) for place in order)
