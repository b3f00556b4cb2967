"""DGCNN (Wang et al., TOG 2019): edge convolutions on neighbours found again in each layer's own features.

What the paper leaves open, and our choice, with the authors' code and antao97's PyTorch code in mind:
- neighbours of the first layer: nearest in position, whatever features points have beside it; both know positions only;
- a point is its own nearest neighbour, as both;
- the transform turns positions alone, and its edges join the nearest points before it, as both;
- linear layers before a batch norm have no bias, which the norm would take away (both keep one in the second to last
  layer of the classifier); the segmenter's scores have one.

Legend: B clouds, N points, k neighbours, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.edge_conv import SLOPE, EdgeConv, EdgeConvStack
from shapesys.nets.heads import Head, PointFeatures, told_one_hot
from shapesys.nets.largest import max_and_mean, max_over_points
from shapesys.nets.linear import PointLinear
from shapesys.nets.neighbours import k_nearest_rows
from shapesys.nets.point_batch import PointBatch


class DGCNNClassifier(nn.Module):
    """Scores of a cloud's classes; 1,809,320 parameters for positions and 40 classes.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        classes: scores.
        k: neighbours of each point, itself included; 20 for 1,024 points and 40 for 2,048 as published.
        widths: of the edge convolutions.
        embedding: channels of each point before maximum and mean over all.
        head: widths of the hidden layers after them.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        k: int = 20,
        widths: Sequence[int] = (64, 64, 128, 256),
        embedding: int = 1024,
        head: Sequence[int] = (512, 256),
        dropout: Sequence[float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        self.layers = EdgeLayers(3 + inputs, [(width,) for width in widths], k)
        self.embed = PointLayer(sum(widths), embedding)
        self.head = Head(2 * embedding, head, classes, dropout, SLOPE)

    def forward(self, batch: PointBatch) -> Tensor:
        """(B, classes) logits."""
        return self.classify(self.encode(batch).weighted, batch.noise_seed)

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features (B, N, embedding), before maximum and mean."""
        features = self.embed(self.layers(batch.points, batch.features))
        return PointFeatures(batch.points, features, saliency=batch.saliency)

    def classify(self, features: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """(B, classes) logits of what `encode` gave, (B, N, C)."""
        scores: Tensor = self.head(max_and_mean(features), noise_seed)
        return scores


class DGCNNSegmenter(nn.Module):
    """Scores of every point's parts; 1,460,411 parameters for positions, 50 parts and 16 categories.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        parts: scores per point.
        categories: of clouds, told one-hot; 0 where the network is not told.
        k: neighbours of each point, itself included.
        widths: of the edge convolutions, each with one or two layers.
        embedding: channels of each point before the maximum over all.
        told: channels of the layer that takes the category.
        transform: of the transform's layers: two on edges, one on points, then those after the maximum; empty for
            a network without it.
        head: widths of the hidden layers.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        parts: int,
        categories: int = 0,
        k: int = 40,
        widths: Sequence[Sequence[int]] = ((64, 64), (64, 64), (64,)),
        embedding: int = 1024,
        told: int = 64,
        transform: Sequence[int] = (64, 128, 1024, 512, 256),
        head: Sequence[int] = (256, 256, 128),
        dropout: Sequence[float] = (0.5, 0.5, 0.0),
    ) -> None:
        super().__init__()
        if not head:
            raise ValueError("head is empty; a segmenter's head has at least one hidden layer")
        self.categories = categories
        self.transform = EdgeTransformNet(transform, k) if transform else None
        self.layers = EdgeLayers(3 + inputs, widths, k)
        outputs = sum(width[-1] for width in widths)
        self.embed = PointLayer(outputs, embedding)
        self.tell = PointLayer(categories, told) if categories else None
        self.head = Head(outputs + embedding + (told if categories else 0), head, parts, dropout, SLOPE)

    def forward(self, batch: PointBatch) -> Tensor:
        """(B, N, parts) logits. The batch's `category` is needed where categories > 0."""
        return self.classify(self.encode(batch).features, batch.category, batch.noise_seed)

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features after all edge convolutions, (B, N, C), before the maximum."""
        points = batch.points
        if self.transform is not None:
            with torch.autocast(points.device.type, enabled=False):
                points = points @ self.transform(points)
        return PointFeatures(batch.points, self.layers(points, batch.features))

    def classify(self, features: Tensor, category: Tensor | None = None, noise_seed: Tensor | None = None) -> Tensor:
        """(B, N, parts) logits of what `encode` gave, (B, N, C)."""
        shared = max_over_points(self.embed(features))
        if self.tell is not None:
            told = self.tell(told_one_hot(category, self.categories, features.dtype))
            shared = torch.cat([shared, told], dim=-1)
        return self.head.of_points_and_cloud(features, shared, noise_seed)


class EdgeLayers(nn.Module):
    """Edge convolutions one after another, each on the nearest in what it takes; all their outputs side by side.

    Args:
        inputs: channels of the points, positions included.
        widths: of each convolution's one or two layers.
        k: neighbours of each point, itself included.
    """

    def __init__(self, inputs: int, widths: Sequence[Sequence[int]], k: int) -> None:
        super().__init__()
        self.k = k
        self.inputs = inputs
        entering = [inputs, *(width[-1] for width in widths)]
        self.convolutions = nn.ModuleList(
            _edge_convolution(before, width) for before, width in zip(entering, widths, strict=False)
        )

    def forward(self, points: Tensor, features: Tensor | None) -> Tensor:
        """Positions (B, N, 3) and features beside them (B, N, inputs - 3) -> (B, N, sum of outputs).

        Raises:
            ShapesysError: clouds of fewer than k points, or other features than the network was built for.
        """
        x = points if features is None else torch.cat([points, features], dim=-1)
        if x.shape[-1] != self.inputs:
            raise ShapesysError(
                f"the points have {x.shape[-1] - 3} channels of features beside their positions, but the network was "
                f"built for {self.inputs - 3}; give it the features that it was trained with"
            )
        outputs, known = [], points
        for convolution in self.convolutions:
            x = known = convolution(x, k_nearest_rows(known, self.k))
            outputs.append(x)
        return torch.cat(outputs, dim=-1)


class EdgeTransformNet(nn.Module):
    """A (3, 3) matrix for each cloud, the identity at first, from the edges between its points.

    Args:
        widths: of two layers on edges, of one on points, and of those after the maximum.
        k: neighbours of each point, itself included.
    """

    def __init__(self, widths: Sequence[int], k: int) -> None:
        super().__init__()
        if len(widths) < 3:
            raise ValueError(f"transform is {tuple(widths)}; it needs two widths on edges and one on points, then more")
        self.k = k
        self.edges = EdgeConvStack(3, widths[0], widths[1])
        self.embed = PointLayer(widths[1], widths[2])
        hidden = widths[3:]
        self.head = Head(widths[2], hidden, 9, [0.0] * len(hidden), SLOPE)
        nn.init.zeros_(self.head.scores.weight)
        self.head.scores.bias = nn.Parameter(torch.eye(3).flatten())

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, 3, 3), in the points' precision."""
        edges = self.edges(points, k_nearest_rows(points, self.k))
        matrix: Tensor = self.head(max_over_points(self.embed(edges)))
        return matrix.to(points.dtype).view(-1, 3, 3)


class PointLayer(nn.Module):
    """Linear layer, batch norm and LeakyReLU of every row alike."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = PointLinear(inputs, outputs, bias=False)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        # In place on rows, not on a view of them, which autograd would copy.
        rows = F.leaky_relu_(self.norm(self.linear(x.reshape(-1, x.shape[-1]))), SLOPE)
        return rows.view(*x.shape[:-1], rows.shape[-1])


def _edge_convolution(inputs: int, widths: Sequence[int]) -> nn.Module:
    if len(widths) == 1:
        return EdgeConv(inputs, widths[0])
    if len(widths) == 2:
        return EdgeConvStack(inputs, *widths)
    raise ValueError(f"an edge convolution has one or two layers; got widths {tuple(widths)}")
