"""The usual form of ConvONet that benchmarks compare with computes what ours does."""

from __future__ import annotations

import plain_convonet
import pytest
import torch

from shapesys.families.convonet.config import ConvONetConfig, Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Shape, optimise, whole

SMALL = {"channels": 8, "hidden": 8, "blocks": 3, "decoder_hidden": 8, "decoder_blocks": 2}
PLANES = {**SMALL, "plane_resolution": 16, "plane_depth": 3, "plane_filters": 4}
GRID = {**SMALL, "planes": 0, "grid_resolution": 8, "grid_levels": 2, "grid_filters": 8}
BOTH = {**PLANES, "grid_resolution": 8, "grid_levels": 2, "grid_filters": 8}


def network(**settings: object) -> ConvONetObjective:
    """With every weight away from zero."""
    torch.manual_seed(0)
    made = ConvONetObjective(ConvONetConfig(**settings))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


@pytest.mark.parametrize(
    "settings", [PLANES, {**PLANES, "planes": 1}, GRID, BOTH], ids=["planes", "one", "grid", "both"]
)
def test_logits_and_gradients_are_those_of_the_usual_form(settings: dict[str, object]) -> None:
    ours = network(**settings)
    generator = torch.Generator().manual_seed(1)
    points, queries = torch.rand(2, 300, 3, generator=generator) - 0.5, torch.rand(2, 100, 3, generator=generator) - 0.5
    found = ours.logits(queries, ours.encoder(points))
    usual = plain_convonet.logits(ours, points, queries)
    torch.testing.assert_close(found, usual, rtol=1e-4, atol=1e-4)
    wanted = torch.autograd.grad(usual.square().sum(), list(ours.parameters()))
    for name, got, one in zip(
        dict(ours.named_parameters()),
        torch.autograd.grad(found.square().sum(), list(ours.parameters())),
        wanted,
        strict=True,
    ):
        torch.testing.assert_close(got, one, rtol=1e-3, atol=1e-4 * float(one.abs().max()), msg=name)


def test_encoding_once_gives_the_loss_of_encoding_with_every_set_of_queries() -> None:
    trained = network(**PLANES)
    schedule = Schedule(iterations=5, learning_rate=1e-3, decay_every=100, batches=3, surface=20, off_surface=30)
    cloud = torch.rand(200, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    steps = whole(trained.space, Shape(cloud, cloud, torch.Generator().manual_seed(3)), schedule)
    done = optimise(trained, steps, schedule, 0.0)
    step = plain_convonet.unsigned_steps(trained, cloud, schedule)
    generator = torch.Generator().manual_seed(3)
    usual = []
    for _ in range(schedule.iterations):
        rows = torch.randint(len(cloud), (150,), generator=generator)
        noise = torch.randn(90, 3, generator=generator)
        on, off = cloud[rows[:60]], cloud[rows[60:]] + schedule.std * noise
        usual.append(step(torch.cat([on.view(3, 20, 3), off.view(3, 30, 3)], dim=1)) / 50)
    torch.testing.assert_close(torch.tensor(done.losses), torch.tensor(usual), rtol=1e-3, atol=1e-4)
