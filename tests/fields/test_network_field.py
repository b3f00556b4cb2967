"""A decoder as a field, extracted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from solids import as_trimesh, same_mesh

from shapesys.fields.analytic import Torus
from shapesys.fields.extraction import ExtractionSettings, extract
from shapesys.fields.field import JointField
from shapesys.fields.network_field import NetworkField
from shapesys.nets.implicit_decoder import ImplicitDecoder


@pytest.fixture(scope="module")
def learned() -> NetworkField:
    """A small decoder fitted to a torus; its second shape is another code."""
    torch.manual_seed(0)
    decoder = ImplicitDecoder(8, hidden=96, layers=4, skip_at=2, dropout=0.0)
    codes = torch.randn(2, 8) / 8
    optimiser = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    for _ in range(300):
        points = torch.rand(2, 512, 3) * 2 - 1
        truth = torch.from_numpy(Torus().values(points.reshape(-1, 3).numpy())).view(2, 512)
        outputs = decoder(codes, points)
        loss = (outputs[..., 0] - truth).abs().mean() + (outputs[..., 1].sigmoid() - points[..., 0].abs()).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return NetworkField(decoder.eval().for_shapes(codes), shape=1)


def test_extraction_equals_dense_evaluation(learned: NetworkField) -> None:
    assert isinstance(learned, JointField)
    fast = extract(learned, 128)
    dense = extract(learned, 128, ExtractionSettings(method="dense"))
    assert np.array_equal(fast.mesh.faces, dense.mesh.faces)
    np.testing.assert_allclose(fast.mesh.vertices, dense.mesh.vertices, atol=1e-6)
    assert as_trimesh(fast.mesh).is_watertight


def test_bfloat16_pruning_gives_the_same_mesh(learned: NetworkField) -> None:
    cheap = extract(learned, 128, ExtractionSettings(pruning_precision="bfloat16"))
    exact = extract(learned, 128)
    assert cheap.report.levels[0].precision == "bfloat16"
    assert np.array_equal(cheap.mesh.faces, exact.mesh.faces)
    np.testing.assert_allclose(cheap.mesh.vertices, exact.mesh.vertices, atol=1e-6)
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    assert 0 < np.abs(learned.values(points, "bfloat16") - learned.values(points)).max() < 0.03


def test_saliency_comes_with_the_surface(learned: NetworkField) -> None:
    mesh = extract(learned, 64).mesh
    interpolated = mesh.attributes["saliency"]
    evaluated = learned.attributes(mesh.vertices)["saliency"]
    np.testing.assert_allclose(interpolated, evaluated, atol=0.01)
    assert np.corrcoef(interpolated, np.abs(mesh.vertices[:, 0]))[0, 1] > 0.9
    at_vertices = extract(learned, 64, ExtractionSettings(attributes_at="vertices"))
    np.testing.assert_allclose(at_vertices.mesh.attributes["saliency"], evaluated, atol=1e-6)


def test_a_decoder_without_saliency_has_no_attributes() -> None:
    decoder = ImplicitDecoder(4, hidden=16, layers=2, skip_at=None, outputs=1).eval()
    assert NetworkField(decoder.for_shapes(torch.zeros(1, 4))).attributes(np.zeros((3, 3), dtype=np.float32)) == {}


def test_same_mesh_twice(learned: NetworkField) -> None:
    assert same_mesh(extract(learned, 64).mesh, extract(learned, 64).mesh)
