"""Settings of screened Poisson reconstruction: the solver, where normals come from, and what is done with a cloud."""

from __future__ import annotations

from typing import Literal

from shapesys.config.base import Config, Search, setting


class PoissonConfig(Config):
    """The method; the defaults of its authors' code, as Open3D has them."""

    depth: int = setting(
        8,
        help="depth of the octree: where points are dense, its cells are as small as the cube's side / 2^depth",
        ge=5,
        le=12,
        search=Search(choices=(6, 7, 8, 9)),
    )
    samples_per_node: float = setting(
        1.5,
        help="least points in a cell of the octree: 1 to 5 where points are clean, 15 to 20 where they are noisy",
        ge=1,
        search=Search(1, 20, log=True),
    )
    point_weight: float = setting(
        2.0,
        help="weight of the points beside that of the normals (screening); 0: the method of 2006, without",
        ge=0,
        search=Search(0.5, 16, log=True),
    )
    scale: float = setting(1.1, help="side of the cube that is solved in, of the longest side of the cloud's box", ge=1)
    linear_fit: bool = setting(
        False, help="place vertices by linear interpolation between two nodes, and not by the slopes there, too"
    )
    normals: Literal["given", "estimated"] = setting(
        "given", help="take the cloud's normals, or estimate them from its points alone"
    )
    neighbours: int = setting(
        30,
        help="points whose plane of least squares gives a point its normal",
        needs="normals=estimated",
        ge=3,
    )
    orientation_neighbours: int = setting(
        10,
        help="points beside each over which normals are turned to agree, from neighbour to neighbour (consistent "
        "tangent planes)",
        needs="normals=estimated",
        ge=3,
    )


class PoissonInference(Config):
    """What is done with an unseen cloud."""

    points: int | None = setting(None, help="points of the cloud that are seen, at random; all where not given", ge=1)
    trim: float = setting(
        0.0,
        help="share of the vertices, those with the least points about them, that is cut away; 0 leaves a closed "
        "surface",
        ge=0,
        lt=1,
        search=Search(0.0, 0.2),
    )
