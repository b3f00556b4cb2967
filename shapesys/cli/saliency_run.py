"""Saliency maps of a store from the driver's side: make what is missing, measure all, keep tables and the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.cli.failure import page_if_possible
from shapesys.cli.output import plain
from shapesys.cli.progress import Progress
from shapesys.errors import ShapesysError
from shapesys.evaluation.planes import Planes, planes_of
from shapesys.report.saliency import SaliencyPage, build_saliency_page
from shapesys.reproduction.experiment import Experiment, Heard, perform_here
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.source_maps import SourceMaps, gathered, pieces_of
from shapesys.saliency.compared import Measured, line_of, measured, range_of, remarks
from shapesys.saliency.config import MapMetrics, MapSettings, MapSources
from shapesys.saliency.gallery import Gallery
from shapesys.saliency.makers import MapMaker, makers_of
from shapesys.saliency.maps import stored_points
from shapesys.samples.filesystem import Folder
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store
from shapesys.training.config import absolute
from shapesys.training.run_dir import RunDirectory, read_json, write_json


@dataclass(frozen=True)
class Request:
    """What a command line asks for.

    Attributes:
        folder: of maps, tables and page.
        pictured: shapes of each category on the page.
    """

    sources: MapSources
    settings: MapSettings
    metrics: MapMetrics
    folder: Path
    runs_root: str
    pictured: int
    address: str | None = None
    workers: int | None = None
    local: bool = False


def run_saliency(request: Request) -> dict[str, Any]:
    """Make, measure and draw; networks that fail are told, not raised.

    Raises:
        UsageError: nobody makes maps, or a name means nothing.
        ShapesysError: the store lacks what is needed, or no worker can be started.
    """
    started = time.monotonic()
    store = Store.open(absolute(request.sources.store))
    categories = tuple(request.sources.categories or store.categories())
    _check_clouds(store, categories, request)
    makers = makers_of(request.sources, categories, request.runs_root)
    folder = request.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with Folder(str(folder)).exclusive():
        failed, made = _make(request, store, makers, folder)
        planes = planes_of(store, categories, request.metrics.planes(), request.metrics.split)
        found = {maker.key: _measure(request, store, maker, made[maker.key], planes, folder) for maker in makers}
        notes = [*_trained_elsewhere(makers, store), *remarks(planes, _measured_shapes(store, categories, request))]
        result = _result(request, store, makers, found, planes) | {"failed": failed, "notes": notes}
        write_json(folder / "summary.json", plain(result))
        page = page_if_possible(lambda: _draw(request, store, makers, made, found, planes, notes, folder))
    return result | {"page": page, "seconds": time.monotonic() - started}


def _check_clouds(store: Store, categories: Sequence[str], request: Request) -> None:
    """Refuse before the work what every method would stumble over."""
    store.require("cloud", ["points"])
    if not store.shape_ids(request.metrics.split, categories, "cloud"):
        raise ShapesysError(
            f"store '{store.url}' has no cloud of split '{request.metrics.split}' and of {', '.join(categories)}; "
            "choose what is measured with --split or --categories"
        )
    for category in categories:
        stored_points(store, store.shape_ids(None, [category], "cloud")[:1], request.settings.points)


def _make(
    request: Request, store: Store, makers: Sequence[MapMaker], folder: Path
) -> tuple[dict[str, str], dict[str, SaliencyMaps]]:
    """Why pieces failed, by name, and every maker's maps, also as the files that training and evaluation read."""
    pieces = {maker.key: pieces_of(maker, folder / "pieces", store.url, request.settings) for maker in makers}
    waiting = [piece for own in pieces.values() for piece in own]
    failed: dict[str, str] = {}
    with Progress("saliency", "sets of maps", len(waiting)) as line:
        ended: list[str] = []

        def heard(item: Experiment, findings: list[Finding], why: str) -> None:
            ended.append(item.name)
            failed.update({item.name: why} if why else {})
            line(len(ended), failed=len(failed))

        _perform(request, store, waiting, folder, heard)
    made = {}
    for maker in makers:
        whole = gathered(maker, [piece for piece in pieces[maker.key] if piece.name not in failed], store)
        (folder / "maps").mkdir(exist_ok=True)
        whole.write(folder / "maps" / f"{maker.key}.parquet")
        made[maker.key] = whole
    return failed, made


def _perform(request: Request, store: Store, waiting: Sequence[SourceMaps], folder: Path, heard: Heard) -> None:
    if not request.local:
        from shapesys.on_ray.experiments import Places, run_beside

        places = Places(request.workers)
        run_beside(RunDirectory(folder), store.url, waiting, heard, request.address, places, "--folder")
        return
    perform_here(waiting, heard)


def _measure(
    request: Request, store: Store, maker: MapMaker, maps: SaliencyMaps, planes: Planes, folder: Path
) -> Measured:
    """One method's maps, measured; a row for each shape goes to a table of its own."""
    found = measured(maps, store, planes, request.metrics, list(maker.runs))
    (folder / "results").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(found.rows)), folder / "results" / f"{maker.key}.parquet")
    return found


def _measured_shapes(store: Store, categories: Sequence[str], request: Request) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.shapes(request.metrics.split, categories, "cloud", ()).to_pylist()
    return rows


def _trained_elsewhere(makers: Sequence[MapMaker], store: Store) -> list[str]:
    """A note on networks of another store: codes belong to shape ids, which may mean other shapes there."""
    digest = store.digest()
    runs = {run.path: run for maker in makers if maker.kind == "fields" for run in maker.runs.values() if run}
    others = [run.name for run in runs.values() if _trained_on(run) not in ("", digest)]
    if not others:
        return []
    return [
        f"trained on another store, or on this one before it changed: {', '.join(others)}; a shape whose id is one of "
        "their training shapes' gets the code that was trained for that"
    ]


def _trained_on(run: RunDirectory) -> str:
    """The digest of the store that a run was trained on; empty where nobody noted it."""
    return str(read_json(run.provenance)["data_digest"] or "") if run.provenance.is_file() else ""


def _result(
    request: Request, store: Store, makers: Sequence[MapMaker], found: dict[str, Measured], planes: Planes
) -> dict[str, Any]:
    folder = request.folder.resolve()
    methods = []
    for maker in makers:
        one = found[maker.key]
        methods.append(
            {
                "method": maker.method,
                "measures": {scaling: line_of(one, scaling) for scaling in request.metrics.scaling},
                "range": range_of(one),
                "shapes": len(one.rows),
                "no_plane": one.no_plane,
                "asymmetric": one.asymmetric,
                "failed": one.failed,
                "categories": {
                    name: {scaling: line_of(one, scaling, name) for scaling in request.metrics.scaling}
                    for name in one.summary.categories
                },
                "maps": folder / "maps" / f"{maker.key}.parquet",
                "results": folder / "results" / f"{maker.key}.parquet",
            }
        )
    words = {category: plane.in_words() for category, plane in planes.categories.items()}
    return {"store": store.url, "split": request.metrics.split, "methods": methods, "planes": words}


def _draw(
    request: Request,
    store: Store,
    makers: Sequence[MapMaker],
    made: dict[str, SaliencyMaps],
    found: dict[str, Measured],
    planes: Planes,
    notes: Sequence[str],
    folder: Path,
) -> Path:
    gallery = Gallery(folder / "pictures", store)
    shown = gallery.shown(request.metrics.split, list(planes.categories), request.pictured)
    page = SaliencyPage(
        store=store.url,
        metrics=request.metrics,
        methods=list(found.values()),
        planes=planes.categories,
        notes=notes,
        maps={maker.method: gallery.maps(maker.key, made[maker.key], shown) for maker in makers},
        mirrored=gallery.planes(planes, shown),
    )
    return build_saliency_page(page, folder / "page.html")
