"""`shapesys predict`: clouds, meshes and images of the user's own."""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.inference_option import inference_changes, inference_option
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, UsageError, in_words

if TYPE_CHECKING:
    from shapesys.evaluation.predict import RecognisedCloud, SegmentedImage

Told = dict[str, Any]
MOST_CLASSES = 5
_CHANGE = "votes=12"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@verb(
    example="shapesys predict classes my_chair.ply scan.xyz\n"
    "shapesys predict parts my_chair.ply --category chair -o chair_parts.ply\n"
    "shapesys predict pixels photo.jpg --inference 'superpixels=[100,400]' -o photo.png"
)
@click.argument("run")
@click.argument("paths", type=_FILE, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, or a folder for those of several FILEs. [default: RUN-FILE.ply or RUN-FILE.png]",
)
@click.option("--category", default="", help="What the shapes are, where parts are predicted; only its parts are used.")
@inference_option(_CHANGE)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--seed", default=0, show_default=True, help="Seed of points drawn on meshes, and of votes.")
def command(run: str, paths: tuple[Path, ...], out: Path | None, category: str, inference: tuple[str, ...],
            runs_root: str, seed: int) -> Answer:  # fmt: skip
    """Recognise clouds, meshes or images of your own with RUN's network: no store is needed.

    A cloud gets its class with the likeliest others, or a part for every point, as a coloured PLY with an integer
    property 'label'; an image gets superpixels, as a PNG of labels and one of outlines. A mesh is sampled first.
    """
    from shapesys.evaluation.predict import Predictor
    from shapesys.training.run_dir import find

    found = find(run, runs_root)
    targets = _targets(out, paths, found.name)
    predictor = Predictor.open(found, inference_changes(inference, _CHANGE), seed)
    told: list[Told] = []
    for path, target in zip(paths, targets, strict=True):
        try:
            told.append(_told(path, predictor.predict(path, category), target, out is not None))
        except UsageError:
            raise
        except ShapesysError as error:
            if len(paths) == 1:
                raise ShapesysError(f"{path}: {error}") from None
            # The other files have nothing to do with it.
            told.append({"file": path, "failed": in_words(error)})
    failed = any("failed" in entry for entry in told)
    return Answer(
        {"run": found.path, "files": told}, [item for entry in told for item in _shown(entry)], exit_code=int(failed)
    )


def _targets(out: Path | None, paths: Sequence[Path], run: str) -> list[Path]:
    """Where the prediction of every file goes, no two to one place, without its ending where nobody chose one."""
    if out is not None and len(paths) == 1 and not out.is_dir():
        return [out]
    stems = Counter(path.stem for path in paths)
    # Files of one name come from folders that tell them apart, such as one per shape.
    names = [path.stem if stems[path.stem] == 1 else f"{path.absolute().parent.name}-{path.stem}" for path in paths]
    return [Path(f"{run}-{name}") if out is None else out / name for name in _numbered(names)]


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, those that are taken with a number behind them."""
    free: list[str] = []
    for name in names:
        tries = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        free.append(next(one for one in tries if one not in free))
    return free


def _told(path: Path, found: RecognisedCloud | SegmentedImage, target: Path, asked: bool) -> Told:
    """Write what is to be written of a file, and tell it."""
    from shapesys.evaluation.predict import RecognisedCloud

    if not isinstance(found, RecognisedCloud):
        return {"file": path, **_write_superpixels(found, _beside(path, _ending(target, ".png")))}
    told: Told = {"file": path, "observed": found.observed, "points": len(found.points)}
    if found.classes:
        odds = found.classes[:MOST_CLASSES]
        told |= {"classes": [{"category": name, "probability": share} for name, share in odds]}
    if found.parts is not None:
        told |= _write_parts(found, _beside(path, _ending(target, ".ply")))
    elif asked:
        raise UsageError("the run predicts classes, of which nothing is written; leave out -o, or use --json")
    return told


def _write_parts(found: RecognisedCloud, target: Path) -> Told:
    """The cloud with its parts, and how many points each has."""
    import numpy as np

    from shapesys.evaluation.labels import legend, part_colours, part_labels
    from shapesys.geometry.colormap import label_colours
    from shapesys.geometry.write import write_points

    assert found.parts is not None
    vocabulary, parts = found.vocabulary, found.parts
    colours = part_colours(parts, vocabulary, found.category) if found.category else label_colours(parts)
    with _writing(target):
        written = write_points(found.points, {"label": parts}, target, colours, legend(vocabulary))
    numbers, counts = np.unique(parts, return_counts=True)
    names = part_labels(vocabulary)
    held = [
        {"label": int(number), "part": names[number], "points": int(count), "colour": _hex(colours[parts == number][0])}
        for number, count in zip(numbers, counts, strict=True)
    ]
    return {"category": found.category or None, "parts": held, "written": written.resolve()}


def _write_superpixels(found: SegmentedImage, target: Path) -> Told:
    """Labels and outlines for every number of superpixels."""
    from shapesys.evaluation.pictures import write_labels, write_outlined

    maps = []
    for asked, labels in sorted(found.maps.items()):
        place = target if len(found.maps) == 1 else target.with_suffix(f".{asked}.png")
        with _writing(place):
            outlines = write_outlined(found.pixels, labels, place.with_suffix(".outlines.png"))
            written = write_labels(labels, place)
        actual = int(labels.max()) + 1
        maps.append(
            {"asked": asked, "superpixels": actual, "labels": written.resolve(), "outlines": outlines.resolve()}
        )
    height, width = found.pixels.shape[:2]
    return {"width": width, "height": height, "maps": maps}


def _ending(target: Path, suffix: str) -> Path:
    """The target with the one ending that can be written."""
    if target.suffix.lower() == suffix:
        return target
    if target.suffix.lower() in (".ply", ".png", ".glb", ".obj", ".xyz", ".jpg", ".npy"):
        raise UsageError(f"cannot write '{target.name}': the ending must be {suffix}")
    return target.with_name(target.name + suffix)


def _beside(path: Path, target: Path) -> Path:
    """The target, which is not the file that was read.

    Raises:
        UsageError: it is.
    """
    if target.resolve() == path.resolve():
        raise UsageError(f"the prediction would take the place of {path} itself; name another place with -o")
    return target


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """A place that cannot be written to, as a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = error.strerror or error
        raise UsageError(f"cannot write {target}: {reason}; name another place with -o") from error


def _hex(colour: Any) -> str:
    return "#" + "".join(f"{int(channel):02x}" for channel in colour)


def _shown(told: Told) -> list[Any]:
    """One file's answer: a line, and a table below it."""
    if "failed" in told:
        return [f"{told['file']}: {told['failed']}"]
    rows, columns, right = _rows(told)
    written = f": {told['written']}" if "written" in told else ""
    return [f"{told['file']}{written}", table("", columns, rows, right)]


def _rows(told: Told) -> tuple[list[tuple[Any, ...]], tuple[str, ...], tuple[str, ...]]:
    """Rows, headings and the columns of numbers."""
    kind = next(name for name in _COLUMNS if name in told)
    columns, right = _COLUMNS[kind]
    return [tuple(one[name] for name in columns) for one in told[kind]], columns, right


_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "maps": (("asked", "superpixels", "labels", "outlines"), ("asked", "superpixels")),
    "parts": (("label", "part", "points", "colour"), ("label", "points")),
    "classes": (("category", "probability"), ("probability",)),
}
