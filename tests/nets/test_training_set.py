"""Networks that write training sets and bend space."""

from __future__ import annotations

import pytest
import torch

from shapesys.nets.training_set import INNER, LEAST_WIDTH, OUTER, WIDTH, PointEmbedding, PointGenerator, labels_of

B, C = 5, 16


def features() -> torch.Tensor:
    return torch.randn(B, C, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("axes", [1, 3])
def test_at_first_points_are_in_a_ball_and_around_it(axes: int) -> None:
    torch.manual_seed(0)
    generator = PointGenerator(C, 32, 64, 2, axes)
    points, width = generator(torch.zeros(B, C))
    assert points.shape == (B, 32, 3)
    assert width.shape == (B, axes)
    distance = points.detach().norm(dim=2)
    assert INNER[0] - 0.15 < float(distance[:, :16].min()) <= float(distance[:, :16].max()) < INNER[1] + 0.15
    assert OUTER[0] - 0.15 < float(distance[:, 16:].min()) <= float(distance[:, 16:].max()) < OUTER[1] + 0.15
    torch.testing.assert_close(width, torch.full_like(width, WIDTH), atol=0.1, rtol=0)


def test_widths_stay_positive() -> None:
    generator = PointGenerator(C, 4, 8, 0, 3)
    with torch.no_grad():
        generator.out.bias.fill_(-1e4)
    assert float(generator(features())[1].min()) == pytest.approx(LEAST_WIDTH)


def test_points_and_widths_follow_the_features() -> None:
    generator = PointGenerator(C, 8, 16, 1, 1)
    points, width = generator(features())
    assert float((points - points[:1]).abs().amax(dim=(1, 2))[1:].min()) > 1e-4
    assert len(width.unique()) == B


@pytest.mark.parametrize("points", [0, 1, 3, 33])
def test_half_of_the_points_are_inside(points: int) -> None:
    with pytest.raises(ValueError, match=f"points = {points} cannot be half inside and half outside"):
        PointGenerator(C, points, 8, 0, 1)
    labels = labels_of(2 * points)
    assert labels.tolist() == [1.0] * points + [-1.0] * points


def test_space_is_not_bent_at_first_and_then_as_the_features_say() -> None:
    torch.manual_seed(0)
    embedding, positions = PointEmbedding(C, 32, 2), torch.randn(B, 7, 3)
    assert torch.equal(embedding(positions, features()), positions)
    torch.nn.init.normal_(embedding.out.weight)
    bent = embedding(positions[:1].expand(B, 7, 3), features())
    assert float((bent - bent[:1])[1:].abs().amin(dim=(1, 2)).min()) >= 0
    assert float((bent[1:] - bent[:1]).abs().amax(dim=(1, 2)).min()) > 1e-3


def test_features_are_those_of_a_concatenation() -> None:
    """The first layer of the concatenation is the sum of a layer of each part."""
    torch.manual_seed(0)
    embedding, positions = PointEmbedding(C, 32, 1), torch.randn(B, 7, 3)
    torch.nn.init.normal_(embedding.out.weight)
    joined = torch.cat([positions, features().unsqueeze(1).expand(B, 7, C)], dim=2)
    weight = torch.cat([embedding.position.weight, embedding.of_shape.weight], dim=1)
    hidden = embedding.blocks(joined @ weight.T + embedding.position.bias)
    torch.testing.assert_close(
        embedding(positions, features()), positions + embedding.out(hidden.relu()), atol=1e-5, rtol=1e-5
    )


def test_positions_keep_their_digits_under_autocast() -> None:
    torch.manual_seed(0)
    embedding, positions = PointEmbedding(C, 64, 2), torch.randn(B, 9, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bent = embedding(positions, features())
    assert bent.dtype == torch.float32
    assert torch.equal(bent, positions)
