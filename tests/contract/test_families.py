"""The contract suite: what generic code relies on holds for every registered family."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

sys.path.insert(0, str(Path(__file__).parent))

from contract_support import DATA, SHAPES, batch_of, build, gradients_of_one_rank, observation

from shapesys.config.base import field_paths, flat, search_ranges
from shapesys.errors import MissingExtra, UsageError
from shapesys.families import registry
from shapesys.families.base import (
    Family,
    FieldPrediction,
    Observation,
    PointPrediction,
    SuperpixelPrediction,
)
from shapesys.fields.extraction import extract
from shapesys.samples.views import VIEWS
from shapesys.training import checkpoint
from shapesys.training.config import TrainJob, job_type, resolve
from shapesys.training.loop import make_optimiser

SINGLE = [
    (name, preset) for name in registry.names() for preset in registry.load(name).presets if preset.startswith("single")
]
"""Small networks of one shape each."""


def test_it_declares_tiny_and_paper_presets_that_resolve(family: Family) -> None:
    assert {"tiny", "paper"} <= set(family.presets)
    for name, preset in family.presets.items():
        job = resolve(family.name, name, {"data.store": "unused"})
        assert preset.summary
        assert set(preset.settings) <= set(flat(job))
        assert set(preset.settings) <= set(preset.origins), f"{name}: every value of a preset names its origin"


def test_every_setting_has_help_and_search_ranges_lie_within_bounds(family: Family) -> None:
    fields = field_paths(job_type(family))
    assert [path for path, info in fields.items() if not info.description] == []
    for path, search in search_ranges(family.config).items():
        for value in search.choices or (search.low, search.high):
            section, name = "model", path
            assert resolve(family.name, "tiny", {"data.store": "unused", f"{section}.{name}": value})


def test_its_needs_are_declared_views_and_columns(family: Family, job: TrainJob) -> None:
    for need in (*family.needs, family.need(job.model)):
        assert set(need.columns) <= {column.name for column in VIEWS[need.view].columns}


def test_it_is_trained_exactly_where_it_has_parameters(family: Family, job: TrainJob) -> None:
    assert family.traits.trained == any(True for _ in build(family, job).parameters())


@pytest.mark.usefixtures("learns")
def test_every_parameter_gets_a_finite_gradient(family: Family, job: TrainJob) -> None:
    objective = build(family, job).train()
    terms = objective(batch_of(family, job, [0, 1, 2, 3]))
    assert all(value.ndim == 0 for value in terms.scalars().values())
    terms.total().backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None or family.traits.unused_parameters, name
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name


@pytest.mark.usefixtures("learns")
def test_one_optimiser_step_changes_the_loss(family: Family, job: TrainJob) -> None:
    objective = build(family, job).train()
    optimiser = make_optimiser(objective, job.train)
    batch = batch_of(family, job, [0, 1, 2, 3])
    before = objective(batch).total()
    before.backward()
    optimiser.step()
    assert float(objective(batch).total().detach()) != float(before.detach())


@pytest.mark.usefixtures("learns")
def test_bfloat16_autocast_stays_close(family: Family, job: TrainJob) -> None:
    objective = build(family, job).train()
    batch = batch_of(family, job, [0, 1, 2, 3])
    full = float(objective(batch).total().detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = float(objective(batch).total().detach())
    assert reduced == pytest.approx(full, rel=0.05)


def test_save_and_load_give_the_same_objective(family: Family, job: TrainJob, tmp_path: Path) -> None:
    objective = build(family, job)
    optimiser = make_optimiser(objective, job.train) if family.traits.trained else None
    ids = [f"contract/{index}" for index in range(SHAPES)]
    saved = checkpoint.save(tmp_path, 3, job, objective, ids, optimiser, DATA.vocabulary)
    restored, restored_job, restored_ids = checkpoint.restore(saved)
    assert (restored_job, restored_ids, saved.step, saved.vocabulary()) == (job, ids, 3, DATA.vocabulary)
    for name, value in objective.state_dict().items():
        assert torch.equal(restored.state_dict()[name], value), name


@pytest.mark.usefixtures("learns")
def test_two_workers_with_unequal_shares_get_the_gradients_of_one(
    family: Family, job: TrainJob, tmp_path: Path, free_port: int, in_two_ranks: Callable[..., None]
) -> None:
    objective = build(family, job).double()
    objective(batch_of(family, job, [0, 1, 2, 3], torch.float64)).total().backward()
    in_two_ranks(gradients_of_one_rank, family.name, job.preset, free_port, str(tmp_path))
    for rank in range(2):
        gradients = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for name, parameter in objective.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-9, atol=1e-12, msg=name)


def few_iterations(family: Family, job: TrainJob) -> Any:
    """Settings of inference, with a short optimisation where there is any."""
    return job.inference.override({"iterations": 3} if "iterations" in family.inference.model_fields else {})


def test_inference_answers_for_an_unseen_shape(family: Family, job: TrainJob) -> None:
    objective = build(family, job)
    seen = observation(family, job)
    if family.one_network_each(job.model):
        with pytest.raises(UsageError, match="is one shape .* shapesys fit"):
            family.infer(objective, [seen], few_iterations(family, job), 0)
        assert family.known is not None
        check_field(family.known(objective, [0], [seen.shape_id])[0], seen)
        return
    try:
        [prediction] = family.infer(objective, [seen], few_iterations(family, job), 0)
    except MissingExtra as error:
        pytest.skip(str(error))
    assert isinstance(prediction, family.predicts)
    assert prediction.shape_id == seen.shape_id
    CHECKS[family.predicts](prediction, seen)


@pytest.mark.parametrize(("name", "preset"), SINGLE, ids=["-".join(pair) for pair in SINGLE])
def test_many_networks_of_one_shape_take_a_step_as_one(name: str, preset: str) -> None:
    family, job = registry.load(name), resolve(name, preset, {"data.store": "unused"})
    networks = [build(family, job, seed=seed).train() for seed in range(3)]
    batch = networks[0].complete(batch_of(family, job, [0, 1, 2]) | {"shape_index": torch.zeros(3, dtype=torch.int64)})
    for network in networks:
        network.begin_epoch(1, 10)
    rows = [{name: value[row : row + 1] for name, value in batch.items()} for row in range(3)]
    alone = torch.stack([network(row).total() for network, row in zip(networks, rows, strict=True)])
    alone.sum().backward()
    parameters, buffers = stack_module_state(list(networks))
    stacked = {name: value.detach().requires_grad_() for name, value in parameters.items()}

    def total(own: dict[str, Any], kept: dict[str, Any], row: dict[str, Any]) -> torch.Tensor:
        one = {name: value.unsqueeze(0) for name, value in row.items()}
        return functional_call(networks[0], (own, kept), (one,)).total()

    together = vmap(total)(stacked, buffers, batch)
    together.sum().backward()
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    for row, network in enumerate(networks):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            size = float(parameter.grad.abs().max()) + 1e-6
            torch.testing.assert_close(stacked[name].grad[row], parameter.grad, rtol=1e-3, atol=1e-4 * size)


def check_field(prediction: FieldPrediction, seen: Observation) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (64, 3)).astype(np.float32)
    values = prediction.field.values(points)
    assert values.shape == (64,)
    assert np.isfinite(values).all()
    extraction = extract(prediction.field, resolution=32)
    assert extraction.mesh.is_empty or set(prediction.field.attributes(points)) <= set(extraction.mesh.attributes)


def check_points(prediction: PointPrediction, seen: Observation) -> None:
    """Every point has a score, however many there are, and scores are log probabilities."""
    vocabulary = DATA.vocabulary
    wanted = {
        "class_scores": (len(vocabulary.categories),),
        "part_scores": (len(seen.columns["points"]), vocabulary.part_count),
    }
    given = {name: scores for name in wanted if (scores := getattr(prediction, name)) is not None}
    assert given
    for name, scores in given.items():
        assert scores.shape == wanted[name]
        np.testing.assert_allclose(np.exp(scores).sum(axis=-1), 1.0, atol=1e-4)


def check_superpixels(prediction: SuperpixelPrediction, seen: Observation) -> None:
    assert prediction.maps
    for labels in prediction.maps.values():
        assert labels.shape == (80, 96)
        assert set(np.unique(labels)) == set(range(int(labels.max()) + 1))


CHECKS: dict[type, Callable[..., None]] = {
    FieldPrediction: check_field,
    PointPrediction: check_points,
    SuperpixelPrediction: check_superpixels,
}


def test_the_same_seed_gives_the_same_objective(family: Family, job: TrainJob) -> None:
    one, two = build(family, job, seed=5), build(family, job, seed=5)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def test_codes_stand_for_what_it_predicts(family: Family, job: TrainJob) -> None:
    """Of families that tell shapes by codes: trained ones, and those it finds."""
    if family.latent is None or family.one_network_each(job.model):
        return
    objective, seen, quick = build(family, job), observation(family, job), few_iterations(family, job)
    points = np.random.default_rng(0).uniform(-1, 1, (64, 3)).astype(np.float32)
    pairs = [(family.latent.found(objective, [seen], quick, 0), family.infer(objective, [seen], quick, 0))]
    if objective.holds_codes:
        assert family.known is not None
        assert family.latent.trained is not None
        pairs.append((family.latent.trained(objective, [2, 0]), family.known(objective, [2, 0], ["a", "b"])))
    for codes, predictions in pairs:
        assert (codes.dtype, len(codes)) == (np.float32, len(predictions))
        names = [prediction.shape_id for prediction in predictions]
        for again, prediction in zip(family.latent.decoded(objective, codes, names), predictions, strict=True):
            assert isinstance(prediction, FieldPrediction)
            assert again.shape_id == prediction.shape_id
            np.testing.assert_array_equal(again.field.values(points), prediction.field.values(points))
