"""Who makes maps: geometry, networks of fields and classifiers of the user's own, each for the categories it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapesys.errors import ShapesysError, UsageError
from shapesys.families import registry
from shapesys.fields.network_field import SALIENCY
from shapesys.saliency.config import MapSources
from shapesys.saliency.kinds import SALIENT, Kind
from shapesys.training.checkpoint import chosen_of, latest
from shapesys.training.config import TrainJob, load_job
from shapesys.training.network_set import networks_in
from shapesys.training.run_dir import RunDirectory, find
from shapesys.training.saliency import use_of


@dataclass(frozen=True)
class MapMaker:
    """One method's source of maps.

    Attributes:
        key: names its files.
        method: as people know it.
        runs: category -> the run that makes its maps; None where none is needed.
    """

    key: str
    method: str
    kind: Kind
    runs: Mapping[str, RunDirectory | None]


def makers_of(sources: MapSources, categories: Sequence[str], runs_root: str) -> list[MapMaker]:
    """Everybody who is to make maps of some categories, checked before any work.

    Raises:
        UsageError: nobody; a run that is not there, predicts no saliency or classifies nothing; two of one name.
        ShapesysError: a set that lacks a category, or a run without a checkpoint.
    """
    found = [MapMaker("pca", "PCA", "geometry", dict.fromkeys(categories))] if sources.pca else []
    found += [_fields(name, categories, runs_root) for name in sources.networks]
    found += [_classifier(name, categories, runs_root) for name in sources.classifier]
    if not found:
        raise UsageError("nobody makes maps; name some with --networks or --classifier, or leave out --no-pca")
    [(key, count)] = Counter(maker.key for maker in found).most_common(1)
    if count > 1:
        raise UsageError(
            f"{count} sources of maps would write {key}.parquet; make maps of one of them in another --folder"
        )
    return found


def _fields(name: str, categories: Sequence[str], runs_root: str) -> MapMaker:
    for path in (Path(name).resolve(), Path(runs_root).resolve() / name):
        if RunDirectory(path).set_file.is_file():
            return _set(path, networks_in(path), categories)
    run = find(name, runs_root)
    job = _predicts_saliency(run)
    return MapMaker(run.name, f"{job.family} {run.name}", "fields", dict.fromkeys(_known(run, job, categories), run))


def _set(path: Path, members: Mapping[str, RunDirectory], categories: Sequence[str]) -> MapMaker:
    """The networks of a set."""
    trained = {name: run for name, run in members.items() if latest(run.checkpoints)}
    lacking = [name for name in categories if name not in trained]
    if lacking:
        raise ShapesysError(
            f"set '{path.name}' has no trained network of {', '.join(lacking)}; train it by the command that "
            f"{path / 'provenance.json'} names, or choose others with --categories"
        )
    jobs = [_predicts_saliency(trained[name]) for name in categories]
    runs = {name: trained[name] for name in categories}
    return MapMaker(path.name, f"{jobs[0].family} {path.name}", "fields", runs)


def _predicts_saliency(run: RunDirectory) -> TrainJob:
    chosen_of(run)
    job = load_job(run.config)
    if SALIENCY not in registry.load(job.family).attributes(job.model):
        hint = f"--classifier {run.path} makes maps by a classifier" if _classifies(job) else SALIENT
        raise UsageError(f"run '{run.name}' of family '{job.family}' predicts no saliency; {hint}")
    return job


def _classifier(name: str, categories: Sequence[str], runs_root: str) -> MapMaker:
    run = find(name, runs_root)
    chosen_of(run)
    job = load_job(run.config)
    if not _classifies(job):
        raise UsageError(
            f"run '{run.name}' of family '{job.family}' classifies no clouds; --classifier takes runs of pointnet, "
            "pointnet2, dgcnn or dpgnet with task classification"
        )
    _refuse_unlike(run, job)
    known = _known(run, job, categories)
    return MapMaker(f"pcsm-{run.name}", f"PCSM {run.name}", "classifier", dict.fromkeys(known, run))


def _refuse_unlike(run: RunDirectory, job: TrainJob) -> None:
    """Refuse classifiers that were trained on something else than the first points of clouds."""
    if use_of(job, registry.load(job.family)).chosen:
        raise UsageError(
            f"run '{run.name}' classifies shapes by their most salient points alone, so it says nothing of all others; "
            "--classifier takes runs without --model.salient-points"
        )
    if getattr(job.model, "feature_count", 0):
        raise UsageError(
            f"run '{run.name}' sees normals or colours beside positions, and maps are made of positions alone; "
            "--classifier takes runs without --model.normals and --model.colors"
        )


def _classifies(job: TrainJob) -> bool:
    return getattr(job.model, "task", None) == "classification"


def _known(run: RunDirectory, job: TrainJob, categories: Sequence[str]) -> list[str]:
    """Those of the categories that a run is about."""
    about = job.data.evaluated
    known = [name for name in categories if not about or name in about]
    if not known:
        raise UsageError(
            f"run '{run.name}' is about {', '.join(about)}, none of which is among the chosen categories: "
            f"{', '.join(categories)}"
        )
    return known
