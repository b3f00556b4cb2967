"""A mesh with saliency from the ISSN paper's decoder at 256 cells, against dense evaluation as usually written.

The dense peer evaluates every node in float32 batches of 2^18 points with the code tiled over them, then runs PyMCubes.
That takes a quarter of an hour, so one batch is measured and the rest is in proportion. The decoder is fitted to a
known solid first, because the cost depends on the surface: an untrained network has none worth measuring.
"""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import Any

import numpy as np
import torch
from plain_deepsdf import LATENT, PlainDecoder
from torch.nn import functional as F

from shapesys.fields.analytic import Cuboid, Sphere, Torus, Union
from shapesys.fields.extraction import Extraction, ExtractionSettings, extract
from shapesys.fields.network_field import NetworkField
from shapesys.geometry.mesh import Floats
from shapesys.nets.implicit_decoder import ImplicitDecoder

SOLID = Union(
    parts=(
        Torus(0.5, 0.18),
        Sphere(0.25, (0.0, 0.0, 0.45)),
        *(Cuboid((0.03, 0.03, 0.35), (0.4 * x, 0.4 * y, -0.4)) for x in (-1, 1) for y in (-1, 1)),
    )
)
CLAMP = 0.1
FIT_POINTS = 2048


@cache
def fitted(steps: int) -> tuple[ImplicitDecoder, torch.Tensor]:
    """The paper's decoder after a short fit to `SOLID`, and its latent code."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    decoder = ImplicitDecoder(LATENT, dropout=0.0)
    codes = torch.randn(1, LATENT) / LATENT**0.5
    optimiser = torch.optim.Adam(decoder.parameters(), lr=5e-4, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    surface = extract(SOLID, 64).mesh.vertices
    for _ in range(steps):
        points = _queries(surface, rng)
        truth = torch.from_numpy(SOLID.values(points))
        with torch.autocast("cpu", torch.bfloat16):
            outputs = decoder(codes, torch.from_numpy(points)[None])[0]
        error = (outputs[:, 0].clamp(-CLAMP, CLAMP) - truth.clamp(-CLAMP, CLAMP)).abs()
        log_saliency = F.logsigmoid(outputs[:, 1])
        loss = error.mean() + (error.detach() * log_saliency.exp() - 1e-3 * log_saliency).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return decoder.eval(), codes


def _queries(surface: Floats, rng: np.random.Generator) -> Floats:
    """Three quarters near the surface, one quarter anywhere in the box."""
    near = FIT_POINTS * 3 // 4
    close = surface[rng.integers(len(surface), size=near)] + rng.normal(0.0, 0.05, (near, 3))
    return np.concatenate([close, rng.uniform(-1.0, 1.0, (FIT_POINTS - near, 3))]).astype(np.float32)


@torch.no_grad()
def usual_seconds_per_point(decoder: ImplicitDecoder, codes: torch.Tensor, points: int) -> float:
    """One forward pass of the plain decoder over a batch in which the code is tiled."""
    plain = PlainDecoder().load(decoder).eval()
    batch = torch.rand(1, points, 3) * 2 - 1
    plain(codes, batch[:, :4096])
    started = time.perf_counter()
    plain(codes, batch)
    return (time.perf_counter() - started) / points


def marching_seconds(resolution: int) -> float:
    """PyMCubes alone, on the solid's own volume; nothing where it is not installed."""
    try:
        result = extract(SOLID, resolution, ExtractionSettings(method="dense-pymcubes"))
    except Exception as error:
        if "pymcubes" in str(error):
            return 0.0
        raise
    started = time.perf_counter()
    extract(SOLID, resolution, ExtractionSettings(method="dense"))
    evaluation = time.perf_counter() - started
    return max(0.0, result.report.seconds - evaluation)


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of the benchmark table: float32 throughout, and bfloat16 pruning; one thread."""
    resolution, steps, batch, repeats = (128, 120, 1 << 15, 1) if quick else (256, 300, 1 << 18, 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(resolution, steps, batch, repeats)
    finally:
        torch.set_num_threads(threads)


def _rows(resolution: int, steps: int, batch: int, repeats: int) -> list[dict[str, Any]]:
    decoder, codes = fitted(steps)
    field = NetworkField(decoder.for_shapes(codes))
    exact_runs, cheap_runs, per_point = [], [], []
    for _ in range(repeats):  # in turns, so that a busy machine slows all alike
        per_point.append(usual_seconds_per_point(decoder, codes, batch))
        exact_runs.append(extract(field, resolution))
        cheap_runs.append(extract(field, resolution, ExtractionSettings(pruning_precision="bfloat16")))
    exact, cheap = exact_runs[0], cheap_runs[0]
    marching = marching_seconds(resolution)
    dense = statistics.median(per_point) * exact.report.dense_points + marching
    peers = {"dense float32 as usually written + PyMCubes (extrapolated)": dense}
    same = np.array_equal(exact.mesh.faces, cheap.mesh.faces)
    shift = float(np.abs(exact.mesh.vertices - cheap.mesh.vertices).max()) if same else float("nan")
    return [
        _row(f"extract {resolution}, float32", exact_runs, peers, _note(exact, batch)),
        _row(
            f"extract {resolution}, bfloat16 pruning",
            cheap_runs,
            peers,
            f"{_note(cheap, batch)}; same faces as float32: {same}, largest vertex shift {shift:.1e}; pruning all in "
            f"bfloat16 would have moved the surface by up to {_bfloat16_shift(field, exact):.1e}",
        ),
    ]


def _bfloat16_shift(field: NetworkField, exact: Extraction) -> float:
    """How far from zero the bfloat16 field is on the true surface."""
    vertices = exact.mesh.vertices[::10]
    return float(np.abs(field.values(vertices, "bfloat16") - field.values(vertices)).max())


def _note(result: Extraction, batch: int) -> str:
    report = result.report
    levels = ", ".join(f"{level.resolution}: {level.points}" for level in report.levels)
    return (
        f"{report.points_evaluated} of {report.dense_points} points ({report.saving:.1f} times fewer; {levels}), "
        f"{len(result.mesh.vertices)} vertices with saliency; peer measured on one batch of {batch} points, one thread"
    )


def _row(name: str, runs: list[Extraction], peers: dict[str, float], note: str) -> dict[str, Any]:
    seconds = statistics.median(result.report.seconds for result in runs)
    return {"name": name, "ours_s": seconds, "peers": peers, "unit": "s per mesh", "note": note}
