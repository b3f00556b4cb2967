"""Networks that start as a ball, several at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.laboratory.fitting import Samples, Schedule, absolute, sald, trained
from shapesys.laboratory.networks import Networks, Shape


def directions(count: int, dim: int) -> Tensor:
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(5))
    return drawn / drawn.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
@pytest.mark.parametrize(("radius", "centre"), [(0.5, 0.0), (1.5, -0.3)])
def test_the_start_is_a_ball_negative_inside(dim: int, radius: float, centre: float) -> None:
    networks = Networks(Shape(dim, radius=radius, centre=centre), range(4))
    means = {
        times: networks(centre + times * radius * directions(2000, dim)).mean(dim=1).detach() for times in (0.5, 1, 2)
    }
    torch.testing.assert_close(means[1], torch.zeros(4), atol=0.06 * radius, rtol=0)
    torch.testing.assert_close(means[2], torch.full((4,), radius), atol=0.06 * radius, rtol=0)
    assert (means[0.5] < -0.3 * radius).all()
    assert (networks(torch.full((1, dim), centre)) < 0).all()


def test_gradients_are_those_of_autograd_and_so_are_theirs() -> None:
    networks = Networks(Shape(2, width=16), (0, 1)).double()
    points = torch.rand(2, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    points.requires_grad_()
    values = networks(points)
    (expected,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    found, gradients = networks.with_gradients(points)
    torch.testing.assert_close(found, values)
    torch.testing.assert_close(gradients, expected)
    parameters = list(networks.parameters())
    # The last bias has no part in any gradient.
    ours, theirs = (
        torch.autograd.grad(field.sin().sum(), parameters, allow_unused=True) for field in (gradients, expected)
    )
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        torch.testing.assert_close(one, other)


def test_a_network_learns_as_if_it_were_alone() -> None:
    points = torch.rand(3, 64, 2, generator=torch.Generator().manual_seed(2)) - 0.5
    samples = Samples(points, points.norm(dim=-1), points / points.norm(dim=-1, keepdim=True))
    schedule = Schedule(10, 1e-2, batch=32)

    def learned(which: list[int]) -> Tensor:
        own = Samples(samples.points[which], samples.values[which], samples.gradients[which])
        networks = trained(Networks(Shape(2, width=16), which), sald(0.1), own, schedule)
        return networks(points[:1].expand(len(which), -1, -1)).detach()

    torch.testing.assert_close(learned([0, 1, 2])[1:2], learned([1]), atol=1e-4, rtol=0)
    assert (learned([0]) - learned([1])).abs().max() > 0.01


def test_training_leaves_the_start_as_it_is() -> None:
    start = Networks(Shape(1, width=8), (0,))
    x = torch.linspace(-1, 1, 20)[None, :, None]
    before = start(x).detach()
    after = trained(start, absolute, Samples(x, x.abs().squeeze(-1), x.sign()), Schedule(3, 1e-2))
    torch.testing.assert_close(start(x), before)
    assert not torch.allclose(after(x), before)


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"width": 0}, {"layers": 0}, {"radius": 0.0}])
def test_what_is_no_ball_or_no_network_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more and radius positive"):
        Shape(**{"dim": 2} | wrong)  # type: ignore[arg-type]
