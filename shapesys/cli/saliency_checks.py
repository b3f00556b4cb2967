"""What `shapesys saliency` refuses before the work, and what a person should know of the networks that make maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shapesys.config.base import changed
from shapesys.errors import ShapesysError, UsageError
from shapesys.saliency.config import MapMetrics, MapSettings, MapSources
from shapesys.saliency.makers import MapMaker
from shapesys.saliency.maps import stored_points
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.run_dir import RunDirectory, read_json


def check_settings(sources: MapSources, settings: MapSettings) -> None:
    """Refuse settings that do not go together.

    Raises:
        UsageError: more neighbours than points.
    """
    if sources.pca and settings.neighbours >= settings.points:
        raise UsageError(
            f"--neighbours {settings.neighbours} with --points {settings.points}: a point has "
            f"{settings.points - 1} others; lower --neighbours, raise --points, or leave PCA out with --no-pca"
        )


def check_clouds(store: Store, categories: Sequence[str], settings: MapSettings, metrics: MapMetrics) -> None:
    """Refuse clouds that every method would stumble over.

    Raises:
        UsageError: an unknown category.
        ShapesysError: the store has no clouds, none to measure, or a category has none that is large enough.
    """
    store.require("cloud", ["points"])
    if not store.shape_ids(metrics.split, categories, "cloud"):
        raise ShapesysError(
            f"store '{store.url}' has no cloud of split '{metrics.split}' and of {', '.join(categories)}; "
            "choose what is measured with --split or --categories"
        )
    for category in categories:
        _check_one_is_large(store, store.shape_ids(None, [category], "cloud"), settings.points)


def _check_one_is_large(store: Store, shape_ids: Iterable[str], count: int) -> None:
    """Refuse a category whose clouds are all too small; a single one only goes without a map."""
    first: ShapesysError | None = None
    for shape_id in shape_ids:
        try:
            stored_points(store, [shape_id], count)
        except ShapesysError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def check_inference(makers: Sequence[MapMaker], settings: MapSettings) -> None:
    """Refuse inference settings that a network does not have: every shape would fail by them.

    Raises:
        UsageError: names the network and the nearest settings.
    """
    for run in _runs(makers, "fields"):
        try:
            changed(chosen_of(run).job().inference, settings.inference)
        except UsageError as error:
            raise UsageError(f"--inference does not fit run '{_name(run)}': {error}") from None


def notes_on_networks(makers: Sequence[MapMaker], store: Store) -> list[str]:
    """What a person should know of the networks: that some are of another store, or have not finished."""
    return [*_trained_elsewhere(makers, store), *_unfinished(makers)]


def _trained_elsewhere(makers: Sequence[MapMaker], store: Store) -> list[str]:
    """Codes belong to shape ids, which may mean other shapes in another store."""
    digest = store.digest()
    others = [_name(run) for run in _runs(makers, "fields") if _trained_on(run) not in ("", digest)]
    if not others:
        return []
    return [
        f"trained on another store, or on this one before it changed: {', '.join(others)}; a shape whose id is one of "
        "their training shapes' gets the code that was trained for that"
    ]


def _trained_on(run: RunDirectory) -> str:
    """The digest of the store that a run was trained on; empty where nobody noted it."""
    return str(read_json(run.provenance)["data_digest"] or "") if run.provenance.is_file() else ""


def _unfinished(makers: Sequence[MapMaker]) -> list[str]:
    """A checkpoint on the way says less than the last one, and the next one would give other maps."""
    states = {_name(run): _state(run) for run in _runs(makers, "fields", "classifier")}
    found = [f"{name} ({state})" for name, state in states.items() if state != "finished"]
    if not found:
        return []
    return [
        f"not trained to the end: {', '.join(found)}; their maps are those of the last checkpoint so far. The command "
        "that trains them goes on"
    ]


def _state(run: RunDirectory) -> str:
    """The state of a run's training; finished where nobody noted it."""
    return str(read_json(run.status).get("state", "finished")) if run.status.is_file() else "finished"


def _runs(makers: Sequence[MapMaker], *kinds: str) -> list[RunDirectory]:
    """The networks of makers of some kinds, each once."""
    found = {run.path: run for maker in makers if maker.kind in kinds for run in maker.runs.values() if run}
    return list(found.values())


def _name(run: RunDirectory) -> str:
    """A run as commands take it."""
    return f"{run.network_set.name}/{run.name}" if run.network_set else run.name
