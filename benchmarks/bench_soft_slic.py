"""Soft SLIC against the formula with every pixel and every superpixel, and against scikit-image's hard SLIC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from interleaved import interleaved_medians
from skimage.color import rgb2lab
from skimage.segmentation import slic
from torch import Tensor

from shapesys.nets.connected_superpixels import connected
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import soft_slic
from shapesys.nets.superpixel_net import pixel_inputs
from shapesys.sources.toy_images import toy_image

ITERATIONS, AT_TEST = 5, 10
CHANNELS = 20


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds of a training step's grouping and of an image's superpixels, medians, interleaved; with one thread."""
    side, superpixels, images, repeats = (101, 25, 1, 3) if quick else (201, 100, 2, 5)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_step_row(side, superpixels, images, repeats), _image_row(repeats)]
    finally:
        torch.set_num_threads(threads)


def _step_row(side: int, superpixels: int, images: int, repeats: int) -> dict[str, Any]:
    grid = PixelGrid.for_superpixels(side, side, superpixels)
    features = torch.randn(images, CHANNELS, side, side, generator=torch.Generator().manual_seed(0))
    methods: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: _gradient(features, lambda x: soft_slic(x, grid, ITERATIONS).means(x)),
        "all pairs": lambda: _gradient(features, lambda x: all_pairs(x, grid)),
    }
    torch.testing.assert_close(methods["ours"](), methods["all pairs"](), atol=1e-4, rtol=1e-3)
    medians = interleaved_medians(methods, repeats)
    note = f"{images} x {side} x {side} pixels, {grid.count} superpixels, {ITERATIONS} associations; equal gradients"
    return {
        "name": "soft SLIC, forward and backward",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": "s per step",
        "note": note,
    }


def _image_row(repeats: int) -> dict[str, Any]:
    pixels = toy_image(0, 321, 481, (8, 20)).pixels
    noise = np.random.default_rng(0).integers(-12, 13, pixels.shape)
    pixels = np.clip(pixels.astype(np.int64) + noise, 0, 255).astype(np.uint8)
    medians = interleaved_medians({"ours": lambda: ours(pixels), "scikit-image, hard": lambda: hard(pixels)}, repeats)
    return {
        "name": "superpixels of 481 x 321 pixels",
        "ours_s": medians.pop("ours"),
        "peers": medians,
        "unit": "s per image",
        "note": f"100 asked for, {AT_TEST} iterations, Lab and connectivity included; the peer assigns hard and cannot "
        "learn, so that the two maps differ",
    }


def _gradient(features: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    x = features.clone().requires_grad_(True)
    function(x).square().sum().backward()
    assert x.grad is not None
    return x.grad


def all_pairs(x: Tensor, grid: PixelGrid) -> Tensor:
    """The same means (B, K, C) by an association of every pixel with every superpixel, as ports in torch train."""
    initial = grid.labels().flatten()
    cells = torch.arange(grid.count)
    near = (initial // grid.columns - (cells // grid.columns)[:, None]).abs() <= 1
    near &= (initial % grid.columns - (cells % grid.columns)[:, None]).abs() <= 1
    pixels = x.flatten(2).transpose(1, 2)
    member = (initial == cells[:, None]).float()
    centres = member @ pixels / member.sum(dim=1, keepdim=True)
    for _ in range(ITERATIONS):
        distance = torch.cdist(centres, pixels, compute_mode="donot_use_mm_for_euclid_dist").square()
        association = (-distance).masked_fill(~near, -torch.inf).softmax(dim=1)
        centres = association @ pixels / (association.sum(dim=2, keepdim=True) + 1e-16)
    return centres


def ours(pixels: np.ndarray) -> np.ndarray:
    """Colour and position, soft SLIC, connectivity."""
    grid = PixelGrid.for_superpixels(*pixels.shape[:2], 100)
    lab = torch.from_numpy(rgb2lab(pixels.astype(np.float32) / 255.0)).permute(2, 0, 1)[None]
    with torch.no_grad():
        features = pixel_inputs(lab, grid, 0.26, 2.5 * grid.cells_per_pixel)
        return connected(soft_slic(features, grid, AT_TEST).labels()[0].numpy())


def hard(pixels: np.ndarray) -> np.ndarray:
    """scikit-image's SLIC with as many iterations."""
    found: np.ndarray = slic(pixels, n_segments=100, compactness=10.0, max_num_iter=AT_TEST, start_label=0)
    return found
