from __future__ import annotations

import math

import pytest
import torch

from shapesys.families.fields.saliency import start_saliency
from shapesys.nets.activations import Activation
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder


def decoder(activation: Activation = "relu", skip_at: int | None = 4, outputs: int = 1) -> ImplicitDecoder:
    torch.manual_seed(0)
    return ImplicitDecoder(
        16, hidden=512, layers=8, skip_at=skip_at, outputs=outputs, dropout=0.0, read_out="plain",
        activation=activation, skip_scale=SKIP_SCALE,
    )  # fmt: skip


def zero_radii(made: ImplicitDecoder, radius: float) -> torch.Tensor:
    """Where the first output first becomes positive along 100 directions, as a multiple of the radius."""
    directions = torch.nn.functional.normalize(torch.randn(100, 3), dim=1)
    multiples = torch.linspace(0.02, 2.0, 100)
    points = radius * directions[:, None] * multiples[:, None]
    positive = made.for_shapes(torch.zeros(1, 16))(points.view(-1, 3))[:, 0].view(100, 100) > 0
    assert not positive[:, 0].any(), "negative at the centre"
    assert positive[:, -1].all()
    return multiples[positive.int().argmax(dim=1)]


@pytest.mark.parametrize("activation", ["relu", "softplus100"])
@pytest.mark.parametrize("skip_at", [4, None])
@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_the_first_zero_level_is_the_sphere(activation: Activation, skip_at: int | None, radius: float) -> None:
    made = decoder(activation, skip_at)
    start_as_sphere(made, radius)
    found = zero_radii(made, radius)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.05)
    assert float((found - 1.0).square().mean().sqrt()) < 0.14, "directions differ by a tenth at this width"


def test_relu_layers_give_the_distance_to_the_sphere_along_every_ray() -> None:
    made = decoder()
    start_as_sphere(made, 0.5)
    directions = torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    folded = made.for_shapes(torch.zeros(1, 16))
    assert float(folded(torch.zeros(1, 3))[0, 0]) == pytest.approx(-0.5, abs=1e-4)
    for length in (0.25, 0.5, 1.0, 2.0):
        assert float(folded(length * directions)[:, 0].mean()) == pytest.approx(length - 0.5, abs=0.05 * length)


def test_small_codes_change_little() -> None:
    made = decoder()
    start_as_sphere(made, 0.5)
    points = torch.rand(500, 3) * 2 - 1
    with_code = made.for_shapes(1e-3 * torch.randn(1, 16))(points)
    torch.testing.assert_close(with_code, made.for_shapes(torch.zeros(1, 16))(points), atol=0.01, rtol=0)


def test_other_heads_are_left_alone() -> None:
    made = decoder(outputs=2)
    start_saliency(made, 1e-3, 0.1)
    weight, bias = made.head.weight[1].clone(), made.head.bias[1].clone()
    start_as_sphere(made, 0.5)
    assert torch.equal(made.head.weight[1], weight)
    assert torch.equal(made.head.bias[1], bias)


def test_the_same_generator_gives_the_same_start_and_the_folded_weights_are_the_norm() -> None:
    one, two = decoder(), decoder()
    start_as_sphere(one, 0.5)
    torch.manual_seed(0)
    decoder()
    start_as_sphere(two, 0.5)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())
    for layer in one.layers:
        torch.testing.assert_close(layer.effective_weight(), layer.weight)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="radius must be positive; got 0"):
        start_as_sphere(decoder(), 0.0)
    with pytest.raises(ValueError, match="read_out one of plain"):
        start_as_sphere(ImplicitDecoder(2, hidden=16, layers=3, skip_at=None), 1.0)
    plain = ImplicitDecoder(2, hidden=16, layers=3, skip_at=2, read_out="plain")
    with pytest.raises(ValueError, match=r"skip_scale must be 1/sqrt\(2\) .* got 1"):
        start_as_sphere(plain, 1.0)
    assert math.isclose(SKIP_SCALE**2, 0.5)


def test_as_released_it_is_minus_one_in_the_middle_and_about_zero_on_the_sphere() -> None:
    torch.manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(400, 3), dim=1)
    for radius in (0.5, 1.0):
        made = ImplicitDecoder(
            0, hidden=512, layers=4, skip_at=None, outputs=1, dropout=0.0, read_out="plain", weight_norm_head=True
        )
        start_as_sphere(made, radius, rescaled=False)
        at = torch.stack([0.0 * directions, radius * directions, 2 * radius * directions])
        values = made(torch.zeros(3, 0), at)[..., 0].mean(dim=1)
        torch.testing.assert_close(values, torch.tensor([-1.0, 0.0, 1.0]), rtol=0, atol=0.2)
