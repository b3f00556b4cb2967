"""Many clouds at once become what each becomes alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from balls import balls, trained
from torch import Tensor

from shapesys.families.base import FieldPrediction, Observation, TrainingData
from shapesys.families.convonet import FAMILY, inference
from shapesys.families.convonet.config import ConvONetConfig, ConvONetInference, Schedule
from shapesys.families.convonet.objective import ConvONetObjective, build
from shapesys.families.convonet.optimise import Optimised, Shape, optimise, whole
from shapesys.families.convonet.optimise_many import at_once, memory_of_step, optimise_many

QUICK = Schedule(points=300, iterations=4, learning_rate=1e-3, decay_every=3, batches=2, surface=32, off_surface=32)
GRID = {"planes": 0, "grid_resolution": 8}
BOTH = {"grid_resolution": 8}


def clouds() -> Sequence[Tensor]:
    return list(balls(3, 5)["surface"])


def shapes() -> list[Shape]:
    """The network sees some of the points that it is asked about."""
    return [Shape(cloud[:200], cloud, torch.Generator().manual_seed(row)) for row, cloud in enumerate(clouds())]


@pytest.mark.parametrize("part", ["network", "encoder"])
@pytest.mark.parametrize("settings", [{}, GRID, BOTH], ids=["planes", "grid", "both"])
def test_copies_that_take_their_steps_together_end_where_they_end_alone(settings: dict[str, object], part: str) -> None:
    network = trained(10, **settings)
    schedule = Schedule(**{**QUICK.__dict__, "part": part, "norms": part == "network", "start": 0.3})
    together = optimise_many(network, shapes(), schedule, 0.0)
    for shape, many in zip(shapes(), together, strict=True):
        alone = optimise(network, whole(network.space, shape, schedule), schedule, 0.0)
        np.testing.assert_allclose(many.losses, alone.losses, rtol=1e-4)
        for name, value in alone.network.state_dict().items():
            torch.testing.assert_close(many.network.state_dict()[name], value, rtol=1e-3, atol=2e-5, msg=name)
        assert not any(parameter.requires_grad for parameter in many.network.parameters())


def test_a_copy_on_its_plateau_stays_as_it_was_then(monkeypatch: pytest.MonkeyPatch) -> None:
    network = trained(10)
    schedule = Schedule(**{**QUICK.__dict__, "iterations": 8})
    first = optimise_many(network, shapes()[:1], schedule, 0.0)[0].losses[0]
    monkeypatch.setattr(
        "shapesys.families.convonet.optimise_many.flattened",
        lambda losses, floor, plateau: plateau and len(losses) == 3 and losses[0] == pytest.approx(first),
    )
    stopped, other, _ = optimise_many(network, shapes(), schedule, 0.5)
    assert (len(stopped.losses), len(other.losses)) == (3, 8)
    three = Schedule(**{**QUICK.__dict__, "iterations": 3})
    [short, *_] = optimise_many(network, shapes(), three, 0.0)
    for name, value in short.network.state_dict().items():
        assert torch.equal(stopped.network.state_dict()[name], value), name


@pytest.mark.parametrize(("as_trained", "groups"), [(False, [2]), (True, [3])], ids=["all points seen", "as trained"])
def test_inference_takes_together_what_is_seen_alike(
    as_trained: bool, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clouds of 300 points and one of 250, of which a network that is trained on 200 may see 200."""
    network = trained(10)
    seen = [
        Observation(f"ball/{row}", {"points": cloud.numpy()[: 300 - 50 * (row == 2)]})
        for row, cloud in enumerate(clouds())
    ]
    settings = ConvONetInference(schedule="tiny", iterations=4, surface=32, off_surface=32, as_trained=as_trained)
    sizes: list[int] = []
    points = np.random.default_rng(0).uniform(-1, 1, (200, 3)).astype(np.float32)
    alone = FAMILY.infer(network, seen, settings, 0)

    def counted(network: ConvONetObjective, shapes: Sequence[Shape], *rest: object) -> list[Optimised]:
        sizes.append(len(shapes))
        return optimise_many(network, shapes, *rest)

    monkeypatch.setattr(inference, "at_once", lambda config, schedule, device: 3)
    monkeypatch.setattr(inference, "optimise_many", counted)
    together = FAMILY.infer(network, seen, settings, 0)
    assert sizes == groups
    assert [item.shape_id for item in together] == [item.shape_id for item in alone]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, FieldPrediction)
        assert isinstance(other, FieldPrediction)
        np.testing.assert_allclose(other.field.values(points), one.field.values(points), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(other.curves["loss"], one.curves["loss"], rtol=1e-4)


def test_on_cpus_each_is_optimised_alone() -> None:
    assert at_once(ConvONetConfig(), QUICK, torch.device("cpu")) == 1


@pytest.mark.parametrize("settings", [{}, {"planes": 0, "grid_resolution": 32}], ids=["planes", "grid"])
def test_memory_of_a_step_is_predicted(settings: dict[str, object]) -> None:
    """Against what autograd keeps."""
    config = ConvONetConfig(**settings)
    network = build(config, TrainingData(1)).train()
    schedule = Schedule(points=10_000, batches=2)
    cloud = torch.rand(10_000, 3) - 0.5
    steps = whole(network.space, Shape(cloud, cloud, torch.Generator().manual_seed(0)), schedule)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        [asked] = steps()
        logits = network.logits(asked.queries, network.encoder(asked.points, asked.cells))
    expected = memory_of_step(config, schedule)
    assert logits.requires_grad
    assert expected / 2 < sum(kept.values()) < 2 * expected
