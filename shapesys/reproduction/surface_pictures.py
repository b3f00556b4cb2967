"""Reconstructed surfaces as a recipe's page shows them: beside what they were measured against."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.points import read_points
from shapesys.geometry.render import contact_sheet, framing, render, write_png
from shapesys.reproduction.finding import Picture
from shapesys.saliency.surfaces import mesh_of_points
from shapesys.samples.shape_ids import category_of, name_of
from shapesys.training.run_dir import EvaluationDirectory, file_name

SIZE = (176, 176)


def pictures_of_surfaces(evaluation: EvaluationDirectory, folder: Path, count: int) -> tuple[Picture, ...]:
    """Of some shapes: left the true surface or the scan, right the reconstruction, from one direction.

    Copies, since an evaluation of another variant will take the meshes' place.

    Args:
        count: shapes that are shown: first one of each category.
    """
    measured = pq.read_table(evaluation.rows, columns=["shape_id"])["shape_id"].to_pylist()
    # Only what has a surface is there to be seen; the table counts the others.
    able = [shape_id for shape_id in measured if evaluation.prediction_mesh(shape_id).is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_picture(evaluation, shape_id, folder) for shape_id in _of_each_category(able)[:count])


def _of_each_category(shape_ids: list[str]) -> list[str]:
    """The first of each category, then the second of each, and so on."""
    seen: dict[str, int] = {}
    places: list[tuple[int, str]] = []
    for shape_id in sorted(shape_ids):
        place = seen.get(category_of(shape_id), 0)
        seen[category_of(shape_id)] = place + 1
        places.append((place, shape_id))
    return [shape_id for _, shape_id in sorted(places)]


def _picture(evaluation: EvaluationDirectory, shape_id: str, folder: Path) -> Picture:
    predicted, given = read_mesh(evaluation.prediction_mesh(shape_id)), _given(evaluation, shape_id)
    camera = framing(given)
    path = folder / f"{file_name(shape_id)}.png"
    write_png(contact_sheet([render(mesh, camera, SIZE) for mesh in (given, predicted)], columns=2), path)
    return Picture(str(path), name_of(shape_id), (category_of(shape_id), name_of(shape_id)))


def _given(evaluation: EvaluationDirectory, shape_id: str) -> Mesh:
    truth = evaluation.truth_mesh(shape_id)
    if truth.is_file():
        return read_mesh(truth)
    points, _ = read_points(evaluation.scan(shape_id))
    return mesh_of_points(points)
