"""Saliency maps of a store from the driver's side: make what is missing, measure all, keep tables and the page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from shapesys.cli.failure import page_if_possible
from shapesys.cli.output import plain
from shapesys.cli.progress import Progress
from shapesys.cli.saliency_checks import check_clouds, check_inference, check_settings, notes_on_networks
from shapesys.evaluation.planes import Planes, planes_of
from shapesys.report.saliency import SaliencyPage, build_saliency_page
from shapesys.reproduction.experiment import Experiment, Heard, done_before, perform_here
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.source_maps import SourceMaps, gathered, pieces_of
from shapesys.saliency.compared import Measured, line_of, measured, range_of, remarks, results_table
from shapesys.saliency.config import MapMetrics, MapSettings, MapSources
from shapesys.saliency.gallery import Gallery
from shapesys.saliency.kinds import used_by
from shapesys.saliency.makers import MapMaker, makers_of
from shapesys.saliency.map_file import add_to_file
from shapesys.samples.filesystem import Folder
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store
from shapesys.training.config import absolute
from shapesys.training.run_dir import RunDirectory, make_folder, write_json


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
    store, categories, makers = _opened(request)
    folder = request.folder.resolve()
    make_folder(folder, "--folder")
    with Folder(str(folder)).exclusive():
        failed, made, kept = _make(request, store, makers, folder)
        planes = planes_of(store, categories, request.metrics.planes(), request.metrics.split)
        found = {maker.key: _measure(request, store, maker, made[maker.key], planes, folder) for maker in makers}
        notes = [*notes_on_networks(makers, store), *remarks(planes, _measured_shapes(store, categories, request))]
        notes += [note for maker in makers for note in _note_failed(maker, made[maker.key])]
        notes += [note for maker in makers for note in _note_kept(maker, kept[maker.key], failed, request.settings)]
        result = _result(request, store, makers, made, found, planes) | {"failed": failed, "notes": notes}
        write_json(folder / "summary.json", plain(result))
        page = page_if_possible(lambda: _draw(request, store, makers, made, found, planes, notes, folder))
    return result | {"page": page, "seconds": time.monotonic() - started}


def rehearse_saliency(request: Request) -> list[dict[str, Any]]:
    """What `run_saliency` would make, and what is there already, after all of its checks; writes nothing.

    Raises:
        UsageError, ShapesysError: as `run_saliency`.
    """
    store, _, makers = _opened(request)
    root = request.folder.resolve() / "pieces"
    pieces = [piece for maker in makers for piece in pieces_of(maker, root, store.url, request.settings)]
    return [
        {
            "method": piece.method,
            "category": piece.categories[0],
            "shapes": len(store.shape_ids(None, piece.categories, "cloud")),
            "network": piece.network.path if piece.network else None,
            "made": piece.is_made(store),
        }
        for piece in pieces
    ]


def _opened(request: Request) -> tuple[Store, tuple[str, ...], list[MapMaker]]:
    """The store, its categories and who makes their maps, after everything that can be checked before the work."""
    check_settings(request.sources, request.settings)
    store = Store.open(absolute(request.sources.store))
    categories = tuple(dict.fromkeys(request.sources.categories or store.categories()))
    check_clouds(store, categories, request.settings, request.metrics)
    makers = makers_of(request.sources, categories, request.runs_root)
    check_inference(makers, request.settings)
    return store, categories, makers


def _make(
    request: Request, store: Store, makers: Sequence[MapMaker], folder: Path
) -> tuple[dict[str, str], dict[str, SaliencyMaps], dict[str, dict[str, Any]]]:
    """Why pieces failed, by name; every maker's maps, also in the files that training and evaluation read; and what
    these files keep of earlier commands."""
    pieces = {maker.key: pieces_of(maker, folder / "pieces", store.url, request.settings) for maker in makers}
    waiting = [piece for own in pieces.values() for piece in own]
    failed: dict[str, str] = {}
    with Progress("saliency", "sets of maps", len(waiting)) as line:
        # What is only looked at again must not count towards the rate.
        ended = done_before(waiting, lambda piece: piece.is_made(store))
        line(len(ended))

        def heard(item: Experiment, findings: list[Finding], why: str) -> None:
            ended.add(item.name)
            failed.update({item.name: why} if why else {})
            line(len(ended), failed=len(failed))

        _perform(request, store, waiting, folder, heard)
    done = {key: [piece for piece in own if piece.name not in failed] for key, own in pieces.items()}
    made = {maker.key: gathered(maker, done[maker.key], store) for maker in makers}
    kept = {key: add_to_file(folder / "maps" / f"{key}.parquet", maps) for key, maps in made.items()}
    return failed, made, kept


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
    pq.write_table(results_table(found, request.metrics), folder / "results" / f"{maker.key}.parquet")
    return found


def _measured_shapes(store: Store, categories: Sequence[str], request: Request) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.shapes(request.metrics.split, categories, "cloud", ()).to_pylist()
    return rows


def _note_failed(maker: MapMaker, maps: SaliencyMaps) -> list[str]:
    """A note on shapes without a map; those of other splits are in no table."""
    if not maps.failed:
        return []
    first, why = next(iter(maps.failed.items()))
    more = f" and {len(maps.failed) - 1} more" if len(maps.failed) > 1 else ""
    return [f"no map by {maker.method} of {first}{more}: {why}"]


def _note_kept(maker: MapMaker, kept: Mapping[str, Any], failed: Mapping[str, str], settings: MapSettings) -> list[str]:
    """A note on maps in the file that are not what this command would make."""
    used = used_by(maker.kind, settings)
    old = [name for name, facts in kept.items() if f"{maker.key}-{name}" in failed or facts["settings"] != used]
    return [f"maps/{maker.key}.parquet keeps earlier maps of {', '.join(old)}"] if old else []


def _result(
    request: Request,
    store: Store,
    makers: Sequence[MapMaker],
    made: dict[str, SaliencyMaps],
    found: dict[str, Measured],
    planes: Planes,
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
                "maps": folder / "maps" / f"{maker.key}.parquet" if made[maker.key].values else None,
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
