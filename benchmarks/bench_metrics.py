"""Point metrics of one shape (Chamfer, F-score, normal consistency, Hausdorff) against SciPy as users write it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import trimesh
from interleaved import interleaved_medians
from scipy.spatial import cKDTree

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.surface import SurfaceSample, sample_surface
from shapesys.metrics.conventions import convention
from shapesys.metrics.pair import chamfer, fscore, hausdorff, normal_consistency, pair_surfaces

L1 = convention("onet.chamfer_l1")
THRESHOLD = 0.01


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds per shape, medians in one process; run with one thread."""
    count, repeats = (20_000, 3) if quick else (100_000, 7)
    truth, prediction = _shapes(6)
    return [_given_samples(truth, prediction, count, repeats), _from_meshes(truth, prediction, count, repeats)]


def _given_samples(truth: trimesh.Trimesh, prediction: trimesh.Trimesh, count: int, repeats: int) -> dict[str, Any]:
    """All methods get the same samples, in face order, which favours the trees too."""
    one, two = sample_surface(_mesh(prediction), count, 0), sample_surface(_mesh(truth), count, 1)
    peers: dict[str, Callable[[], tuple[float, ...]]] = {"scipy": lambda: _by_scipy(one, two)}
    if find_spec("pykdtree"):
        peers["pykdtree"] = lambda: _ours(one, two, "pykdtree")
    note = f"{count} samples each, in face order; agreement checked to 1e-5"
    return _row("point metrics, given samples", lambda: _ours(one, two), peers, repeats, note)


def _from_meshes(truth: trimesh.Trimesh, prediction: trimesh.Trimesh, count: int, repeats: int) -> dict[str, Any]:
    """From the meshes, sampling included; both draw independent points."""
    shapes = (prediction, truth)

    def ours() -> tuple[float, ...]:
        one, two = (sample_surface(_mesh(shape), count, seed, stratified=False) for seed, shape in enumerate(shapes))
        return _ours(one, two)

    def users() -> tuple[float, ...]:
        return _by_scipy(_by_trimesh(prediction, count, 0), _by_trimesh(truth, count, 1))

    note = f"{count} samples each, {len(truth.faces)} faces; the sample sets differ, so agreement is within 5 %"
    return _row("metrics per shape, from meshes", ours, {"trimesh + scipy": users}, repeats, note, agree=0.05)


def _row(
    name: str, ours: Callable[[], tuple[float, ...]], peers: dict[str, Callable[[], tuple[float, ...]]],
    repeats: int, note: str, agree: float = 1e-5,
) -> dict[str, Any]:  # fmt: skip
    """Interleave the methods, so that a noisy machine is noisy for all, and check that they agree on Chamfer-L1."""
    methods = {"ours": ours} | peers
    answers = {method: call() for method, call in methods.items()}
    for method, answer in answers.items():
        if abs(answer[0] / answers["ours"][0] - 1) > agree:
            raise RuntimeError(f"{method} gives Chamfer-L1 {answer[0]}, ours {answers['ours'][0]}")
    medians = interleaved_medians(methods, repeats)
    return {"name": name, "ours_s": medians.pop("ours"), "peers": medians, "unit": "s per shape", "note": note}


def _ours(one: SurfaceSample, two: SurfaceSample, search: Any = "auto") -> tuple[float, ...]:
    pair = pair_surfaces(one, two, search)
    near = fscore(pair, THRESHOLD, strict=False).fscore
    return chamfer(pair, L1), near, normal_consistency(pair), hausdorff(pair)


def _by_scipy(one: SurfaceSample, two: SurfaceSample) -> tuple[float, ...]:
    there, there_at = cKDTree(two.points).query(one.points)
    back, back_at = cKDTree(one.points).query(two.points)
    precision, recall = (there <= THRESHOLD).mean(), (back <= THRESHOLD).mean()
    near = 2 * precision * recall / max(precision + recall, 1e-12)
    normals = np.abs((one.normals * two.normals[there_at]).sum(axis=1)).mean()
    normals += np.abs((two.normals * one.normals[back_at]).sum(axis=1)).mean()
    return 0.5 * (there.mean() + back.mean()), near, 0.5 * normals, max(there.max(), back.max())


def _by_trimesh(shape: trimesh.Trimesh, count: int, seed: int) -> SurfaceSample:
    points, faces = trimesh.sample.sample_surface(shape, count, seed=seed)
    return SurfaceSample(points, shape.face_normals[faces], faces)


def _shapes(subdivisions: int) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """A bumpy sphere and its slightly wrong reconstruction."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    directions = np.asarray(sphere.vertices)
    bumps = 1 + 0.1 * np.sin(7 * directions[:, :1]) * np.cos(5 * directions[:, 1:2])
    noise = 1 + 0.005 * np.sin(40 * directions[:, 2:])
    return trimesh.Trimesh(directions * bumps, sphere.faces), trimesh.Trimesh(directions * bumps * noise, sphere.faces)


def _mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces))
