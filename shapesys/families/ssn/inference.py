"""From an image to its superpixels, with the trained network or without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import Observation, Prediction, SuperpixelPrediction
from shapesys.families.ssn.config import SSNConfig, SSNInference
from shapesys.families.ssn.objective import SSNObjective
from shapesys.families.ssn.patch import lab_colour
from shapesys.nets.connected_superpixels import connected
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import soft_slic
from shapesys.nets.superpixel_net import SuperpixelNet, pixel_inputs
from shapesys.samples.image_rows import decoded_pixels


def infer(
    objective: SSNObjective, observations: Sequence[Observation], config: SSNInference, seed: int
) -> list[Prediction]:
    """Superpixels of each image at every requested count. Nothing is random: the seed changes nothing.

    Raises:
        ShapesysError: an image has fewer pixels than superpixels are asked for.
    """
    objective.eval()
    device = next(objective.parameters()).device
    found: list[Prediction] = []
    for item in observations:
        pixels = decoded_pixels(item.columns["image"])
        if max(config.superpixels) > pixels.shape[0] * pixels.shape[1]:
            raise ShapesysError(
                f"image '{item.shape_id}' has {pixels.shape[1]} x {pixels.shape[0]} pixels, fewer than the "
                f"{max(config.superpixels)} superpixels asked for; lower inference.superpixels"
            )
        lab = torch.from_numpy(lab_colour(pixels)).permute(2, 0, 1)[None].to(device)
        maps = {count: superpixels(lab, count, objective.config, config, objective.net) for count in config.superpixels}
        facts = {f"superpixels.k{count}": float(labels.max() + 1) for count, labels in maps.items()}
        found.append(SuperpixelPrediction(item.shape_id, maps, facts))
    return found


@torch.no_grad()
def superpixels(
    lab: Tensor, count: int, config: SSNConfig, inference: SSNInference, net: SuperpixelNet | None = None
) -> NDArray[np.int32]:
    """(1, 3, h, w) Lab colours -> (h, w) superpixels, about `count` of them.

    Args:
        net: needed by the method ``network`` alone.
    """
    grid = PixelGrid.for_superpixels(lab.shape[2], lab.shape[3], count)
    if inference.method == "grid":
        return grid.labels().numpy().astype(np.int32)
    features = pixel_inputs(lab, grid, config.color_scale, config.position_scale(grid))
    if inference.method == "network":
        assert net is not None
        features = net(features)
    labels = soft_slic(features, grid, inference.iterations, config.counting).labels()[0].cpu().numpy()
    if inference.connect:
        return connected(labels, inference.least_share, inference.most_share)
    return labels.astype(np.int32)
