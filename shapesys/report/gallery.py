"""The 3D part of the page: chosen shapes, truth beside reconstruction, ready to embed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.geometry.colormap import VIRIDIS
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.report.embed import MOST_FACES, Range, attribute_range, encode, lattice_of, simplified
from shapesys.report.load import Evaluation, load_prediction, load_truth
from shapesys.report.numbers import formatter
from shapesys.report.scan_view import LABEL, load_scan
from shapesys.report.select import Chosen, Selection, choose, ranking_metric

ERROR = "error"
_HEAT = ("#f4efe6", "#f6d9a6", "#f2ab5e", "#e2703a", "#b83232", "#6d1a36")
_LABELS = {ERROR: "error: distance to the other surface", "saliency": "saliency"}


@dataclass(frozen=True)
class View:
    """One picture of a shape.

    Attributes:
        key: unlike that of the shape's other views.
        label: what it shows.
        mesh: what to draw; None where there is nothing, and `remark` says why.
        value: of the metric, as text; empty for the truth.
    """

    key: str
    label: str
    mesh: Mesh | None
    remark: str = ""
    value: str = ""


@dataclass(frozen=True)
class Exhibit:
    """One chosen shape: the views that share a camera, and why it was chosen.

    Attributes:
        kind: ``best``, ``median``, ``worst`` or ``differ``, which gives its colour.
        why: the same in words.
    """

    shape_id: str
    category: str
    kind: str
    why: str
    value: str
    views: tuple[View, ...]


def gallery(evaluation: Evaluation, selection: Selection) -> dict[str, Any] | None:
    """What the viewer needs of one evaluation: colour bars, and per shape two encoded meshes; None without shapes."""
    metric = ranking_metric(evaluation, selection.metric)
    if metric is None:
        return None
    show = formatter(metric.reference)
    exhibits = (_exhibit(evaluation, choice, show(choice.row[metric.name])) for choice in choose(evaluation, selection))
    return assemble([exhibit for exhibit in exhibits if exhibit is not None], metric.name)


def assemble(exhibits: Sequence[Exhibit], metric: str, first: str = "saliency") -> dict[str, Any] | None:
    """Shapes as the viewer takes them, all in the same colour ranges; None where there are none.

    Args:
        metric: by which they were chosen.
        first: the attribute that colours them at first.
    """
    if not exhibits:
        return None
    ranges = _ranges(_present(view.mesh for exhibit in exhibits for view in exhibit.views), first)
    scans = all(exhibit.views[0].label == LABEL for exhibit in exhibits)
    return {
        "title": f"{'Scan' if scans else 'Ground truth'} beside reconstruction",
        "metric": metric,
        "clouds": False,
        "colourings": [_colouring(name, span) for name, span in ranges.items()],
        "shapes": [_shape(exhibit, ranges) for exhibit in exhibits],
    }


def prepared(mesh: Mesh | None, most_faces: int = MOST_FACES) -> Mesh | None:
    """A mesh ready to be embedded: small, its attributes under plain names."""
    return None if mesh is None else _named(simplified(mesh, most_faces))


def with_error(mesh: Mesh, other: Mesh) -> Mesh:
    """The mesh with its distance to `other` as attribute, unless evaluation wrote one."""
    if ERROR in mesh.attributes:
        return mesh
    try:
        distance = MeshDistance(other).closest(mesh.vertices).distance
    except ShapesysError:
        return mesh
    return replace(mesh, attributes={**mesh.attributes, ERROR: distance})


def _exhibit(evaluation: Evaluation, choice: Chosen, value: str) -> Exhibit | None:
    shape_id = choice.row["shape_id"]
    truth = prepared(load_truth(evaluation, shape_id))
    reconstruction = prepared(load_prediction(evaluation, shape_id))
    if reconstruction is None:
        return None
    scan = load_scan(evaluation, shape_id) if truth is None else None
    if truth is not None:
        truth, reconstruction = with_error(truth, reconstruction), with_error(reconstruction, truth)
    views = (
        seen_view(truth, scan),
        View("reconstruction", "reconstruction", reconstruction),
    )
    return Exhibit(shape_id, choice.row.get("category") or "", choice.kind, choice.kind, value, views)


def seen_view(truth: Mesh | None, scan: Mesh | None) -> View:
    """What stands beside reconstructions: the ground truth, or the scan where nobody knows it."""
    if truth is None and scan is not None:
        return View("truth", LABEL, scan)
    return View("truth", "ground truth", truth, "no ground truth mesh")


def _named(mesh: Mesh) -> Mesh:
    """Attributes under plain names: glTF writes ``_SALIENCY``."""
    plain = {name.strip("_").lower(): values for name, values in mesh.attributes.items()}
    return replace(mesh, attributes={name: values for name, values in plain.items() if np.ndim(values) == 1})


def _ranges(meshes: list[Mesh], first: str) -> dict[str, Range]:
    """Colour range by attribute: `first`, saliency, the error, then whatever else the meshes carry."""
    names = dict.fromkeys([first, "saliency", ERROR, *(name for mesh in meshes for name in mesh.attributes)])
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


def _shape(exhibit: Exhibit, ranges: dict[str, Range]) -> dict[str, Any]:
    meshes = {view.key: view.mesh for view in exhibit.views}
    origin, step = lattice_of(*_present(meshes.values()))
    return {
        "id": exhibit.shape_id,
        "category": exhibit.category,
        "kind": exhibit.kind,
        "why": exhibit.why,
        "value": exhibit.value,
        "origin": origin.tolist(),
        "step": step,
        "legend": [],
        "views": [_caption(view) for view in exhibit.views],
        **{key: None if mesh is None else encode(mesh, origin, step, ranges) for key, mesh in meshes.items()},
    }


def _caption(view: View) -> dict[str, Any]:
    shown = view.mesh is not None
    return {"key": view.key, "label": view.label, "value": view.value, "shown": shown, "remark": view.remark}


def _present(meshes: Iterable[Mesh | None]) -> list[Mesh]:
    return [mesh for mesh in meshes if mesh is not None]
