"""The configuration of one training run: sections, presets and the origin of every value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializeAsAny, create_model, field_validator

from shapesys.config.base import Config, Precision, Search, changed, diff, flat, parse, setting
from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.families import registry
from shapesys.training.maps_claim import claim_maps
from shapesys.training.run_dir import RunDirectory, read_json, write_json

if TYPE_CHECKING:
    from shapesys.families.base import Family

SCHEMA = 1


class TrainConfig(Config):
    """Optimisation. Defaults are neutral; each family's presets set what its paper publishes."""

    epochs: int = setting(500, help="passes over the shapes; each pass reads the next stretch of queries", ge=1)
    shapes_per_step: int = setting(48, help="global batch: shapes per optimiser step, over all workers", ge=1)
    points_per_shape: int = setting(16_384, help="query points of each shape per step", ge=1)
    optimiser: Literal["adam", "adamw", "sgd"] = setting("adam", help="adamw decays weights apart from the gradient")
    momentum: float = setting(0.9, help="momentum of sgd", ge=0, lt=1)
    beta2: float = setting(
        0.999,
        help="Adam remembers squared gradients for about 1 / (1 - beta2) steps; short trainings need less",
        gt=0,
        lt=1,
    )
    weight_decay: float = setting(0.0, help="weight decay of the network; codes have none", ge=0)
    learning_rate: float = setting(5e-4, help="rate for the network", gt=0, search=Search(1e-5, 1e-2, log=True))
    code_learning_rate: float = setting(1e-3, help="rate for latent codes", gt=0, search=Search(1e-4, 1e-1, log=True))
    schedule: Literal["step", "cosine"] = setting(
        "step", help="step: by lr_factor every lr_step_epochs; cosine: down to lr_floor at the last epoch"
    )
    lr_step_epochs: int = setting(0, help="multiply the rates by lr_factor every this many epochs; 0 = constant", ge=0)
    lr_factor: float = setting(0.5, help="factor of each learning-rate step", gt=0, le=1)
    lr_floor: float = setting(0.0, help="no rate falls below this", ge=0)
    accumulate: int = setting(1, help="micro-batches per optimiser step, to fit memory", ge=1)
    gradient_clip: float = setting(0.0, help="clip the global gradient norm to this; 0 = off", ge=0)
    precision: Precision = setting("float32", help="autocast type of the forward pass; weights stay float32")
    compile: bool = setting(False, help="run the objective through torch.compile")
    seed: int = setting(0, help="seed of weights, codes, shuffling and noise", ge=0, lt=2**31)
    checkpoint_epochs: int = setting(50, help="write a checkpoint every this many epochs, and at the end", ge=1)
    keep_checkpoints: int = setting(2, help="newest checkpoints to keep", ge=1)
    select: Literal["last", "best"] = setting(
        "last",
        help="checkpoint that is evaluated: the last, or the best on the validation split by the family's measure",
    )
    validate_epochs: int = setting(
        5, help="with select = best, measure the validation split every this many epochs", ge=1
    )
    log_steps: int = setting(10, help="log averages every this many steps", ge=1)


class DataConfig(Config):
    """Which prepared shapes to learn from."""

    store: str = setting(..., help="sample store: a folder or any fsspec address, e.g. s3://bucket/store")
    split: str = setting("train", help="split to train on")
    validation_split: str = setting(
        "val", help="split by which checkpoints are chosen; never the one that tables report"
    )
    categories: tuple[str, ...] = setting((), help="categories to train on; all where empty")
    interest: str = setting(
        "", help="category that a contrasting family tells from the others of --categories, or from all others"
    )
    saliency: str = setting("", help="file of saliency maps, for networks that use them; empty for none")

    @property
    def evaluated(self) -> tuple[str, ...]:
        """Categories that the run is about: the one of interest, or those trained on; all where empty."""
        return (self.interest,) if self.interest else self.categories

    @field_validator("validation_split")
    @classmethod
    def _not_the_test(cls, split: str) -> str:
        if split == "test":
            raise ValueError("a checkpoint chosen on the test split makes its own score better; choose another split")
        return split

    @field_validator("store", "saliency")
    @classmethod
    def _seen_from_anywhere(cls, path: str) -> str:
        return absolute(path) if path else path


class ScaleConfig(Config):
    """Where it runs. Never changes the result, so a run may continue at another scale."""

    num_workers: int = setting(1, help="training workers (processes)", ge=1)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", help="auto = CUDA where every worker can have one")
    cpus_per_worker: float = setting(1.0, help="CPUs reserved per worker", gt=0)
    max_failures: int = setting(3, help="restarts from the last checkpoint after lost workers", ge=0)
    reader: Literal["thread", "ray_data"] = setting(
        "thread",
        help="what reads data on Ray: a thread of each worker, or tasks of Ray Data, which may run on other nodes",
    )
    prefetch_steps: int = setting(4, help="steps of data to hold ready per worker", ge=1)
    timeout_s: float = setting(120.0, help="seconds without a free worker before giving up", gt=0)


class TrainJob(Config):
    """Everything `train` needs; the class for a concrete family comes from `job_type`."""

    schema_version: int = setting(SCHEMA, help="layout version of this file", ge=1, le=SCHEMA)
    family: str = setting(..., help="model family")
    preset: str = setting("tiny", help="named settings of the family")
    model: SerializeAsAny[Config] = setting(..., help="the family's own settings")
    inference: SerializeAsAny[Config] = setting(..., help="the family's settings for unseen shapes")
    train: TrainConfig = TrainConfig()
    data: DataConfig = setting(..., help="what to learn from")
    scale: ScaleConfig = ScaleConfig()


@cache
def job_type(family: Family) -> type[TrainJob]:
    """`TrainJob` whose ``model`` and ``inference`` sections are typed for `family`."""
    model: Any = (family.config, setting(family.config(), help=f"settings of {family.name}"))
    inference: Any = (family.inference, setting(family.inference(), help=f"how {family.name} meets unseen shapes"))
    return create_model(f"TrainJob_{family.name}", __base__=TrainJob, model=model, inference=inference)


def resolve(family_name: str, preset_name: str, changes: Mapping[str, Any]) -> TrainJob:
    """Defaults, then the preset's settings, then `changes` (dotted path -> value), validated.

    Raises:
        UsageError: unknown family, preset or setting, a value out of bounds, or a change that does nothing.
    """
    family = registry.load(family_name)
    if preset_name not in family.presets:
        raise unknown_name(f"preset of {family_name}", preset_name, family.presets)
    store = changes.get("data.store")
    if store is None:
        raise UsageError("no sample store given; name one with --store DIR (make it with 'shapesys prepare')")
    base = parse(job_type(family), {"family": family_name, "preset": preset_name, "data": {"store": store}})
    job: TrainJob = changed(base.override(family.presets[preset_name].settings), changes)
    return job


def presets_of_one_shape(family: Family) -> list[str]:
    """Presets of a family whose networks are one shape each: they are fitted, and all others are trained."""
    models = {name: resolve(family.name, name, {"data.store": "unused"}).model for name in family.presets}
    return [name for name, model in models.items() if family.one_network_each(model)]


def refuse_fits(job: TrainJob) -> None:
    """Refuse to train what shares nothing among shapes.

    Raises:
        UsageError: every shape would be a network of its own.
    """
    if registry.load(job.family).one_network_each(job.model):
        raise UsageError(
            "--model.latent-dim 0 makes every shape a network of its own, and training shares one among shapes; fit "
            f"them: shapesys fit {job.family} --preset {job.preset}, or choose a preset with codes"
        )


def absolute(place: str) -> str:
    """A local path as seen from anywhere, since workers run in folders of their own; addresses as they are."""
    return place if "://" in place else str(Path(place).resolve())


def of_category(job: TrainJob, category: str) -> TrainJob:
    """The same training for one category: told from the others where the family contrasts, else alone."""
    if registry.load(job.family).traits.contrasts:
        return job.override({"data.interest": category})
    return job.override({"data.categories": (category,)})


def origins(job: TrainJob, changes: Mapping[str, Any]) -> dict[str, str]:
    """Dotted path -> 'flag', 'preset <name>: <source>' or 'default', for every setting of a job."""
    preset = registry.load(job.family).presets[job.preset]
    named = {path: f"preset {job.preset}" + _source(preset.origins, path) for path in preset.settings}
    defaults = {path: "default" + _source(preset.origins, path) for path in flat(job)}
    return defaults | named | dict.fromkeys(changes, "flag")


def _source(known: Mapping[str, str], path: str) -> str:
    return f": {known[path]}" if path in known else ""


def changed_from_preset(job: TrainJob) -> dict[str, Any]:
    """Dotted path -> value of the settings that differ from the job's preset, leaving out where data and run live."""
    plain = resolve(job.family, job.preset, {"data.store": job.data.store})
    return {path: value for path, value, _ in diff(job, plain) if not path.startswith("scale.")}


def load_job(path: Any) -> TrainJob:
    """Read a config.json.

    Raises:
        ShapesysError: missing or broken file; UsageError for values this version does not know.
    """
    data = read_json(path)
    if not isinstance(data, dict) or "family" not in data:
        raise ShapesysError(f"{path} is not a training configuration: no 'family' in it")
    return parse(job_type(registry.load(data["family"])), data)


def claim(run: RunDirectory, job: TrainJob) -> bool:
    """Write the job into a run directory, or accept the same job again. Returns True where it resumes.

    Settings may change until the first checkpoint: what failed at its first step is mended under the same name.

    Raises:
        ShapesysError: the directory holds a trained run with other settings, shows the difference; or one trained by
            saliency maps that have changed since.
    """
    resumes = _claim_settings(run, job)
    claim_maps(run, job.data.saliency)
    return resumes


def _claim_settings(run: RunDirectory, job: TrainJob) -> bool:
    if not run.config.exists():
        write_json(run.config, job.model_dump(mode="json"))
        return False
    other = [entry for entry in diff(load_job(run.config), job) if not entry[0].startswith("scale.")]
    if other and not any(run.checkpoints.glob("step_*")):
        # The tracked run holds the other settings as its parameters.
        run.tracking.unlink(missing_ok=True)
        write_json(run.config, job.model_dump(mode="json"))
        return False
    if other:
        lines = "".join(f"\n  {path}: {old!r} there, {new!r} now" for path, old, new in other)
        way_out = "choose another --run, or --folder of a reproduction"
        raise ShapesysError(f"run '{run.name}' exists with other settings:{lines}\n{way_out}")
    return True
