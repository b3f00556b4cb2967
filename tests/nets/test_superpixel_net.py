from __future__ import annotations

import pytest
import torch

from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.superpixel_net import SuperpixelNet, pixel_inputs


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in SuperpixelNet().parameters()) == 214_578


@pytest.mark.parametrize("size", [(16, 16), (21, 30), (4, 5)])
def test_learned_features_are_positive_and_the_input_passes_through(size: tuple[int, int]) -> None:
    net = SuperpixelNet(width=4, learned=6, initial_std=0.3)
    pixels = torch.randn(2, 5, *size)
    found = net(pixels)
    assert found.shape == (2, 11, *size) == (2, net.features, *size)
    assert torch.equal(found[:, 6:], pixels)
    assert (found[:, :6] >= 0).all()
    assert found[:, :6].std() > 0


def test_a_pixel_sees_far_beyond_its_neighbours() -> None:
    torch.manual_seed(0)
    net = SuperpixelNet(width=4, initial_std=0.3).eval()
    pixels = torch.randn(1, 5, 40, 40, requires_grad=True)
    net(pixels)[0, :15, 20, 20].sum().backward()
    assert pixels.grad is not None
    reach = (pixels.grad[0].abs().sum(dim=0) > 0).nonzero()
    assert (reach.max(dim=0).values - reach.min(dim=0).values).min() >= 20


def test_inputs_are_scaled_colour_and_x_before_y() -> None:
    grid = PixelGrid(3, 4, 1, 1)
    lab = torch.rand(2, 3, 3, 4)
    found = pixel_inputs(lab, grid, 0.26, 0.5)
    torch.testing.assert_close(found[:, :3], lab * 0.26)
    assert found[1, 3, 2].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert found[0, 4, :, 1].tolist() == [0.0, 0.5, 1.0]


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 9, 9\); expected"):
        SuperpixelNet(width=2)(torch.zeros(1, 3, 9, 9))
    with pytest.raises(ValueError, match="width 0"):
        SuperpixelNet(width=0)
