"""`shapesys reconstruct`: a mesh, a scan or a picture of the user's own."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.inference_option import inference_changes, inference_option
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.errors import UsageError
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from shapesys.evaluation.reconstruct import Reconstruction, Spread
    from shapesys.fields.field import Field
    from shapesys.geometry.mesh import Mesh
    from shapesys.geometry.placement import Axis
    from shapesys.training.run_dir import RunDirectory

_CHANGE = "schedule=objects"
_PARTS = ("salient", "instance")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Share(click.FloatRange):
    """A number within a range; NaN, which no comparison finds outside, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not in the range {self._describe_range()}.", param, ctx)
        return found


@verb(
    example="shapesys reconstruct chairs my_chair.obj -o chair.glb\n"
    "shapesys reconstruct chairs my_chair.obj --salient-quantile 0.6\n"
    "shapesys reconstruct chairs scan.ply --points scan.ply\n"
    "shapesys reconstruct rooms room.ply --up z --unit 3 --inference schedule=windows --workers 4"
)
@click.argument("run")
@click.argument("path", type=_FILE, metavar="FILE")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Mesh to write. [default: RUN-FILE.glb]")
@click.option(
    "--salient-threshold",
    type=_Share(0, 1),
    help="Also cut the mesh at this saliency: OUT.salient.glb, which the category shares, and OUT.instance.glb.",
)
@click.option(
    "--salient-quantile",
    type=_Share(0, 1),
    help="The same, at the saliency that this share of the surface's area lies below: the share that is "
    "instance-specific.",
)
@click.option(
    "--points",
    "cloud",
    type=_FILE,
    help="Also give every point of this cloud, in the frame of FILE, its saliency: OUT.points.ply.",
)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--resolution", default=256, show_default=True, help="Cells along the box of the surface.")
@click.option(
    "--close-at-box", is_flag=True, help="Cap a surface that leaves the field's box instead of leaving it open."
)
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Most samples drawn around a mesh; not more than the run draws around a cloud.",
)
@inference_option(_CHANGE)
@click.option("--iterations", type=int, help="Steps of test-time optimisation. [default: the run's]")
@click.option("--restarts", type=int, help="Initial codes to try. [default: the run's]")
@click.option(
    "--up",
    type=click.Choice(("x", "y", "z", "-x", "-y", "-z")),
    default="y",
    show_default=True,
    help="The file's axis that points up, where RUN learned shapes that stand along y; of a camera's frame -y.",
)
@click.option(
    "--unit",
    type=float,
    help="Length in the file's unit that is 1 in RUN's, for scenes larger than those it learned. [default: the file is "
    "as large as a shape that it learned]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Of a scene that RUN sees window by window: Ray actors that share the windows. [default: none, this process]",
)
@click.option("--address", help="Ray cluster to run them on. [default: one started here]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of samples and of initial codes."
)
def command(run: str, path: Path, out: Path | None, salient_threshold: float | None, salient_quantile: float | None,
            cloud: Path | None, runs_root: str, resolution: int, close_at_box: bool, queries: int, seed: int,
            inference: tuple[str, ...], up: Axis, unit: float | None, workers: int | None, address: str | None,
            **steps: int | None) -> Answer:  # fmt: skip
    """Reconstruct FILE, a mesh, a scan or a picture, with RUN's network, coloured by saliency where it has one, in the
    file's frame.

    A scan needs normals, but for families that learn without signs (sal, sald, digs) or see points alone (convonet,
    onet, tdgn). Of a picture, for runs that learned from pictures (onet, tdgn), the object is found by alpha or before
    a plain background; the mesh lies in the frame of the shapes that were learned. Where RUN fits a network to each
    shape, it fits one to this; where it sees a scene window by window, Ray actors can share the windows."""
    from shapesys.cli.progress import Progress
    from shapesys.evaluation.reconstruct import reconstruct
    from shapesys.fields.extraction import ExtractionSettings
    from shapesys.geometry.placement import Placement
    from shapesys.geometry.points import read_points
    from shapesys.geometry.write import check_suffix, write_mesh
    from shapesys.training.run_dir import find

    if salient_threshold is not None and salient_quantile is not None:
        raise UsageError(
            f"--salient-threshold {salient_threshold:g} and --salient-quantile {salient_quantile:g} both say where to "
            "cut; give one of them"
        )
    found = find(run, runs_root)
    target = check_suffix(out or Path(f"{found.name}-{path.stem}.glb"))
    points = None if cloud is None else read_points(cloud)[0]
    changes = inference_changes(inference, _CHANGE)
    changes |= {name: value for name, value in steps.items() if value is not None}
    started = time.monotonic()
    settings, placement = ExtractionSettings(close_at_box=close_at_box), Placement(up, unit)
    spread = windows_on_actors(found, workers, address) if workers or address else nullcontext
    with Progress("fit", "iterations") as line:
        made = reconstruct(found, path, resolution, changes, queries, seed, settings, line, spread, placement)
    colour = next(iter(made.mesh.attributes), None)
    write_mesh(made.mesh, target, colour)
    written: dict[str, Any] = {"mesh": target.resolve()}
    if salient_quantile is not None:
        salient_threshold = made.salient_threshold(salient_quantile)
    if salient_threshold is not None:
        written |= {"salient_threshold": salient_threshold} | _write_parts(made, salient_threshold, target)
    if points is not None:
        written["points"] = _write_points(made, points, target)
    data = written | {
        "observed": made.observed,
        "vertices": len(made.mesh.vertices),
        "faces": len(made.mesh.faces),
        "coloured_by": colour,
        "seconds": time.monotonic() - started,
        **made.facts,
    }
    shown = data | {"seconds": duration(data["seconds"])}
    notes = [f"note: {text}" for text in (made.report.cut, too_coarse(made, resolution)) if text]
    return Answer(data, [table("", ("reconstructed", str(path)), list(shown.items())), *notes])


def too_coarse(made: Reconstruction, resolution: int) -> str:
    """What a surface of a large scene lacks of what its network knows; empty where nothing."""
    known, cell = made.facts.get("feature_cell", math.inf), made.field.traits.box.longest_side / resolution
    if cell <= known:
        return ""
    unit = made.frame.scale * made.placed.unit
    return (
        f"the surface is made of cells {cell * unit:.3g} wide, the network's features of cells {known * unit:.3g}; "
        f"--resolution {math.ceil(resolution * cell / known)} shows all that it knows"
    )


def windows_on_actors(run: RunDirectory, workers: int | None, address: str | None) -> Spread:
    """What lets Ray actors answer for a scene's windows.

    Raises:
        UsageError: the run sees no windows.
    """
    from shapesys.families import registry
    from shapesys.fields.windows import BlendedField
    from shapesys.training.config import load_job

    job = load_job(run.config)
    if not registry.load(job.family).sees_windows(job.model):
        raise UsageError(
            f"--workers is for runs that see scenes window by window, and '{run.name}' does not; leave it out"
        )

    def spread(field: Field) -> AbstractContextManager[Field]:
        from shapesys.on_ray.windows import spread as on_actors

        assert isinstance(field, BlendedField)
        return on_actors(field, workers or 1, address)

    return spread


def _write_parts(made: Reconstruction, threshold: float, target: Path) -> dict[str, Path | None]:
    """Both parts in the colours of the whole; None for one that has no face."""
    parts = replace(made, mesh=_coloured(made.mesh)).salient_parts(threshold)
    return {name: _write_part(part, _beside(target, name)) for name, part in zip(_PARTS, parts, strict=True)}


def _write_part(part: Mesh, path: Path) -> Path | None:
    from shapesys.geometry.write import write_mesh

    if part.is_empty:
        # One of an earlier threshold would pass for this one's.
        path.unlink(missing_ok=True)
        return None
    return write_mesh(part, path).resolve()


def _coloured(mesh: Mesh) -> Mesh:
    """The mesh with its first attribute's colours as an attribute, which a cut then interpolates."""
    from shapesys.geometry.colormap import viridis
    from shapesys.geometry.write import COLOR

    values = next(iter(mesh.attributes.values()), None)
    return mesh if values is None else replace(mesh, attributes=mesh.attributes | {COLOR: viridis(values) / 255.0})


def _write_points(made: Reconstruction, points: Any, target: Path) -> Path:
    from shapesys.geometry.write import write_points

    return write_points(points, made.attributes_at(points), _beside(target, "points").with_suffix(".ply")).resolve()


def _beside(target: Path, name: str) -> Path:
    """'chair.glb' -> 'chair.salient.glb'."""
    return target.with_suffix(f".{name}{target.suffix}")
