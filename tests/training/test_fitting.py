"""Networks of one shape: fitted alone and together, by the seed and the shape's own id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation
from shapesys.families.observed import ObservedQueries
from shapesys.training import fitted, fitting
from shapesys.training.config import TrainJob, resolve
from shapesys.training.fitted import FittedNetworks, HalfDoneFile, shapes_under_way
from shapesys.training.fitting import Fitted, at_once, fit, fresh_network
from shapesys.training.loop import TrainingDiverged
from shapesys.training.run_dir import RunDirectory

CPU = torch.device("cpu")
SMALL = {"model.hidden": 24, "model.layers": 3, "train.points_per_shape": 64, "train.epochs": 12}


def job_of(family: str = "sald", **changes: Any) -> TrainJob:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return resolve(family, "single", {"data.store": "unused"} | SMALL | named)


def ball(radius: float, count: int = 400, name: str = "") -> Observation:
    """Queries about a sphere."""
    points = np.random.default_rng(round(1000 * radius)).uniform(-1, 1, (count, 3)).astype(np.float32)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    away = points / length * np.sign(length - radius)
    columns = {"points": points, "distance": np.abs(length - radius)[:, 0], "direction": away}
    surface = radius * points / length
    arrays = {key: values.astype(np.float32) for key, values in (columns | {"surface": surface}).items()}
    return Observation(name or f"ball/{radius}", arrays)


BALLS = [ball(radius) for radius in (0.3, 0.5, 0.7)]


def weights(fitted: Fitted) -> dict[str, Tensor]:
    return fitted.objective.state_dict()


def differ(one: Sequence[Fitted], two: Sequence[Fitted]) -> float:
    pairs = [(weights(a)[name], weights(b)[name]) for a, b in zip(one, two, strict=True) for name in weights(a)]
    return max(float((first - second).abs().max()) for first, second in pairs)


@pytest.mark.parametrize("clip", [0.0, 0.02])
@pytest.mark.parametrize(("family", "loss"), [("sald", {}), ("sal", {}), ("sal", {"model__loss": "l0"})])
def test_together_they_become_what_they_become_alone(
    family: str, loss: dict[str, Any], clip: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(family, train__gradient_clip=clip, **loss)
    assert at_once(job, CPU) == 1
    alone = list(fit(job, BALLS, CPU))
    monkeypatch.setattr(fitting, "CPU_NUMBERS", 1 << 20)
    assert at_once(job, CPU) > len(BALLS)
    together = list(fit(job, BALLS, CPU))
    assert [item.shape_id for item in together] == [item.shape_id for item in alone] == [b.shape_id for b in BALLS]
    # Batched products are rounded otherwise, and Adam's first steps magnify what is near 0.
    assert differ(together, alone) < 5e-4
    for one, two in zip(together, alone, strict=True):
        assert one.facts["loss"] == pytest.approx(two.facts["loss"], rel=1e-3)


def test_a_shapes_network_depends_on_its_own_queries_id_and_seed_alone() -> None:
    [among] = [item for item in fit(job_of(), BALLS, CPU) if item.shape_id == "ball/0.5"]
    [again] = fit(job_of(), [ball(0.5)], CPU)
    assert differ([among], [again]) == 0.0
    [other] = fit(job_of(), [ball(0.5, name="another/1")], CPU)
    [seeded] = fit(job_of(train__seed=1), [ball(0.5)], CPU)
    assert differ([other], [again]) > 1e-3
    assert differ([seeded], [again]) > 1e-3


def test_fitting_leaves_the_generators_and_threads_as_they_were() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(3)
    list(fit(job_of(), BALLS[:1], CPU))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_it_learns_the_signed_distance_of_an_unsigned_one() -> None:
    job = job_of(train__epochs=300, train__points_per_shape=256, model__hidden=48)
    steps: list[tuple[int, int]] = []
    [fitted] = fit(job, [ball(0.6, 4000)], CPU, on_step=lambda done, whole: steps.append((done, whole)))
    points = torch.rand(500, 3) * 1.6 - 0.8
    with torch.no_grad():
        values = fitted.objective.decoder(torch.zeros(1, 0), points.unsqueeze(0))[0, :, 0]
    truth = points.norm(dim=1) - 0.6
    clear = truth.abs() > 0.05
    assert float(((values < 0) == (truth < 0))[clear].float().mean()) > 0.97
    assert float((values - truth).abs().median()) < 0.03
    assert steps[-1] == (300, 300)
    assert fitted.facts["loss_distance"] < 0.05
    assert 0 < fitted.facts["statistics_inside"] < 0.5


def test_rates_follow_the_schedule_of_training() -> None:
    still = job_of(train__lr_step_epochs=6, train__lr_factor=1e-9)
    half = job_of(train__lr_step_epochs=0, train__epochs=6)
    [stopped], [short] = fit(still, BALLS[:1], CPU), fit(half, BALLS[:1], CPU)
    assert differ([stopped], [short]) < 1e-6


class Stopped(Exception):
    """In place of a killed process."""


@pytest.mark.parametrize("together", [False, True])
def test_a_killed_fit_goes_on_to_the_same_network(
    together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "CPU_NUMBERS", 1 << 20 if together else 0)
    monkeypatch.setattr(fitting, "SAVE_SECONDS", 0.0)
    job, kept = job_of(train__epochs=40), FittedNetworks(RunDirectory(tmp_path), str)
    expected = list(fit(job, BALLS, CPU))
    steps = []

    def stop(done: int, whole: int) -> None:
        steps.append(done)
        if len(steps) == 39:
            raise Stopped

    with pytest.raises(Stopped):
        list(fit(job, BALLS[:2], CPU, kept.half_done, stop))
    found = list(fit(job, BALLS[:2], CPU, kept.half_done, lambda done, whole: steps.append(done)))
    assert steps[:39] == list(range(1, 40))
    assert steps[39] == 40, "it went on from the last state"
    assert differ(found, expected[:2]) == (pytest.approx(0.0, abs=1e-4) if together else 0.0)
    for one, two in zip(found, expected[:2], strict=True):
        assert one.facts["loss"] == pytest.approx(two.facts["loss"], rel=1e-3)
    assert not list(tmp_path.rglob("*.pt"))


def test_what_diverges_is_named() -> None:
    broken = Observation("bad/1", {**BALLS[0].columns, "distance": np.full(400, np.nan, np.float32)})
    with pytest.raises(TrainingDiverged, match=r"iteration 1 of 12 \(bad/1\).*--train.learning-rate"):
        list(fit(job_of(), [BALLS[1], broken], CPU))


def test_networks_are_kept_and_found_by_the_digest_of_their_samples(tmp_path: Path) -> None:
    job, run = job_of(), RunDirectory(tmp_path)
    [fitted] = fit(job, BALLS[:1], CPU)
    first, second = FittedNetworks(run, lambda shape_id: "first"), FittedNetworks(run, lambda shape_id: "second")
    first.save(fitted)
    found = first.load(job, "ball/0.3", CPU)
    assert found is not None
    assert differ([found], [fitted]) == 0.0
    assert found.facts == pytest.approx(fitted.facts)
    assert first.load(job, "ball/9", CPU) is None
    assert second.load(job, "ball/0.3", CPU) is None
    second.save(fitted)
    file = run.network("ball/0.3", "second")
    file.write_bytes(file.read_bytes()[:200])
    assert second.load(job, "ball/0.3", CPU) is None
    assert first.load(job, "ball/0.3", CPU) is not None
    assert len([*file.parent.iterdir()]) == 2


def test_fresh_networks_differ_from_shape_to_shape() -> None:
    one, two = (fresh_network(job_of(), name).state_dict() for name in ("a/1", "a/2"))
    assert not torch.equal(one["decoder.layers.0.weight"], two["decoder.layers.0.weight"])


def test_shapes_of_which_less_is_known_are_fitted_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def scan(radius: float, oriented: bool) -> Observation:
        points = ball(radius).columns["surface"]
        spread = np.full(len(points), 0.05, np.float32)
        normals = points / radius if oriented else np.empty((0, 3), np.float32)
        return Observation(f"ball/{radius}", {"surface": points, "spread": spread, "normals": normals})

    monkeypatch.setattr(fitting, "CPU_NUMBERS", 1 << 20)
    job = job_of("digs", model__normal_weight=0.0)
    mixed = [scan(0.3, True), scan(0.5, False), scan(0.6, False)]
    assert [item.shape_id for item in fit(job, mixed, CPU)] == [item.shape_id for item in mixed]
    needing = fit(job_of("igr"), mixed, CPU)
    assert next(needing).shape_id == "ball/0.3"
    with pytest.raises(ShapesysError, match="the shapes have no normals"):
        next(needing)


def test_of_shapes_seen_together_those_without_a_column_read_zeros() -> None:
    known = Observation("a/1", {"surface": np.ones((5, 3), np.float32), "normals": np.ones((5, 3), np.float32)})
    unknown = Observation("a/2", {"surface": np.ones((7, 3), np.float32), "normals": np.empty((0, 3), np.float32)})
    read = ObservedQueries([known, unknown], CPU, 0).window(0, 4)
    assert read["surface"].shape == read["normals"].shape == (2, 4, 3)
    assert read["normals"][0].eq(1).all()
    assert read["normals"][1].eq(0).all()
    assert ObservedQueries([unknown], CPU, 0).window(0, 4)["normals"].shape == (1, 0, 3)


def test_a_fit_tells_how_far_it_is_until_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    assert shapes_under_way(run) == 0
    one, two = (HalfDoneFile(run.half_done / f"{name}.pt", shapes) for name, shapes in (("one", 4), ("two", 1)))
    one.tell(0.25)
    two.tell(0.5)
    assert shapes_under_way(run) == 1.5
    one.tell(0.75)
    assert shapes_under_way(run) == 1.5, "it is told now and then, not at every step"
    one.drop()
    assert shapes_under_way(run) == 0.5
    monkeypatch.setattr(fitted, "STALE_SECONDS", -1.0)
    assert shapes_under_way(run) == 0, "whoever said it last is dead"
