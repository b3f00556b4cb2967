from __future__ import annotations

import pytest
import torch

from shapesys.nets.read_out import READ_OUTS, read_out, read_out_curvature, read_out_slope

RAW = torch.tensor([-4.0, -1.0, -0.3, 0.2, 1.0, 2.56, 7.0], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("kind", READ_OUTS)
def test_slope_and_curvature_are_the_derivatives(kind: str) -> None:
    (slope,) = torch.autograd.grad(read_out(RAW, kind).sum(), RAW, create_graph=True)
    torch.testing.assert_close(read_out_slope(RAW, kind), slope)
    if slope.requires_grad and kind != "plain":
        (curvature,) = torch.autograd.grad(slope.sum(), RAW)
        torch.testing.assert_close(read_out_curvature(RAW, kind), curvature)
    else:
        assert not read_out_curvature(RAW, kind).any()


def test_the_root_is_zero_on_its_sphere_and_grows_with_the_distance_from_it() -> None:
    """Of an output that is |x|^2, it is a tenth of the distance to a sphere of radius 1.6."""
    radius = torch.tensor([0.5, 1.6, 3.0], dtype=torch.float64)
    found = read_out(radius.square(), "signed_root")
    torch.testing.assert_close(found, 0.1 * (radius - 1.6), rtol=0, atol=1e-8)
    assert torch.isfinite(read_out_slope(torch.zeros(1), "signed_root")).all()
