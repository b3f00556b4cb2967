"""What a shape's samples depend on, as one digest: a shape whose digest is in the store is not prepared again."""

from __future__ import annotations

import json

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.samples.settings import PrepareConfig
from shapesys.sources.base import ShapeRef, Source, digest_of
from shapesys.sources.shape_image import ShapeImage


def shape_digest(source: Source, ref: ShapeRef, settings: PrepareConfig, settings_digest: str) -> str:
    """Digest of all that a shape's rows depend on.

    Args:
        settings_digest: of the store's manifest.

    Raises:
        ShapeRejected: the shape's files cannot be read.
    """
    content, plane = source.digest(ref), source.symmetry_plane(ref)
    parts = source.part_names(ref.category)
    images = _of_images(source, ref, settings)
    return digest_of(content, settings_digest, ref.category, ref.split, ref.source, json.dumps(plane), *parts, *images)


def _of_images(source: Source, ref: ShapeRef, settings: PrepareConfig) -> list[str]:
    """Of the pictures that a source gives, where they are asked for; without them, a shape only lacks a view."""
    if not source.gives_images or "images" not in settings.views:
        return []
    try:
        return [_of_image(image) for image in source.images(ref, settings.images.views)]
    except ShapeRejected as problem:
        return ["unreadable", problem.stage, problem.reason]


def _of_image(image: ShapeImage) -> str:
    known = (image.camera, image.world, image.intrinsics)
    return digest_of(image.data, *(np.asarray(numbers, np.float64).tobytes() for numbers in known))
