"""`shapesys reconstruct`: a mesh or a scan of the user's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shapesys.cli.output import Answer, seconds, table
from shapesys.cli.verb import verb


@verb(example="shapesys reconstruct chairs my_chair.obj -o chair.glb\nshapesys reconstruct chairs scan.ply")
@click.argument("run")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="MESH_OR_SCAN")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Mesh to write. [default: RUN-FILE.glb]")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--resolution", default=256, show_default=True, help="Cells along the box of the surface.")
@click.option("--queries", default=100_000, show_default=True, help="Samples drawn around a mesh.")
@click.option("--iterations", type=int, help="Steps of test-time optimisation. [default: the run's]")
@click.option("--restarts", type=int, help="Initial codes to try. [default: the run's]")
@click.option("--seed", default=0, show_default=True, help="Seed of samples and of initial codes.")
def command(run: str, path: Path, out: Path | None, runs_root: str, resolution: int, queries: int, seed: int,
            **inference: int | None) -> Answer:  # fmt: skip
    """Reconstruct a mesh, or a scan with normals, with RUN's network, coloured by saliency, in the file's frame."""
    from shapesys.evaluation.reconstruct import reconstruct
    from shapesys.geometry.write import write_mesh
    from shapesys.training.run_dir import find

    found = find(run, runs_root)
    changes = {name: value for name, value in inference.items() if value is not None}
    started = time.monotonic()
    made = reconstruct(found, path, resolution, changes, queries, seed)
    target = out or Path(f"{found.name}-{path.stem}.glb")
    colour = next(iter(made.mesh.attributes), None)
    write_mesh(made.mesh, target, colour)
    data: dict[str, Any] = {
        "mesh": target.resolve(),
        "observed": made.observed,
        "vertices": len(made.mesh.vertices),
        "faces": len(made.mesh.faces),
        "coloured_by": colour,
        "seconds": time.monotonic() - started,
        **made.facts,
    }
    shown = data | {"seconds": seconds(data["seconds"])}
    notes = [f"note: {made.report.cut}"] if made.report.cut else []
    return Answer(data, [table("", ("reconstructed", str(path)), list(shown.items())), *notes])
