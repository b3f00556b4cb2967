"""The 3D part of the page: chosen shapes, truth beside reconstruction, ready to embed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.geometry.colormap import VIRIDIS
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.report.embed import Range, attribute_range, encode, lattice_of, simplified
from shapesys.report.load import Evaluation, load_pair
from shapesys.report.numbers import formatter
from shapesys.report.select import Chosen, Selection, choose, ranking_metric
from shapesys.report.summary import MetricLine

ERROR = "error"
_HEAT = ("#f4efe6", "#f6d9a6", "#f2ab5e", "#e2703a", "#b83232", "#6d1a36")
_LABELS = {ERROR: "error: distance to the other surface", "saliency": "saliency"}


@dataclass(frozen=True)
class Pair:
    """One chosen shape with its two meshes; the truth may be missing."""

    chosen: Chosen
    truth: Mesh | None
    reconstruction: Mesh


def gallery(evaluation: Evaluation, selection: Selection) -> dict[str, Any] | None:
    """What the viewer needs of one evaluation: colour bars, and per shape two encoded meshes; None without shapes."""
    pairs = list(_pairs(evaluation, choose(evaluation, selection)))
    metric = ranking_metric(evaluation, selection.metric)
    if not pairs or metric is None:
        return None
    meshes = [mesh for pair in pairs for mesh in (pair.truth, pair.reconstruction) if mesh is not None]
    ranges = _ranges(meshes)
    return {
        "metric": metric.name,
        "colourings": [_colouring(name, span) for name, span in ranges.items()],
        "shapes": [_shape(pair, metric, ranges) for pair in pairs],
    }


def _pairs(evaluation: Evaluation, chosen: Iterable[Chosen]) -> Iterable[Pair]:
    for choice in chosen:
        truth, reconstruction = load_pair(evaluation, choice.row["shape_id"])
        if reconstruction is None:
            continue
        truth = None if truth is None else _named(simplified(truth))
        reconstruction = _named(simplified(reconstruction))
        if truth is not None:
            truth, reconstruction = _with_error(truth, reconstruction), _with_error(reconstruction, truth)
        yield Pair(choice, truth, reconstruction)


def _named(mesh: Mesh) -> Mesh:
    """Attributes under plain names: glTF writes ``_SALIENCY``."""
    plain = {name.strip("_").lower(): values for name, values in mesh.attributes.items()}
    return replace(mesh, attributes={name: values for name, values in plain.items() if np.ndim(values) == 1})


def _with_error(mesh: Mesh, other: Mesh) -> Mesh:
    """The mesh with its distance to `other` as attribute, unless evaluation wrote one."""
    if ERROR in mesh.attributes:
        return mesh
    try:
        distance = MeshDistance(other).closest(mesh.vertices).distance
    except ShapesysError:
        return mesh
    return replace(mesh, attributes={**mesh.attributes, ERROR: distance})


def _ranges(meshes: list[Mesh]) -> dict[str, Range]:
    """Colour range by attribute: saliency first, the error second, then whatever else the meshes carry."""
    names = dict.fromkeys(["saliency", ERROR, *(name for mesh in meshes for name in mesh.attributes)])
    found = {name: attribute_range(meshes, name, 0.0 if name == ERROR else None) for name in names}
    return {name: span for name, span in found.items() if span is not None}


def _colouring(name: str, span: Range) -> dict[str, Any]:
    table = heat() if name == ERROR else VIRIDIS
    return {
        "name": name,
        "label": _LABELS.get(name, name),
        "ticks": [formatter(span.high - span.low, 2)(tick) for tick in span.ticks()],
        "table": table.ravel().tolist(),
    }


def heat() -> NDArray[np.uint8]:
    """(256, 3) colours from pale (no error) to dark red."""
    anchors = np.array([[int(code[at : at + 2], 16) for at in (1, 3, 5)] for code in _HEAT], dtype=float)
    at = np.linspace(0, len(anchors) - 1, 256)
    channels: list[Floats] = [np.interp(at, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _shape(pair: Pair, metric: MetricLine, ranges: dict[str, Range]) -> dict[str, Any]:
    meshes = [mesh for mesh in (pair.truth, pair.reconstruction) if mesh is not None]
    origin, step = lattice_of(*meshes)
    row = pair.chosen.row
    return {
        "id": row["shape_id"],
        "category": row.get("category") or "",
        "kind": pair.chosen.kind,
        "value": formatter(metric.reference)(row.get(metric.name)),
        "origin": origin.tolist(),
        "step": step,
        "truth": None if pair.truth is None else encode(pair.truth, origin, step, ranges),
        "reconstruction": encode(pair.reconstruction, origin, step, ranges),
    }
