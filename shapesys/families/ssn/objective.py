"""Network and losses of SSN (Jampani et al., ECCV 2018).

Legend: B patches of h x w pixels; K superpixels; G segments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.families.base import Batch, Objective, Term, Terms
from shapesys.families.ssn.config import CompactnessReduction, SSNConfig
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.nets.soft_slic import SoftAssociation, soft_slic
from shapesys.nets.superpixel_net import SuperpixelNet, pixel_inputs, pixel_positions

LEAST_LIKELIHOOD = 1e-8
"""Added to likelihoods before their logarithm."""


class SSNObjective(Objective):
    """Features, grouping and losses."""

    def __init__(self, config: SSNConfig) -> None:
        super().__init__()
        self.config = config
        self.net = SuperpixelNet(config.width, config.learned, config.initial_std)

    def forward(self, batch: Batch) -> Terms:
        """Batch: image (B, h, w, 3) Lab, labels (B, h, w) segments from 0."""
        lab, labels = batch["image"].permute(0, 3, 1, 2), batch["labels"].long()
        grid = PixelGrid.for_superpixels(lab.shape[2], lab.shape[3], self.config.superpixels)
        scale = self.config.training_position_scale or self.config.position_scale(grid)
        features = self.net(pixel_inputs(lab, grid, self.config.color_scale, scale))
        association = soft_slic(features, grid, self.config.iterations, self.config.counting)
        # Means of many pixels, and places among hundreds, lose too many digits in less than float32.
        with torch.autocast(lab.device.type, enabled=False):
            losses = self._losses(association, labels, scale)
        return Terms(losses, _statistics(association, labels, self.config.segments))

    def _losses(self, association: SoftAssociation, labels: Tensor, scale: float) -> dict[str, Term]:
        config, positions = self.config, pixel_positions(association.grid, association.weights)
        compact = compactness(association, positions, scale, config.compactness_reduction)
        return {
            "reconstruction": Term(reconstruction(association, labels, config.segments)),
            "compactness": Term(compact, config.compactness_weight),
        }


def reconstruction(association: SoftAssociation, labels: Tensor, segments: int) -> Tensor:
    """Cross-entropy of segments (B, h, w) that went from pixels to superpixels and back: how mixed superpixels are.

    One-hot segments become superpixels' shares by the column-normalised Q, and pixels' likelihoods by the
    row-normalised Q. Segments from number `segments` on have no channel: their pixels are left out. The mean is over
    the pixels of each patch, then over patches.
    """
    known = labels < segments
    index = labels.clamp(max=segments - 1)[:, None]
    shape = (len(labels), segments, *labels.shape[1:])
    one_hot = association.weights.new_zeros(shape).scatter_(1, index, known[:, None].to(association.weights.dtype))
    likelihood = association.spread(association.means(one_hot)).gather(1, index)[:, 0]
    loss = -(likelihood + LEAST_LIKELIHOOD).log() * known
    return (loss.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)).mean()


def compactness(
    association: SoftAssociation, positions: Tensor, scale: float, reduction: CompactnessReduction
) -> Tensor:
    """Squared distance of pixels to the superpixel they belong to most, whose place is its soft mean.

    Args:
        positions: (1, 2, h, w), in pixels.
        scale: of positions, for ``caffe_sum``.

    ``caffe_sum`` is half the sum over a patch of squared scaled distances, as Caffe's Euclidean loss has it; ``mean``
    is the mean over pixels and coordinates, unscaled. Both are averaged over patches.
    """
    pixels = positions.expand(len(association.weights), -1, -1, -1)
    squared = (pixels - association.spread_hard(association.means(pixels))).square()
    if reduction == "mean":
        return squared.mean()
    return 0.5 * scale**2 * squared.sum(dim=(1, 2, 3)).mean()


@torch.no_grad()
def patch_accuracy(association: SoftAssociation, labels: Tensor) -> Tensor:
    """Mean achievable segmentation accuracy of hard superpixels against segments (B, h, w)."""
    count, segments = association.grid.count, int(labels.max()) + 1
    patch = torch.arange(len(labels), device=labels.device)[:, None, None]
    pairs = ((patch * count + association.labels()) * segments + labels).flatten()
    joint = torch.bincount(pairs, minlength=len(labels) * count * segments).view(-1, segments)
    return joint.max(dim=1).values.sum() / labels.numel()


def _statistics(association: SoftAssociation, labels: Tensor, segments: int) -> dict[str, Tensor]:
    certainty = association.per_pixel().detach().amax(dim=1).mean()
    left_out = (labels >= segments).to(certainty.dtype).mean()
    return {
        "asa": patch_accuracy(association, labels).to(certainty.dtype),
        "certainty": certainty,
        "left_out": left_out,
    }
