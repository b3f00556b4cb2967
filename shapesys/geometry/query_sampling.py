"""Where distances are asked for: dense near the surface, thin in the rest of the domain (DeepSDF, Park et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.topology import Flags

STAGE = "query sampling"
MOST_REDRAWS = 64


class Domain(StrEnum):
    """The region that holds every query."""

    BALL = "ball"
    """The unit ball, as ISSN (arXiv 2012.07290) samples."""
    CUBE = "cube"
    """[-1, 1]^3, as DeepSDF samples."""


@dataclass(frozen=True)
class NearSurface:
    """Gaussian noise of one standard deviation about surface points.

    Attributes:
        std: per coordinate, in units of the normalised frame.
        share: of all queries, 0..1.
    """

    std: float
    share: float


@dataclass(frozen=True)
class QuerySampling:
    """Settings that belong into a store's metadata: without them, samples of two stores cannot be compared.

    The defaults are DeepSDF's released sampler (variances 0.005 and 0.0005 for 47 of 50 points) with ISSN's count and
    domain. Noise that leaves the domain is drawn again from the same surface point.

    Attributes:
        count: queries per shape.
        near: what is sampled about the surface; the shares' sum, at most 1, leaves the rest to uniform points.
        domain: the region of the uniform points, and of all others.

    Raises:
        ValueError: a negative count or std, or shares that do not fit into 1.
    """

    count: int = 250_000
    near: tuple[NearSurface, ...] = (NearSurface(math.sqrt(0.005), 0.47), NearSurface(math.sqrt(0.0005), 0.47))
    domain: Domain = Domain.BALL

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count is {self.count}; it must be 0 or more")
        for part in self.near:
            if not (part.std >= 0.0 and part.share >= 0.0):
                raise ValueError(f"near-surface part {part} has a negative std or share")
        if sum(part.share for part in self.near) > 1.0 + 1e-9:
            raise ValueError(f"near-surface shares {[part.share for part in self.near]} sum to more than 1")

    def as_metadata(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "domain": self.domain.value, "near": [asdict(part) for part in self.near]}


def sample_queries(mesh: Mesh, sampling: QuerySampling, seed: int) -> Floats:
    """Shuffled query points (count, 3) float32 about a mesh in the normalised frame; same arguments, same points.

    Raises:
        ShapeRejected: the mesh has no area, or lies outside the domain.
    """
    rng = np.random.default_rng(seed)
    counts = [round(sampling.count * part.share) for part in sampling.near]
    stds = np.repeat([part.std for part in sampling.near], counts)[: sampling.count]
    inside = _INSIDE[sampling.domain]
    surface = sample_surface(mesh, len(stds), int(rng.integers(2**32))).points if len(stds) else np.zeros((0, 3))
    # Surface points come in face order; each std must see all of the surface.
    near = _perturbed(surface[rng.permutation(len(surface))], stds, inside, rng)
    uniform = _uniform(sampling.count - len(stds), sampling.domain, rng)
    points = np.concatenate([near, uniform]).astype(np.float32)
    return points[rng.permutation(len(points))]


def _perturbed(surface: Floats, stds: Floats, inside: Callable[[Floats], Flags], rng: np.random.Generator) -> Floats:
    """Surface points (n, 3) plus noise, redrawn while it leaves the domain."""
    points = surface + rng.normal(size=surface.shape) * stds[:, None]
    for _ in range(MOST_REDRAWS):
        outside = np.flatnonzero(~inside(points))
        if len(outside) == 0:
            return points
        points[outside] = surface[outside] + rng.normal(size=(len(outside), 3)) * stds[outside, None]
    raise ShapeRejected(STAGE, f"{len(outside)} near-surface queries stay outside the domain; normalise the mesh first")


def _uniform(count: int, domain: Domain, rng: np.random.Generator) -> Floats:
    if domain is Domain.CUBE:
        return rng.uniform(-1.0, 1.0, (count, 3))
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * np.cbrt(rng.random((count, 1)))


def _in_ball(points: Floats) -> Flags:
    return np.einsum("ij,ij->i", points, points) <= 1.0


def _in_cube(points: Floats) -> Flags:
    return np.asarray(np.abs(points).max(axis=1) <= 1.0)


_INSIDE = {Domain.BALL: _in_ball, Domain.CUBE: _in_cube}
