from __future__ import annotations

import logging
from typing import Any

import pytest

from shapesys.config.base import parse
from shapesys.errors import ShapesysError
from shapesys.families import registry
from shapesys.training.config import resolve
from shapesys.tuning.config import Sweep, sweep_type

pytest.importorskip("ray")

from shapesys.on_ray import tune_slots
from shapesys.on_ray.tune_slots import gpus_per_process, processes_that_fit, slots_of

GB = 1e9


def sweep_of(tune: dict[str, Any] | None = None, **scale: Any) -> Sweep:
    space = {"name": "one", "family": "issn", "knobs": {"model.dropout": {"choices": [0.0, 0.1]}}}
    base = resolve("issn", "tiny", {"data.store": "s", **{f"scale.{name}": value for name, value in scale.items()}})
    data = {"space": space, "base": base.model_dump(mode="json"), "tune": tune or {}}
    sweep: Sweep = parse(sweep_type(registry.load("issn")), data)
    return sweep


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that sets what Ray says of its nodes."""

    def of(*nodes: dict[str, float]) -> None:
        told = [{"Resources": {"memory": 8 * GB} | node} for node in nodes]
        total = {name: sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")}
        monkeypatch.setattr(tune_slots, "alive_nodes", lambda: told)
        monkeypatch.setattr(tune_slots, "physical_cpus", lambda: 2)
        monkeypatch.setattr(tune_slots.ray, "cluster_resources", lambda: total)

    return of


@pytest.mark.parametrize(
    ("nodes", "each", "fit"),
    [
        ([{"CPU": 0.5}, {"CPU": 0.5}], {"CPU": 1.0}, 0),
        ([{"CPU": 3.5}, {"CPU": 2.0}], {"CPU": 1.0, "GPU": 0.0}, 5),
        ([{"CPU": 16, "GPU": 2}], {"CPU": 1.0, "GPU": 0.4}, 4),
        ([{"CPU": 16, "GPU": 1}] * 2, {"CPU": 1.0, "GPU": 2.0}, 0),
        ([{"CPU": 1, "GPU": 8}, {"CPU": 64}], {"CPU": 1.0, "GPU": 1.0}, 1),
        ([{"CPU": 30, "GPU": 3}], {"CPU": 1.0, "GPU": 0.1}, 30),
    ],
)
def test_a_process_fits_on_one_node(nodes: list[dict[str, float]], each: dict[str, float], fit: int) -> None:
    assert processes_that_fit(nodes, each) == fit


def test_plain_trials_take_a_cpu_each_of_the_machine_that_there_is(cluster: Any) -> None:
    cluster({"CPU": 4})
    assert slots_of(sweep_of(), may_grow=False) == tune_slots.Slots({"CPU": 1.0}, 2)
    assert slots_of(sweep_of({"concurrent": 1}), may_grow=False).concurrent == 1
    assert slots_of(sweep_of({"concurrent": 9}), may_grow=False).concurrent == 2


def test_groups_of_workers_fit_on_two_cpus_by_what_each_worker_takes(cluster: Any) -> None:
    cluster({"CPU": 4})
    for scale, fit in (({}, 1), ({"reader": "ray_data"}, 1), ({"cpus_per_worker": 0.5}, 2)):
        slots = slots_of(sweep_of(num_workers=2, **scale), may_grow=False)
        assert slots == tune_slots.Slots({"memory": tune_slots.DRIVER_MEMORY}, fit)
    with pytest.raises(ShapesysError, match=r"2 workers with 2 CPUs .* lower --scale.num-workers"):
        slots_of(sweep_of(num_workers=2, cpus_per_worker=2.0), may_grow=False)


def test_groups_do_not_share_what_lies_apart(cluster: Any) -> None:
    """In total there is room for two groups, but their workers would wait for each other's nodes."""
    cluster({"CPU": 3}, {"CPU": 3}, {"CPU": 3})
    assert slots_of(sweep_of(num_workers=2, cpus_per_worker=2.0), may_grow=False).concurrent == 1
    cluster({"CPU": 8, "memory": 0.7 * GB})
    assert slots_of(sweep_of(num_workers=2), may_grow=True).concurrent == 1
    cluster({"CPU": 8, "memory": 0.3 * GB})
    with pytest.raises(ShapesysError, match="500 MB of memory"):
        slots_of(sweep_of(num_workers=2), may_grow=False)


def test_a_cluster_that_may_grow_is_waited_for(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    cluster({"CPU": 0})
    with pytest.raises(ShapesysError, match="a trial needs 1 CPUs and 0 GPUs, for which no node has room"):
        slots_of(sweep_of(), may_grow=False)
    with caplog.at_level(logging.WARNING):
        assert slots_of(sweep_of(), may_grow=True).concurrent == 1
    assert "waiting for it to grow" in caplog.text
    assert slots_of(sweep_of({"concurrent": 20}), may_grow=True).concurrent == 20


@pytest.mark.parametrize(
    ("tune", "scale", "has", "gpus"),
    [
        ({}, {}, 4, 1.0),
        ({}, {}, 0, 0.0),
        ({}, {"device": "cpu"}, 4, 0.0),
        ({}, {"device": "cuda"}, 0, 1.0),
        ({"gpus_per_trial": 0.25}, {}, 4, 0.25),
        ({"gpus_per_trial": 0.25}, {}, 0, 0.25),
        ({"gpus_per_trial": 0}, {}, 4, 0.0),
        ({}, {"num_workers": 2}, 4, 1.0),
        ({}, {"num_workers": 2}, 1, 0.0),
    ],
)
def test_gpus(tune: dict[str, Any], scale: dict[str, Any], has: float, gpus: float) -> None:
    assert gpus_per_process(sweep_of(tune, **scale), has) == gpus


def test_trials_that_share_a_gpu_reserve_their_part_of_it(cluster: Any) -> None:
    cluster({"CPU": 64, "GPU": 2})
    slots = slots_of(sweep_of({"gpus_per_trial": 0.25}), may_grow=True)
    assert slots == tune_slots.Slots({"CPU": 1.0, "GPU": 0.25}, 8)
    assert slots_of(sweep_of(), may_grow=True) == tune_slots.Slots({"CPU": 1.0, "GPU": 1.0}, 2)
    cluster({"CPU": 3, "GPU": 1}, {"CPU": 3, "GPU": 1})
    assert slots_of(sweep_of({"gpus_per_trial": 0.25}), may_grow=True).concurrent == 6, "CPUs end before GPUs do"
    cluster({"CPU": 2, "GPU": 1})
    assert slots_of(sweep_of({"gpus_per_trial": 0.25}), may_grow=False).concurrent == 2
    with pytest.raises(ShapesysError, match=r"needs 1 CPUs and 2 GPUs.* has 2 CPUs and 1 GPUs .* --gpus-per-trial"):
        slots_of(sweep_of({"gpus_per_trial": 2}), may_grow=False)
