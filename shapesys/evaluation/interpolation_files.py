"""What is kept of an interpolation: a picture of all surfaces in a row, each surface as GLB, and what is told of them.

    FOLDER/
      strip.png              one picture per surface, from the first shape to the second, seen by one camera
      step_00.glb ...        the surfaces; an empty one has no file
      interpolation.json     shapes, settings, and one entry per surface

Surfaces are coloured by saliency, where they have any, on one scale for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.interpolate import Interpolation, Step
from shapesys.geometry.colormap import viridis
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.render import WHITE, Image, contact_sheet, framing, render, write_png
from shapesys.geometry.write import COLOR, write_mesh
from shapesys.sources.files import join_parts
from shapesys.training.run_dir import make_folder, read_json, write_json

PICTURE, FACTS = "strip.png", "interpolation.json"
SIZE = (224, 224)
"""(height, width) of each surface's picture."""
IN_A_ROW = 13
"""Pictures in one row, at most; more are spread evenly over several rows."""
_LONGEST_LABEL = 30
"""Letters of an id that a picture has room for."""


def write(found: Interpolation, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write picture, surfaces and facts into a folder; surfaces that an earlier interpolation left there go.

    Args:
        facts: further ones to tell, such as the run.

    Returns:
        What ``interpolation.json`` holds, with the paths of all files.

    Raises:
        ShapesysError: the folder cannot be made or written to.
    """
    make_folder(folder, "--out")
    _remove_earlier(folder)
    coloured = _coloured([step.mesh for step in found.steps])
    try:
        write_png(strip(found), folder / PICTURE)
        meshes = [
            None if step.empty else write_mesh(mesh, folder / f"step_{place:02d}.glb").resolve()
            for place, (step, mesh) in enumerate(zip(found.steps, coloured, strict=True))
        ]
    except OSError as error:
        raise ShapesysError(f"cannot write to {folder}: {error.strerror or error}; choose another --out") from error
    rows = [row | {"mesh": mesh and str(mesh)} for row, mesh in zip(found.rows(), meshes, strict=True)]
    told = {**facts, **_summary(found), "picture": str((folder / PICTURE).resolve()), "steps": rows}
    write_json(folder / FACTS, told)
    return told


def strip(found: Interpolation) -> Image:
    """All surfaces, seen by one camera and coloured on one scale by saliency where they have any; empty ones are blank.

    Args:
        found: with at least one surface.
    """
    meshes = [step.mesh for step in found.steps]
    camera = framing(join_parts(meshes))
    blank = np.full((*SIZE, 3), WHITE, np.uint8)
    pictures = [
        blank if step.empty else render(mesh, camera, SIZE, COLOR if COLOR in mesh.attributes else None)
        for step, mesh in zip(found.steps, _coloured(meshes), strict=True)
    ]
    rows = math.ceil(len(pictures) / IN_A_ROW)
    return contact_sheet(pictures, math.ceil(len(pictures) / rows), _labels(found))


def _labels(found: Interpolation) -> list[str]:
    names = {0: found.first.label, len(found.steps) - 1: found.second.label}
    return [_label(step, names.get(place, "")) for place, step in enumerate(found.steps)]


def _label(step: Step, name: str) -> str:
    shown = name if len(name) <= _LONGEST_LABEL else f"...{name[3 - _LONGEST_LABEL :]}"
    return "\n".join(filter(None, (f"{step.fraction:.3g}  {shown}".rstrip(), "no surface" if step.empty else "")))


def _coloured(meshes: Sequence[Mesh]) -> list[Mesh]:
    """With colours by their first attribute, from its least value on all of them to its greatest."""
    name = next((name for mesh in meshes for name in mesh.attributes), None)
    if name is None:
        return list(meshes)
    values = np.concatenate([mesh.attributes[name] for mesh in meshes if name in mesh.attributes])
    ends = float(values.min()), float(values.max())
    return [
        replace(mesh, attributes=mesh.attributes | {COLOR: viridis(mesh.attributes[name], *ends) / 255.0})
        if name in mesh.attributes
        else mesh
        for mesh in meshes
    ]


def _summary(found: Interpolation) -> dict[str, Any]:
    given = {"first": found.first, "second": found.second}
    return {
        **{which: {"shape": shape.name, "code": shape.origin} for which, shape in given.items()},
        "path": found.path,
        "empty": sum(bool(step.empty) for step in found.steps),
        "mean_distance": found.mean_distance,
        "largest_distance": found.largest_distance,
    }


def _remove_earlier(folder: Path) -> None:
    """The surfaces that this folder's ``interpolation.json`` names: one that is empty now would pass for this one's."""
    try:
        steps = read_json(folder / FACTS)["steps"]
        names = [Path(step["mesh"]).name for step in steps if step["mesh"]]
    except (ShapesysError, KeyError, TypeError):
        return
    for name in names:
        (folder / name).unlink(missing_ok=True)
