from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets.implicit_decoder import ImplicitDecoder
from shapesys.nets.sine_start import STARTS, Start, read_out_of, start_sines

DIRECTIONS, LENGTHS = 150, 160
FARTHEST = 4.0
SPHERES: dict[Start, float] = {"geometric": 1.5, "multi_frequency": 0.7}


def decoder(start: Start, latent_dim: int = 0, hidden: int = 256, layers: int = 5, seed: int = 0) -> ImplicitDecoder:
    torch.manual_seed(seed)
    made = ImplicitDecoder(
        latent_dim, hidden=hidden, layers=layers, skip_at=None, outputs=1, dropout=0.0, weight_norm=False,
        read_out=read_out_of(start), activation="sine30",
    )  # fmt: skip
    start_sines(made, start)
    return made


def along_rays(made: ImplicitDecoder) -> tuple[Tensor, Tensor]:
    """Distances from the origin (R,), and values there along 150 directions (150, R), for a code of zeros."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(DIRECTIONS, 3, generator=generator), dim=1)
    lengths = torch.linspace(0.01, FARTHEST, LENGTHS)
    points = (directions[:, None] * lengths[:, None]).view(-1, 3)
    values = made.for_shapes(torch.zeros(1, made.latent_dim))(points)
    return lengths, values[:, 0].view(DIRECTIONS, len(lengths))


@pytest.mark.parametrize("start", ["geometric", "multi_frequency"])
@pytest.mark.parametrize("latent_dim", [0, 32])
@pytest.mark.parametrize(("hidden", "uneven"), [(64, 0.4), (128, 0.25), (256, 0.15)])
def test_the_zero_level_is_a_sphere_of_the_same_size_at_every_width(
    start: Start, latent_dim: int, hidden: int, uneven: float
) -> None:
    found: list[Tensor] = []
    for seed in range(4):
        lengths, values = along_rays(decoder(start, latent_dim, hidden, layers=4, seed=seed))
        positive = values > 0
        first = positive.int().argmax(dim=1)
        assert not positive[:, 0].any(), "negative at the centre"
        assert float(positive.any(dim=1).float().mean()) > 0.9, "positive far away"
        found.append(lengths[first[positive.any(dim=1)]])
    radii = torch.stack([radius.median() for radius in found])
    assert float(radii.mean()) == pytest.approx(SPHERES[start], rel=0.15)
    spread = torch.stack([(radius / radius.mean()).std() for radius in found]).median()
    assert float(spread) < uneven


def test_around_the_sphere_the_field_grows_outwards_with_the_slope_of_its_read_out() -> None:
    for start, slope in (("geometric", 0.11), ("multi_frequency", 0.2)):
        lengths, values = along_rays(decoder(start))  # type: ignore[arg-type]
        near = (lengths > 0.5 * SPHERES[start]) & (lengths < SPHERES[start])  # type: ignore[index]
        rise = (values[:, near][:, -1] - values[:, near][:, 0]) / (lengths[near][-1] - lengths[near][0])
        assert float(rise.min()) > 0
        assert float(rise.mean()) == pytest.approx(slope, rel=0.25)


def test_the_code_moves_no_zero_level_while_it_is_zero() -> None:
    """The released start of many frequencies would put the sphere at about 5.8, beyond all shapes."""
    radii = []
    for latent_dim in (0, 256):
        lengths, values = along_rays(decoder("multi_frequency", latent_dim))
        radii.append(float(lengths[(values > 0).int().argmax(dim=1)].mean()))
    assert radii[1] == pytest.approx(radii[0], rel=0.25)


def test_many_frequencies_are_in_the_first_layer_and_hardly_in_the_field() -> None:
    made = decoder("multi_frequency")
    first, second = made.layer(0).weight.detach(), made.layer(1).weight.detach()
    slow, fast = first[:64].abs().max(), first[64:].abs().max()
    assert float(slow) == pytest.approx(1 / 30, rel=0.02)
    assert float(fast) == pytest.approx(1.0, rel=0.02)
    assert float(second[:64, :64].abs().max()) == pytest.approx((3 / 256) ** 0.5 / 30, rel=0.01)
    rest = second.clone()
    rest[:64, :64] = 0
    assert float(rest.abs().max()) == pytest.approx(5e-4 * (3 / 256) ** 0.5 / 30, rel=0.01)
    assert abs(float(rest.mean())) < 0.02 * float(rest.abs().max()), "symmetric"


def test_siren_keeps_the_distribution_of_what_its_layers_see() -> None:
    made = decoder("siren", hidden=512)
    bound = (6 / 512) ** 0.5 / 30
    assert float(made.layer(0).weight.detach().abs().max()) == pytest.approx(1 / 3, rel=0.01)
    assert float(made.layer(2).weight.detach().abs().max()) == pytest.approx(bound, rel=0.01)
    assert float(made.head.weight.detach().abs().max()) == pytest.approx(bound, rel=0.02)
    hidden = torch.rand(2000, 3) * 2 - 1
    for index in range(5):
        before = 30 * torch.nn.functional.linear(hidden, made.layer(index).weight.detach())
        hidden = before.sin()
        if index:
            assert float(before.std()) == pytest.approx(1.0, abs=0.1)


def test_the_network_is_the_released_one() -> None:
    for start in STARTS:
        assert sum(parameter.numel() for parameter in decoder(start).parameters()) == 264_449
    assert [read_out_of(start) for start in STARTS] == ["plain", "signed_root", "signed_root"]


def test_the_same_generator_gives_the_same_start() -> None:
    for start in STARTS:
        one, two = decoder(start, seed=3).state_dict(), decoder(start, seed=3).state_dict()
        assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_decoders_that_a_start_does_not_fit_are_refused() -> None:
    sine = {"hidden": 16, "skip_at": None, "outputs": 1, "dropout": 0.0, "activation": "sine30"}
    rooted = {"weight_norm": False, "read_out": "signed_root"}
    for changes, start, words in (
        ({"layers": 4, **rooted, "activation": "relu"}, "geometric", "activation sine30.*got activation relu"),
        ({"layers": 4, **rooted, "skip_at": 2}, "geometric", "without skip.*skip_at 2"),
        ({"layers": 4, "read_out": "signed_root"}, "geometric", "weight_norm=False"),
        ({"layers": 4, **rooted}, "siren", "start siren needs read_out plain; got signed_root"),
        ({"layers": 2, **rooted}, "multi_frequency", "at least 3 hidden layers .* got 2 of 16"),
        ({"layers": 4, **rooted}, "sphere", "start must be one of siren, geometric, multi_frequency; got 'sphere'"),
    ):
        with pytest.raises(ValueError, match=words):
            start_sines(ImplicitDecoder(2, **{**sine, **changes}), start)  # type: ignore[arg-type]
