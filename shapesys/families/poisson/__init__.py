"""Screened Poisson surface reconstruction (SPSR; Kazhdan and Hoppe, ACM Transactions on Graphics 32(3), 2013): what
learned reconstruction from point clouds is measured against.

The idea in five lines. The gradient of a solid's indicator function is zero but at the surface, where it is the
surface's normal. Points with outward normals are samples of it, so the function is the one whose gradient is closest
to them, the solution of a Poisson equation; screening asks it to have one value at all of the points besides. It is
solved on an octree that is as fine as the points are dense, and its level set is the surface, closed wherever the cube
about the points does not end it. Nothing is learned: there are settings, and no parameters.

The solver is the authors' own code, in Open3D (MIT): of what has wheels for Linux, macOS and current Pythons and is no
GPL it is the lightest; PyMeshLab is GPL, pypoisson2 is source to be compiled.

Legend: M points of a cloud, V vertices.

What differs from Open3D's examples, and our choices:
- one thread: several add numbers in an order that changes from run to run, and sometimes end the process;
- estimated normals agree on a side at best, and not on which one it is: where those of the outermost points in many
  directions look inward, all are turned;
- trimming: triangles are cut along the line of equal density, as the authors' own trimmer does, and not dropped whole;
- orientation: over 10 neighbours. The more there are, the sooner an edge leaps from one side of a thin part to the
  other: of procedural chairs, 15 and more left near half of the normals on the wrong side.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.poisson.config import PoissonConfig, PoissonInference
from shapesys.families.poisson.inference import columns, infer, observe_cloud, observe_points
from shapesys.families.poisson.method import build
from shapesys.families.poisson.presets import PRESETS

FAMILY = Family(
    name="poisson",
    summary="screened Poisson surface reconstruction (SPSR) of clouds with given or estimated normals; learns nothing",
    config=PoissonConfig,
    presets=PRESETS,
    needs=(Need("cloud", ("points",)),),
    columns=columns,
    traits=Traits(trained=False),
    build=build,
    inference=PoissonInference,
    infer=infer,
    observe_cloud=observe_cloud,
    observe_points=observe_points,
)
